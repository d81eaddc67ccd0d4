// SPDX-License-Identifier: Apache-2.0
#include <bulkhead/management.h>
#include <bulkhead/partition.h>
#include <inttypes.h>
#include <lib/hypercall.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <mgmt/platform.h>
#include <mgmt/session.h>
#include <mgmt/trial.h>
#include <stdio.h>
#include <storage/state_partition.h>
#include <storage/update.h>
#include <string.h>

#define NS_PER_S 1000000000ull
#define LOOK_NS 250000000ull
#define RESET_DELAY_NS 300000000ull

static enum trial_state state;
static char waits_for[64];
static bool inspecting, writing, asked;

static void look(struct loop_timer *timer);
static struct loop_timer timer = {.run = look};

enum trial_state trial_state(void)
{
    return state;
}

const char *trial_waits_for(void)
{
    return waits_for;
}

static void tell(const char *text)
{
    bulkhead_log("%s", text);
    session_notice_all(text);
}

/* Since this boot's first guest: the clock itself may have begun long before the reset. A restart of the management
 * domain does not lengthen the trial. */
static bool is_time_over(void)
{
    return time_ns() - platform_status()->first_guest_ns > trial_s * NS_PER_S;
}

static bool is_healthy(void)
{
    const struct status_page *page = platform_status();
    uint64_t now = time_ns(), settle = trial_settle_s * NS_PER_S;

    waits_for[0] = 0;
    for (uint32_t i = 0; i < page->partitions && i < partition_count && waits_for[0] == 0; i++) {
        const struct domain_status *domain = &page->domain[i];
        bool counts = i == 0 || (policies[i].critical && partitions[i].flags & PARTITION_AUTOSTART);

        if (!counts)
            continue;
        if (__atomic_load_n(&domain->state, __ATOMIC_ACQUIRE) != DOMAIN_RUNNING)
            snprintf(waits_for, sizeof waits_for, "%s does not run", partitions[i].name);
        else if (now - domain->started_ns < settle)
            snprintf(waits_for, sizeof waits_for, "%s has not run for %" PRIu32 " s", partitions[i].name,
                     trial_settle_s);
    }
    return waits_for[0] == 0;
}

/* What is confirmed is the oldest that may run from now on. */
static void raise_minimum(void)
{
    struct state *store = state_store();
    uint32_t version = platform_status()->bundle_version;
    char text[12];

    if (store == NULL || version <= update_version_minimum())
        return;
    snprintf(text, sizeof text, "%" PRIu32, version);
    if (state_set(store, "rollback", STATE_KEPT, text, strlen(text)) != STATE_SET) {
        bulkhead_log("update: there is no room to keep the lowest version that may run");
        return;
    }
    state_store_commit();
    bulkhead_log("update: versions before %s do not run here any more", text);
}

static void reset_now(struct loop_timer *late)
{
    (void)late;
    hypercall_system(false, CAUSE_POLICY);
}

static void closed(bool success)
{
    static struct loop_timer late = {.run = reset_now};

    (void)success; /* its try is gone anyway */
    writing = false;
    loop_timer_set(&late, RESET_DELAY_NS);
}

/* To the other slot, if that can boot. */
static void go_back(struct slots *slots, uint32_t running, const char *why)
{
    char text[160];

    state = TRIAL_OVER;
    slots_close(slots, running);
    if (slots_next(slots) < 0) {
        snprintf(text, sizeof text, "DANGER: slot %c: %s; but there is no other slot that boots", (int)('a' + running),
                 why);
        tell(text);
        return;
    }
    snprintf(text, sizeof text, "update: slot %c is given up: %s. The appliance restarts with slot %c",
             (int)('a' + running), why, (int)('a' + slots_next(slots)));
    tell(text);
    writing = slots_put(slots, closed);
    if (!writing)
        closed(false);
}

static void confirmed(bool success)
{
    char text[120];

    writing = false;
    if (!success)
        return; /* tried again until the time is over */
    state = TRIAL_CONFIRMED;
    snprintf(text, sizeof text, "update: slot %c (version %" PRIu32 ") is confirmed", (int)('a' + update_running()),
             platform_status()->bundle_version);
    tell(text);
    raise_minimum();
}

/* By an operator ('update rollback'), maybe before this domain was restarted: the slot that was chosen last is closed,
 * and the other one is next. A closed slot that a loader took as its last resort was not chosen by the record. */
static bool is_rolled_back(const struct slots *slots, uint32_t running)
{
    const struct slot *slot = &slots->slot[running];

    return slots->last == (int)running && !slot->successful && slot->tries == 0 && slot->priority == 0 &&
           slots_next(slots) >= 0;
}

static void watch(struct slots *slots, uint32_t running)
{
    char text[120];

    if (is_rolled_back(slots, running) && !asked) {
        state = TRIAL_OVER;
    } else if (is_healthy() || asked) {
        slots_confirm(slots, running);
        writing = slots_put(slots, confirmed);
    } else if (is_time_over()) {
        snprintf(text, sizeof text, "not healthy after %" PRIu32 " s, %s", trial_s, waits_for);
        go_back(slots, running, text);
    }
}

/* Which slot runs is known. */
static void begin(void)
{
    int running = update_running();
    struct slots slots;
    char text[80];

    if (running < 0 || !slots_get(&slots)) {
        state = TRIAL_NONE;
    } else if (is_rolled_back(&slots, (uint32_t)running)) {
        state = TRIAL_OVER;
    } else if (platform_status()->bundle_version < update_version_minimum()) { /* a loader may not look at that */
        snprintf(text, sizeof text, "its version %" PRIu32 " is too old, this appliance takes %" PRIu32 " or later",
                 platform_status()->bundle_version, update_version_minimum());
        go_back(&slots, (uint32_t)running, text);
    } else if (!slots.slot[running].successful) {
        state = TRIAL_ON;
        snprintf(text, sizeof text, "update: slot %c is on trial for %" PRIu32 " s at the most", (int)('a' + running),
                 trial_s);
        tell(text);
    } else {
        state = TRIAL_NONE;
        raise_minimum();
    }
}

static void look(struct loop_timer *self)
{
    struct slots slots;

    if (state == TRIAL_LOOKING && !inspecting && state_store() != NULL)
        inspecting = update_inspect(begin);
    else if (state == TRIAL_ON && !writing && slots_get(&slots))
        watch(&slots, (uint32_t)update_running());
    if (state == TRIAL_ON || (state == TRIAL_LOOKING && !is_time_over()))
        loop_timer_set(self, LOOK_NS);
}

bool trial_confirm(void)
{
    asked = state == TRIAL_ON || (state == TRIAL_OVER && !writing);
    if (state == TRIAL_OVER && asked) { /* it still runs: there is no other slot that boots, or nobody has reset yet */
        state = TRIAL_ON;
        loop_timer_set(&timer, LOOK_NS);
    }
    return asked;
}

static void trial_start(void)
{
    state = TRIAL_LOOKING;
    inspecting = writing = asked = false;
    loop_timer_set(&timer, LOOK_NS);
}
MODULE(MODULE_USER, trial, trial_start);
