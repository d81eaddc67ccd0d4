// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a domain: off -> starting -> running -> stopping -> stopped or crashed -> starting ...
 *
 * Anybody may ask for a change; the CPU of the domain's vCPU 0 makes it, from vcpu_park(), where it is whenever the
 * domain does not run. So scrubbing, loading and resetting have one author and hold no lock.
 */
#include <bulkhead/guest_map.h>
#include <bulkhead/hypercall.h>
#include <core/arch.h>
#include <core/bundle.h>
#include <core/channel.h>
#include <core/console.h>
#include <core/deadline.h>
#include <core/heartbeat.h>
#include <core/loader.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/status.h>
#include <core/vpci.h>
#include <devices/iommu/iommu.h>
#include <lib/stop_cause.h>
#include <string.h>

/* The management domain is started again by the kernel, unless it never gets going: one that hangs at once is stopped
 * when its first heartbeat is due. */
#define QUICK_STOP_NS(domain) ((10000 + (domain)->config->heartbeat_ms) * 1000000ull)
#define QUICK_STOPS_MAX 8

struct domain domains[BULKHEAD_PARTITIONS_MAX];
static uint32_t quick_stops;

bool domain_grants(const struct domain *front, const struct domain *back)
{
    for (uint32_t i = 0; front->memory_size && i < channel_count; i++)
        if (channels[i].front == front->index && channels[i].back == back->index)
            return true;
    return false;
}

static void set_state(struct domain *domain, enum domain_state state)
{
    __atomic_store_n(&domain->state, state, __ATOMIC_RELEASE);
    __atomic_store_n(&domain->status->state, state, __ATOMIC_RELEASE);
}

/* Have vCPU 0's CPU look at the domain's state. */
static void call_on(struct domain *domain)
{
    cpu_request(domain->vcpu[0]->cpu, CPU_REQUEST_POWER);
}

/* --- Building --- */

static bool find_cpus(struct domain *domain)
{
    for (uint32_t i = 0; i < BULKHEAD_CPUS_MAX; i++) {
        if (!(domain->config->cpus >> i & 1))
            continue;
        if (!cpus[i].present) {
            log_line("%s: the machine has no CPU %u", domain->config->name, i);
            return false;
        }
        domain->vcpu[domain->vcpu_count++] = cpus[i].vcpu;
    }
    return true;
}

static void adopt_cpus(struct domain *domain)
{
    for (uint32_t i = 0; i < domain->vcpu_count; i++) {
        struct vcpu *vcpu = domain->vcpu[i];

        vcpu->index = i;
        vcpu->status = &domain->status->vcpu[i];
        vcpu->status->physical_cpu = vcpu->cpu;
        __atomic_store_n(&vcpu->domain, domain, __ATOMIC_RELEASE);
    }
}

/* False: the machine lacks what the partition asks for. */
static bool build(struct domain *domain)
{
    const struct partition_config *config = domain->config;
    struct memory_range memory = partition_memory(domain->index);

    if (!find_cpus(domain) || !memory.size)
        return false;
    domain->memory = memory.base;
    domain->memory_size = memory.size;
    domain->memory_ipa = ipa(config->flags & PARTITION_MANAGEMENT ? memory.base.value : GUEST_MEMORY_BASE);
    stage2_create(domain);
    stage2_map(domain, domain->memory_ipa, domain->memory, domain->memory_size,
               STAGE2_READ | STAGE2_WRITE | STAGE2_EXECUTE);
    if (!vpci_init(domain)) {
        domain->memory_size = 0; /* nobody serves it */
        return false;
    }
    domain->status->memory_ipa = domain->memory_ipa.value;
    domain->status->memory_hpa = memory.base.value;
    domain->status->memory_size = memory.size;
    domain->status->vcpus = domain->vcpu_count;
    adopt_cpus(domain);
    arch_domain_init(domain);
    return true;
}

static void map_shared(struct domain *domain, struct hpa base, uint64_t size, uint32_t rights)
{
    stage2_map(domain, ipa(base.value), base, size, rights);
}

/* The whole pages that the loader gave behind the bundle's last image. */
static void map_boot_log(struct domain *domain)
{
    uint64_t base = (platform.bundle.base.value + bundle_end() + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    uint64_t end = (platform.bundle.base.value + platform.bundle.size) & ~(PAGE_SIZE - 1);

    if (end <= base)
        return;
    status_page->shared.boot_log = base;
    status_page->shared.boot_log_bytes = end - base;
    map_shared(domain, hpa(base), end - base, STAGE2_READ);
}

/* What the kernel shares with the management domain, and the memory of the domains that it serves. */
static void map_management(struct domain *domain)
{
    struct status_shared *shared = &status_page->shared;

    shared->log = log_ring_page().value;
    shared->log_bytes = log_ring_bytes();
    shared->doorbell = channel_doorbell_page(domain).value;
    shared->console_bytes = console_ring_bytes();
    for (uint32_t i = 0; i < channel_count; i++)
        shared->channel[i] = channel_register_page(i).value;
    map_shared(domain, status_hpa(), status_bytes(), STAGE2_READ);
    map_shared(domain, log_ring_page(), log_ring_bytes(), STAGE2_READ);
    for (uint32_t i = 0; i < console_count; i++) {
        shared->console[i] = console_ring_page(i).value;
        map_shared(domain, console_ring_page(i), console_ring_bytes(), STAGE2_READ);
    }
    map_boot_log(domain);
    for (uint32_t i = 0; i < partition_count; i++)
        if (i != domain->index && domain_grants(&domains[i], domain))
            map_shared(domain, domains[i].memory, domains[i].memory_size, STAGE2_READ | STAGE2_WRITE);
}

/* What its devices reach: its own memory, and that of the domains that it serves. */
static void map_for_devices(struct domain *domain)
{
    if (!iommu_serves(domain))
        return;
    iommu_map(domain, domain->memory_ipa, domain->memory, domain->memory_size, STAGE2_READ | STAGE2_WRITE);
    for (uint32_t i = 0; i < partition_count; i++)
        if (i != domain->index && domain_grants(&domains[i], domain))
            iommu_map(domain, ipa(domains[i].memory.value), domains[i].memory, domains[i].memory_size,
                      STAGE2_READ | STAGE2_WRITE);
}

static void map_channels(struct domain *domain)
{
    struct hpa doorbell = channel_doorbell_page(domain);

    for (uint32_t i = 0; i < channel_count; i++) {
        struct hpa page = channel_register_page(i);

        if (channels[i].front == domain->index)
            stage2_map(domain, ipa(GUEST_VIRTIO_BASE + channels[i].slot * PAGE_SIZE), page, PAGE_SIZE, STAGE2_READ);
        if (channels[i].back == domain->index)
            map_shared(domain, page, PAGE_SIZE, STAGE2_READ);
    }
    if (doorbell.value)
        map_shared(domain, doorbell, PAGE_SIZE, STAGE2_READ | STAGE2_WRITE);
}

void domain_init(void)
{
    for (uint32_t i = 0; i < partition_count; i++) {
        struct domain *domain = &domains[i];

        domain->config = &partitions[i];
        domain->index = i;
        domain->status = &status_page->domain[i];
        set_state(domain, build(domain) ? DOMAIN_OFF : DOMAIN_ABSENT);
    }
    channel_init();
    for (uint32_t i = 0; i < partition_count; i++) {
        struct domain *domain = &domains[i];

        if (domain->state == DOMAIN_ABSENT)
            continue;
        map_channels(domain);
        if (domain_manages(domain))
            map_management(domain);
        map_for_devices(domain);
        if (!loader_plan(domain))
            set_state(domain, DOMAIN_ABSENT);
    }
}

/* --- Requests --- */

int domain_start(struct domain *domain)
{
    int result = HC_OK;

    spinlock_acquire(&domain->lock);
    switch (domain->state) {
    case DOMAIN_OFF:
    case DOMAIN_STOPPED:
    case DOMAIN_CRASHED:
        set_state(domain, DOMAIN_STARTING);
        break;
    case DOMAIN_STOPPING:
        domain->restart = 1;
        domain->status->restart_pending = 1;
        break;
    default:
        result = HC_E_STATE;
    }
    spinlock_release(&domain->lock);
    if (result == HC_OK)
        call_on(domain);
    return result;
}

void domain_start_all(void)
{
    for (uint32_t i = 0; i < partition_count; i++)
        if (domains[i].config->flags & PARTITION_AUTOSTART)
            domain_start(&domains[i]);
}

static bool stop(struct domain *domain, enum stop_cause cause, uint64_t detail, bool restart)
{
    bool stops;

    spinlock_acquire(&domain->lock);
    stops = domain->state == DOMAIN_RUNNING || domain->state == DOMAIN_STARTING;
    if (stops) {
        domain->status->cause = cause;
        domain->status->detail = detail;
        domain->status->stopped_ns = time_ns();
        domain->restart = 0;
        set_state(domain, DOMAIN_STOPPING);
    }
    if (domain->state == DOMAIN_STOPPING && restart)
        domain->status->restart_pending = domain->restart = 1;
    spinlock_release(&domain->lock);
    for (uint32_t i = 0; stops && i < domain->vcpu_count; i++)
        cpu_request(domain->vcpu[i]->cpu, CPU_REQUEST_POWER);
    return stops;
}

void domain_stop(struct domain *domain, enum stop_cause cause, uint64_t detail)
{
    stop(domain, cause, detail, false);
}

int domain_halt(struct domain *domain)
{
    return stop(domain, CAUSE_REQUEST, 0, false) ? HC_OK : HC_E_STATE;
}

int domain_restart(struct domain *domain)
{
    if (stop(domain, CAUSE_REQUEST, 0, true))
        return HC_OK;
    return domain_start(domain);
}

void domain_let_go(struct domain *front)
{
    if (front->state == DOMAIN_STOPPING)
        call_on(front);
}

void vcpu_power_off(struct vcpu *vcpu)
{
    struct domain *domain = vcpu->domain;
    bool last = true;

    spinlock_acquire(&domain->lock);
    vcpu->power = VCPU_OFF;
    for (uint32_t i = 0; i < domain->vcpu_count; i++)
        last = last && domain->vcpu[i]->power == VCPU_OFF;
    spinlock_release(&domain->lock);
    if (last)
        domain_stop(domain, CAUSE_CPU_OFF, 0);
}

/* --- Changes, on the CPU of vCPU 0 --- */

static bool is_crash(enum stop_cause cause)
{
    return cause != CAUSE_REQUEST && cause != CAUSE_POWER_OFF && cause != CAUSE_CPU_OFF;
}

/* The management domain is back by itself; one that stops again and again takes the appliance with it. */
static bool restarts_by_kernel(struct domain *domain)
{
    if (!domain_manages(domain))
        return false;
    quick_stops = domain->status->stopped_ns - domain->status->started_ns < QUICK_STOP_NS(domain) ? quick_stops + 1 : 0;
    if (quick_stops < QUICK_STOPS_MAX)
        return true;
    log_line("%s: stopped %u times soon after its start: resetting the appliance", domain->config->name, quick_stops);
    log_event(UINT8_MAX, EVENT_RESET, domain->status->cause, domain->index);
    machine_reset();
}

/* All vCPUs are parked. Called again until the back-ends have let go of the domain's buffers. */
static void finish_stop(struct domain *domain)
{
    enum stop_cause cause = domain->status->cause;
    bool again;

    heartbeat_stop(domain);
    vpci_reset(domain);
    arch_domain_reset(domain);
    iommu_stop(domain);
    for (uint32_t i = 0; i < domain->vcpu_count; i++)
        domain->vcpu[i]->power = VCPU_OFF;
    if (domain_manages(domain)) {
        log_serial(false);
        channel_reset_back(domain);
        for (uint32_t i = 0; i < partition_count; i++)
            domain_let_go(&domains[i]);
    }
    if (!channel_reset_front(domain))
        return;

    log_line("%s: stopped: %s (%lx)", domain->config->name, stop_cause_text(cause), domain->status->detail);
    domain->status->crashes += is_crash(cause);
    spinlock_acquire(&domain->lock);
    again = domain->restart;
    domain->restart = 0;
    domain->status->restart_pending = 0;
    set_state(domain, is_crash(cause) ? DOMAIN_CRASHED : DOMAIN_STOPPED);
    spinlock_release(&domain->lock);
    log_event((uint8_t)domain->index, is_crash(cause) ? EVENT_CRASH : EVENT_STOP, cause, domain->status->detail);
    if (again || restarts_by_kernel(domain))
        domain_start(domain);
}

static void bring_up(struct domain *domain)
{
    struct vcpu *vcpu = domain->vcpu[0];

    loader_load(domain);
    vpci_start(domain);
    iommu_start(domain);
    arch_domain_start(domain);
    log_event((uint8_t)domain->index, EVENT_START, CAUSE_NONE, domain->status->starts);
    domain->status->starts++;
    domain->status->started_ns = time_ns();
    if (domain_manages(domain) && arch_owns_serial(domain))
        log_serial(true);

    spinlock_acquire(&domain->lock);
    if (domain->state == DOMAIN_STARTING) {
        vcpu->entry = loader_entry(domain).value;
        vcpu->context = loader_context(domain).value;
        vcpu->power = VCPU_ON_PENDING;
        set_state(domain, DOMAIN_RUNNING);
    }
    spinlock_release(&domain->lock);
    heartbeat_start(domain);
    channel_ring_system(DOORBELL_DOMAIN);
}

static void leave(struct vcpu *vcpu)
{
    struct domain *domain = vcpu->domain;

    if (!vcpu->in)
        return;
    vcpu->in = false;
    vcpu->status->online = 0;
    progress_stop(vcpu);
    if (__atomic_sub_fetch((uint32_t *)&domain->vcpus_in, 1, __ATOMIC_ACQ_REL) == 0)
        call_on(domain);
}

static bool may_enter(struct vcpu *vcpu)
{
    struct domain *domain = vcpu->domain;

    spinlock_acquire(&domain->lock);
    if (domain->state == DOMAIN_RUNNING && vcpu->power == VCPU_ON_PENDING) {
        vcpu->power = VCPU_ON;
        vcpu->in = true;
        domain->vcpus_in++;
    }
    spinlock_release(&domain->lock);
    return vcpu->in;
}

void vcpu_park(struct vcpu *vcpu)
{
    struct domain *domain;

    leave(vcpu);
    for (;;) {
        domain = __atomic_load_n(&vcpu->domain, __ATOMIC_ACQUIRE);
        if (domain && vcpu->index == 0) {
            if (domain->state == DOMAIN_STOPPING && domain->vcpus_in == 0)
                finish_stop(domain);
            if (domain->state == DOMAIN_STARTING)
                bring_up(domain);
        }
        if (domain && may_enter(vcpu))
            break;
        cpu_wait();
        interrupts_poll();
    }
    vcpu->status->online = 1;
    vcpu_reset(vcpu, vcpu->entry, vcpu->context);
    progress_start(vcpu);
    if (!status_page->first_guest_ns)
        status_page->first_guest_ns = time_ns();
}
