/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/management.h>
#include <bulkhead/partition.h>
#include <lib/hypercall.h>
#include <lib/stop_cause.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/doorbell.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <mgmt/platform.h>
#include <mgmt/session.h>
#include <mgmt/supervisor.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
#define RESET_DELAY_MS 300u
#define HISTORY 64u /* restarts remembered; a limit above it counts as this */

struct supervised {
    uint32_t partition;
    uint64_t decided_stop; /* stopped_ns of the last stop that was looked at: it names the stop */
    bool gave_up;
    uint64_t restart_at_ns;         /* 0: none waits */
    uint64_t restarted_ns[HISTORY]; /* when restarts were decided; a ring */
    uint32_t restarts;              /* in that ring since the last limit or operator */
    struct loop_timer timer;
};

static struct supervised supervised[BULKHEAD_PARTITIONS_MAX];

static const struct domain_status *status_of(const struct supervised *domain)
{
    return &platform_status()->domain[domain->partition];
}

static uint32_t state_of(const struct supervised *domain)
{
    return __atomic_load_n(&status_of(domain)->state, __ATOMIC_ACQUIRE);
}

static void tell(const char *text)
{
    bulkhead_log("%s", text);
    session_notice_all(text);
}

/* Restarts within the policy's window that ends now. */
static uint32_t recent_restarts(const struct supervised *domain, uint64_t now)
{
    uint64_t window = policies[domain->partition].window_s * NS_PER_S;
    uint32_t count = 0, n;

    for (n = 0; n < domain->restarts && n < HISTORY; n++)
        count += now - domain->restarted_ns[(domain->restarts - 1 - n) % HISTORY] < window;
    return count;
}

static uint32_t restart_limit(const struct supervised *domain)
{
    uint32_t limit = policies[domain->partition].limit;

    return limit < HISTORY ? limit : HISTORY;
}

static uint64_t back_off_ms(const struct supervised *domain, uint32_t restarts_before)
{
    const struct policy_config *policy = &policies[domain->partition];
    uint64_t ms = policy->backoff_ms;

    while (restarts_before-- > 0 && ms < policy->backoff_max_ms)
        ms *= 2;
    return ms < policy->backoff_max_ms ? ms : policy->backoff_max_ms;
}

static void duration(char *text, size_t size, uint64_t ms)
{
    if (ms % 1000 == 0)
        snprintf(text, size, "%llu s", (unsigned long long)(ms / 1000));
    else
        snprintf(text, size, "%llu ms", (unsigned long long)ms);
}

/* "domain linux1: ..." */
static const char *cause_phrase(uint32_t cause)
{
    static const char *const phrase[] = {
        [CAUSE_POWER_OFF] = "powered itself off",      [CAUSE_GUEST_RESET] = "reset itself",
        [CAUSE_WATCHDOG] = "watchdog expired",         [CAUSE_HEARTBEAT] = "heartbeat stopped",
        [CAUSE_NO_PROGRESS] = "makes no progress",     [CAUSE_BAD_ACCESS] = "access outside its partition",
        [CAUSE_BAD_IMAGE] = "image cannot be loaded",  [CAUSE_PANIC] = "panicked",
        [CAUSE_CPU_OFF] = "switched its last CPU off", [CAUSE_DMA_FAULT] = "its devices reached outside its partition",
    };

    return cause < sizeof phrase / sizeof phrase[0] && phrase[cause] != NULL ? phrase[cause] : stop_cause_text(cause);
}

/* "domain linux1: watchdog expired at 0x..." */
static void what_happened(char *text, size_t size, const struct supervised *domain)
{
    const struct domain_status *status = status_of(domain);

    if (status->detail != 0 && status->cause != CAUSE_GUEST_RESET) /* of a reset it is the call */
        snprintf(text, size, "domain %s: %s at 0x%llx", partitions[domain->partition].name, cause_phrase(status->cause),
                 (unsigned long long)status->detail);
    else
        snprintf(text, size, "domain %s: %s", partitions[domain->partition].name, cause_phrase(status->cause));
}

static void start_now(struct supervised *domain)
{
    int64_t result;

    domain->restart_at_ns = 0;
    result = hypercall_domain_control(domain->partition, DOMAIN_OP_START);
    if (result != HC_OK)
        bulkhead_log("domain %s: the kernel refuses to start it (%d)", partitions[domain->partition].name, (int)result);
}

static void back_off_ended(struct loop_timer *timer)
{
    start_now(timer->owner);
}

static void restart_after(struct supervised *domain, uint64_t at_ns)
{
    uint64_t now = time_ns();

    domain->restart_at_ns = at_ns;
    loop_timer_set(&domain->timer, at_ns > now ? at_ns - now : 0);
}

static void give_up(struct supervised *domain, const char *why)
{
    char text[200], happened[80];

    domain->gave_up = true;
    hypercall_event(domain->partition, EVENT_GIVE_UP, status_of(domain)->cause, restart_limit(domain));
    what_happened(happened, sizeof happened, domain);
    snprintf(text, sizeof text, "%s%s; %s; it stays stopped ('domain start %s' starts it)",
             policies[domain->partition].critical ? "CRITICAL: " : "", happened, why,
             partitions[domain->partition].name);
    tell(text);
}

static void decide_restart(struct supervised *domain)
{
    const struct policy_config *policy = &policies[domain->partition];
    uint64_t now = time_ns(), ms;
    uint32_t before = recent_restarts(domain, now);
    char text[200], happened[80], wait[24];

    if (before >= restart_limit(domain)) {
        duration(wait, sizeof wait, policy->window_s * 1000ull);
        snprintf(text, sizeof text, "%u restarts within %s are the limit", (unsigned)before, wait);
        give_up(domain, text);
        return;
    }
    ms = back_off_ms(domain, before);
    domain->restarted_ns[domain->restarts++ % HISTORY] = now;
    hypercall_event(domain->partition, EVENT_RESTART, status_of(domain)->cause, ms);
    what_happened(happened, sizeof happened, domain);
    duration(wait, sizeof wait, ms);
    snprintf(text, sizeof text, "%s%s; restarting in %s (%u of %u)", policy->critical ? "CRITICAL: " : "", happened,
             wait, (unsigned)before + 1, (unsigned)restart_limit(domain));
    tell(text);
    restart_after(domain, now + ms * NS_PER_MS);
}

static void reset_now(struct loop_timer *timer)
{
    (void)timer;
    hypercall_system(false, CAUSE_POLICY);
}

/* A moment later, so that the line about it gets out. */
static void reset_appliance(const struct supervised *domain)
{
    static struct loop_timer timer = {.run = reset_now};
    char text[200], happened[80];

    what_happened(happened, sizeof happened, domain);
    snprintf(text, sizeof text, "CRITICAL: %s; its policy resets the appliance", happened);
    tell(text);
    loop_timer_set(&timer, RESET_DELAY_MS * NS_PER_MS);
}

/* A stop that its owner did not ask for. */
static bool is_failure(uint32_t state, uint32_t cause)
{
    return state == DOMAIN_CRASHED || (state == DOMAIN_STOPPED && cause == CAUSE_GUEST_RESET);
}

static void decide(struct supervised *domain, uint32_t state)
{
    uint32_t cause = status_of(domain)->cause;
    char text[120];

    if (!is_failure(state, cause)) {
        if (cause == CAUSE_REQUEST)
            snprintf(text, sizeof text, "domain %s: stopped on request", partitions[domain->partition].name);
        else
            snprintf(text, sizeof text, "domain %s: %s; it stays stopped", partitions[domain->partition].name,
                     cause_phrase(cause));
        tell(text);
    } else if (cause == CAUSE_BAD_IMAGE) {
        give_up(domain, "the same image would fail again");
    } else if (policies[domain->partition].action == POLICY_RESET_APPLIANCE) {
        reset_appliance(domain);
    } else if (policies[domain->partition].action == POLICY_STOP) {
        give_up(domain, "its policy is to stop");
    } else {
        decide_restart(domain);
    }
}

static void look(struct supervised *domain)
{
    uint32_t state = state_of(domain);
    uint64_t stopped_ns = status_of(domain)->stopped_ns;

    if (state == DOMAIN_STARTING || state == DOMAIN_RUNNING) {
        /* A new life, whoever began it. */
        domain->gave_up = false;
        domain->restart_at_ns = 0;
        loop_timer_cancel(&domain->timer);
    } else if ((state == DOMAIN_STOPPED || state == DOMAIN_CRASHED) && stopped_ns != domain->decided_stop &&
               !status_of(domain)->restart_pending) {
        domain->decided_stop = stopped_ns;
        decide(domain, state);
    }
}

void supervisor_domain_changed(void)
{
    uint32_t n;

    for (n = 1; n < platform_status()->partitions && n < partition_count; n++)
        look(&supervised[n]);
}

/* What the events of this boot say about a domain. */
struct past {
    bool decided;    /* a decision follows the last stop ... */
    bool gave_up;    /* ... which was this */
    bool restarting; /* ... or this, and the domain has not started since */
    uint64_t back_off_ms;
    uint64_t stop_ms; /* when it stopped last, on the events' clock */
};

static void read_event(struct supervised *domain, struct past *past, const struct supervision_event *event)
{
    switch (event->kind) {
    case EVENT_START:
        past->decided = past->gave_up = past->restarting = false;
        break;
    case EVENT_STOP:
    case EVENT_CRASH:
        past->stop_ms = event->milliseconds;
        if (event->cause == CAUSE_REQUEST) {
            past->decided = true;
            past->restarting = false;
            domain->restarts = 0;
        }
        break;
    case EVENT_RESTART:
        domain->restarted_ns[domain->restarts++ % HISTORY] = event->milliseconds * NS_PER_MS;
        past->decided = past->restarting = true;
        past->back_off_ms = event->detail;
        break;
    case EVENT_GIVE_UP:
        domain->restarts = 0;
        past->decided = past->gave_up = true;
        break;
    default:
        break;
    }
}

static void resume(struct supervised *domain)
{
    const struct status_page *status = platform_status();
    uint64_t head = status->event_head;
    uint64_t sequence = head > BULKHEAD_EVENTS_MAX ? head - BULKHEAD_EVENTS_MAX + 1 : 1;
    uint64_t stopped_ns = status_of(domain)->stopped_ns, clock_offset;
    uint32_t state = state_of(domain), n;
    struct past past = {0};

    for (; sequence <= head; sequence++) {
        const struct supervision_event *event = &status->event[sequence % BULKHEAD_EVENTS_MAX];

        if (event->sequence == sequence && event->boot == status->boot && event->partition == domain->partition)
            read_event(domain, &past, event);
    }
    /* The events count from the boot, the status page on the system counter; the last stop stands in both. */
    clock_offset = past.stop_ms != 0 ? stopped_ns - past.stop_ms * NS_PER_MS : 0;
    for (n = 0; n < domain->restarts && n < HISTORY; n++)
        domain->restarted_ns[n] += clock_offset;
    if ((state != DOMAIN_STOPPED && state != DOMAIN_CRASHED) || !past.decided)
        return; /* nothing to take up, or it is still to be decided */
    domain->decided_stop = stopped_ns;
    domain->gave_up = past.gave_up;
    if (past.restarting && !past.gave_up) {
        bulkhead_log("domain %s: its restart goes on after the management domain's own",
                     partitions[domain->partition].name);
        restart_after(domain, stopped_ns + past.back_off_ms * NS_PER_MS);
    }
}

void supervisor_init(void)
{
    const struct status_page *status = platform_status();
    uint32_t n;

    memset(supervised, 0, sizeof supervised);
    for (n = 0; n < BULKHEAD_PARTITIONS_MAX; n++) {
        supervised[n].partition = n;
        supervised[n].timer.run = back_off_ended;
        supervised[n].timer.owner = &supervised[n];
    }
    for (n = 1; n < status->partitions && n < partition_count; n++)
        resume(&supervised[n]);
    if (status->domain[0].starts > 1) {
        char text[120];

        snprintf(text, sizeof text, "the management domain was restarted: %s (start %u)",
                 cause_phrase(status->domain[0].cause), (unsigned)status->domain[0].starts);
        tell(text);
    }
    supervisor_domain_changed();
}

struct supervision_state supervisor_state(uint32_t partition)
{
    struct supervision_state state = {SUPERVISION_NONE, 0, 0};
    uint64_t now = time_ns();

    if (partition == 0 || partition >= partition_count || partition >= BULKHEAD_PARTITIONS_MAX)
        return state;
    state.restarts = recent_restarts(&supervised[partition], now);
    if (supervised[partition].restart_at_ns != 0) {
        state.state = SUPERVISION_BACK_OFF;
        if (supervised[partition].restart_at_ns > now)
            state.restart_in_ns = supervised[partition].restart_at_ns - now;
    } else if (supervised[partition].gave_up) {
        state.state = SUPERVISION_GAVE_UP;
    }
    return state;
}

void supervisor_operator_decides(uint32_t partition)
{
    struct supervised *domain = &supervised[partition];

    if (domain->restart_at_ns != 0)
        hypercall_event(partition, EVENT_STOP, CAUSE_REQUEST, 0); /* so that a later instance does not take it up */
    loop_timer_cancel(&domain->timer);
    domain->restart_at_ns = 0;
    domain->gave_up = false;
    domain->restarts = 0;
}

static void domain_changed(struct doorbell_system_handler *handler, uint32_t bits)
{
    (void)handler;
    (void)bits;
    supervisor_domain_changed();
}

static void supervisor_start(void)
{
    static struct doorbell_system_handler handler = {.ring = domain_changed, .mask = DOORBELL_DOMAIN};

    doorbell_register_system(&handler);
    supervisor_init();
}
MODULE(MODULE_USER, supervisor, supervisor_start);
