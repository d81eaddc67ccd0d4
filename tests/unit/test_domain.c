// SPDX-License-Identifier: Apache-2.0
/* The life of domains (core/domain.c) on a machine of four CPUs that one thread plays: a CPU that sleeps returns here.
 */
#include <bulkhead/guest_map.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <bulkhead/hypercall.h>
#include <core/arch.h>
#include <core/channel.h>
#include <core/console.h>
#include <core/heartbeat.h>
#include <core/loader.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/status.h>
#include <core/vpci.h>

const struct partition_config partitions[] = {
    {.name = "mgmt",
     .flags = PARTITION_MANAGEMENT | PARTITION_AUTOSTART,
     .cpus = 1,
     .memory_size = 2 * MIB,
     .heartbeat_ms = 10000},
    {.name = "pair", .flags = PARTITION_AUTOSTART, .cpus = 6, .memory_size = 2 * MIB},
    {.name = "absent", .flags = PARTITION_AUTOSTART, .cpus = 0x10, .memory_size = 2 * MIB},
};
const uint32_t partition_count = 3;
const struct channel_config channels[] = {{.device_id = VIRTIO_ID_NET, .front = 1, .back = 0}};
const uint32_t channel_count = 1;
const uint32_t console_count = 0;
const uint8_t console_owner[] = {0};

struct platform platform;
struct cpu cpus[BULKHEAD_CPUS_MAX];
struct status_page *status_page;
static struct status_page page;
static struct vcpu vcpus[BULKHEAD_CPUS_MAX];
static struct vcpu *running;
static jmp_buf asleep, machine_is_reset;
static uint64_t now;
static bool back_end_holds, stops_while_loading, devices_reach[2];
static struct {
    unsigned loads, resets, back_resets, requests[BULKHEAD_CPUS_MAX], events[8];
    enum stop_cause cause;
} seen;

static bool is_in(const struct vcpu *vcpu)
{
    return vcpu->in;
}

/* --- What core/domain.c stands on --- */

void cpu_wait(void)
{
    longjmp(asleep, 1);
}
void interrupts_poll(void) {}
struct vcpu *vcpu_current(void)
{
    return running;
}
void cpu_request(uint32_t cpu, uint32_t requests)
{
    (void)requests;
    seen.requests[cpu]++;
}
uint64_t time_ns(void)
{
    return ++now;
}
void vcpu_reset(struct vcpu *vcpu, uint64_t entry, uint64_t context)
{
    vcpu->arch.x[0] = context;
    vcpu->arch.x[1] = entry;
}
void progress_start(struct vcpu *vcpu)
{
    (void)vcpu;
}
void progress_stop(struct vcpu *vcpu)
{
    (void)vcpu;
}
void heartbeat_start(struct domain *domain)
{
    (void)domain;
}
void heartbeat_stop(struct domain *domain)
{
    (void)domain;
}
void machine_reset(void)
{
    longjmp(machine_is_reset, 1);
}

uint64_t bundle_end(void)
{
    return 0;
}
struct memory_range partition_memory(uint32_t partition)
{
    return (struct memory_range){hpa((partition + 1) * 2 * MIB), partitions[partition].memory_size};
}
void stage2_create(struct domain *domain)
{
    (void)domain;
}
void stage2_map(struct domain *domain, struct ipa from, struct hpa to, uint64_t size, uint32_t rights)
{
    (void)domain, (void)from, (void)to, (void)size, (void)rights;
}
bool arch_owns_serial(struct domain *domain)
{
    (void)domain;
    return false;
}
void arch_domain_init(struct domain *domain)
{
    (void)domain;
}
void arch_domain_reset(struct domain *domain)
{
    for (uint32_t i = 0; i < domain->vcpu_count; i++)
        assert_false(is_in(domain->vcpu[i])); /* nothing is reset under a running guest */
    seen.resets++;
}
void arch_domain_start(struct domain *domain)
{
    (void)domain;
}
bool iommu_serves(const struct domain *domain)
{
    (void)domain;
    return false;
}
void iommu_map(struct domain *domain, struct ipa from, struct hpa to, uint64_t size, uint32_t rights)
{
    (void)domain, (void)from, (void)to, (void)size, (void)rights;
}
void iommu_start(struct domain *domain)
{
    devices_reach[domain->index] = true;
}
void iommu_stop(struct domain *domain)
{
    devices_reach[domain->index] = false;
}
bool vpci_init(struct domain *domain)
{
    (void)domain;
    return true;
}
void vpci_reset(struct domain *domain)
{
    (void)domain;
}
void vpci_start(struct domain *domain)
{
    (void)domain;
}
bool loader_plan(struct domain *domain)
{
    (void)domain;
    return true;
}
void loader_load(struct domain *domain)
{
    assert_false(devices_reach[domain->index]); /* nor is memory scrubbed under a device that reaches it */
    seen.loads++;
    if (stops_while_loading)
        domain_stop(domain, CAUSE_REQUEST, 0);
}
struct ipa loader_entry(const struct domain *domain)
{
    return domain->memory_ipa;
}
struct ipa loader_context(const struct domain *domain)
{
    return ipa(domain->memory_ipa.value + MIB);
}
void channel_init(void) {}
struct hpa channel_register_page(uint32_t channel)
{
    (void)channel;
    return hpa(0);
}
struct hpa channel_doorbell_page(const struct domain *back)
{
    (void)back;
    return hpa(0);
}
void channel_ring_system(uint32_t bits)
{
    (void)bits;
}
bool channel_reset_front(struct domain *front)
{
    return front->index == 0 || !back_end_holds;
}
void channel_reset_back(struct domain *back)
{
    (void)back;
    seen.back_resets++;
}
struct hpa console_ring_page(uint32_t index)
{
    return hpa(index);
}
uint64_t console_ring_bytes(void)
{
    return 0;
}
struct hpa status_hpa(void)
{
    return hpa(0);
}
uint64_t status_bytes(void)
{
    return 0;
}
struct hpa log_ring_page(void)
{
    return hpa(0);
}
uint64_t log_ring_bytes(void)
{
    return 0;
}
void log_serial(bool lent)
{
    (void)lent;
}
void log_line(const char *format, ...)
{
    (void)format;
}
void log_event(uint8_t partition, enum event_kind kind, enum stop_cause cause, uint64_t detail)
{
    (void)partition, (void)detail;
    seen.events[kind]++;
    seen.cause = cause;
}

/* --- The machine --- */

/* The CPU of `vcpu` runs in EL2 until it enters its guest (true) or sleeps. */
static bool run(struct vcpu *vcpu)
{
    running = vcpu;
    if (setjmp(asleep))
        return false;
    vcpu_park(vcpu);
    return true;
}

static int set_up(void **state)
{
    (void)state;
    memset(domains, 0, sizeof(domains));
    memset(vcpus, 0, sizeof(vcpus));
    memset(&page, 0, sizeof(page));
    memset(&seen, 0, sizeof(seen));
    memset(devices_reach, 0, sizeof(devices_reach));
    back_end_holds = stops_while_loading = false;
    status_page = &page;
    for (uint32_t i = 0; i < 4; i++) {
        vcpus[i].cpu = i;
        cpus[i] = (struct cpu){.vcpu = &vcpus[i], .index = i, .present = true};
    }
    domain_init();
    return 0;
}

static void start_pair(void)
{
    assert_int_equal(domain_start(&domains[1]), HC_OK);
    assert_true(run(&vcpus[1]));
    vcpus[2].entry = 0x40001000;
    vcpus[2].context = 7;
    vcpus[2].power = VCPU_ON_PENDING;
    assert_true(run(&vcpus[2]));
}

static void a_domain_starts_with_its_image(void **state)
{
    (void)state;
    assert_int_equal(domains[1].state, DOMAIN_OFF);
    assert_false(run(&vcpus[1]));
    start_pair();
    assert_int_equal(domains[1].state, DOMAIN_RUNNING);
    assert_int_equal(page.domain[1].state, DOMAIN_RUNNING);
    assert_int_equal(vcpus[1].arch.x[1], GUEST_MEMORY_BASE);
    assert_int_equal(vcpus[1].arch.x[0], GUEST_MEMORY_BASE + MIB);
    assert_int_equal(vcpus[2].arch.x[0], 7);
    assert_int_equal(seen.loads, 1);
    assert_int_equal(page.domain[1].starts, 1);
    assert_int_equal(domain_start(&domains[1]), HC_E_STATE);
}

static void what_the_machine_lacks_is_absent(void **state)
{
    (void)state;
    assert_int_equal(domains[2].state, DOMAIN_ABSENT);
    assert_int_equal(domain_start(&domains[2]), HC_E_STATE);
    assert_int_equal(domain_restart(&domains[2]), HC_E_STATE);
    domain_start_all();
    assert_int_equal(domains[2].state, DOMAIN_ABSENT);
}

static void a_stop_waits_for_every_vcpu_and_keeps_the_first_cause(void **state)
{
    (void)state;
    start_pair();
    domain_stop(&domains[1], CAUSE_WATCHDOG, 5);
    domain_stop(&domains[1], CAUSE_REQUEST, 6);
    assert_true(seen.requests[1] > 0 && seen.requests[2] > 0);
    assert_false(run(&vcpus[1]));
    assert_int_equal(domains[1].state, DOMAIN_STOPPING);
    assert_int_equal(seen.resets, 0);
    assert_false(run(&vcpus[2]));
    assert_false(run(&vcpus[1]));
    assert_int_equal(domains[1].state, DOMAIN_CRASHED);
    assert_int_equal(page.domain[1].cause, CAUSE_WATCHDOG);
    assert_int_equal(page.domain[1].detail, 5);
    assert_int_equal(page.domain[1].crashes, 1);
    assert_int_equal(seen.events[EVENT_CRASH], 1);
    assert_int_equal(vcpus[1].power, VCPU_OFF);
    assert_int_equal(vcpus[2].power, VCPU_OFF);
    assert_int_equal(domain_halt(&domains[1]), HC_E_STATE);
}

static void a_stop_waits_for_the_back_ends(void **state)
{
    (void)state;
    start_pair();
    back_end_holds = true;
    assert_int_equal(domain_restart(&domains[1]), HC_OK);
    assert_false(run(&vcpus[2]));
    assert_false(run(&vcpus[1]));
    assert_int_equal(domains[1].state, DOMAIN_STOPPING);
    assert_int_equal(page.domain[1].restart_pending, 1);
    back_end_holds = false;
    domain_let_go(&domains[1]);
    assert_true(run(&vcpus[1]));
    assert_int_equal(domains[1].state, DOMAIN_RUNNING);
    assert_int_equal(page.domain[1].restart_pending, 0);
    assert_int_equal(page.domain[1].crashes, 0);
    assert_int_equal(page.domain[1].starts, 2);
    assert_false(run(&vcpus[2])); /* the second vCPU waits to be switched on again */
}

static void a_stop_while_it_is_loaded_never_enters(void **state)
{
    (void)state;
    stops_while_loading = true;
    assert_int_equal(domain_start(&domains[1]), HC_OK);
    assert_false(run(&vcpus[1]));
    assert_false(run(&vcpus[1]));
    assert_int_equal(domains[1].state, DOMAIN_STOPPED);
    stops_while_loading = false;
    start_pair();
}

static void the_last_vcpu_off_stops_the_domain(void **state)
{
    (void)state;
    start_pair();
    vcpu_power_off(&vcpus[1]);
    assert_false(run(&vcpus[1]));
    assert_int_equal(domains[1].state, DOMAIN_RUNNING);
    vcpu_power_off(&vcpus[2]);
    assert_false(run(&vcpus[2]));
    assert_false(run(&vcpus[1]));
    assert_int_equal(domains[1].state, DOMAIN_STOPPED);
    assert_int_equal(page.domain[1].cause, CAUSE_CPU_OFF);
}

static void the_management_domain_comes_back_by_itself(void **state)
{
    (void)state;
    assert_int_equal(domain_start(&domains[0]), HC_OK);
    assert_true(run(&vcpus[0]));
    start_pair();
    domain_stop(&domains[0], CAUSE_HEARTBEAT, 0);
    now += 20000000000ull;
    assert_false(run(&vcpus[0]) && seen.back_resets == 0);
    assert_int_equal(domains[0].state, DOMAIN_RUNNING);
    assert_int_equal(seen.back_resets, 1);
    assert_int_equal(page.domain[0].crashes, 1);
    assert_int_equal(domains[1].state, DOMAIN_RUNNING);
    assert_true(is_in(&vcpus[1]) && is_in(&vcpus[2]));
}

static void never_gets_going(enum stop_cause cause, uint64_t after_ns)
{
    volatile unsigned stops = 0;

    assert_int_equal(domain_start(&domains[0]), HC_OK);
    assert_true(run(&vcpus[0]));
    now += 60000 * 1000000ull; /* it did get going, and nothing that was before counts */
    domain_stop(&domains[0], cause, 0);
    if (!setjmp(machine_is_reset)) {
        for (; stops < 100; stops++) {
            assert_true(run(&vcpus[0]));
            now += after_ns;
            domain_stop(&domains[0], cause, 0);
        }
    }
    assert_in_range(stops, 2, 20);
    assert_int_equal(seen.events[EVENT_RESET], 1);
}

static void a_management_domain_that_never_gets_going_resets_the_appliance(void **state)
{
    (void)state;
    never_gets_going(CAUSE_PANIC, 0);
}

static void a_management_domain_that_never_reports_resets_the_appliance(void **state)
{
    (void)state;
    never_gets_going(CAUSE_HEARTBEAT, 10000 * 1000000ull);
}

static void two_hundred_restarts_leave_nothing_behind(void **state)
{
    (void)state;
    start_pair();
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(domain_restart(&domains[1]), HC_OK);
        assert_false(run(&vcpus[2]));
        assert_true(run(&vcpus[1]));
        vcpus[2].power = VCPU_ON_PENDING;
        assert_true(run(&vcpus[2]));
        assert_int_equal(domains[1].vcpus_in, 2);
    }
    assert_int_equal(page.domain[1].starts, 201);
    assert_int_equal(page.domain[1].crashes, 0);
    assert_int_equal(seen.resets, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_domain_starts_with_its_image, set_up),
        cmocka_unit_test_setup(what_the_machine_lacks_is_absent, set_up),
        cmocka_unit_test_setup(a_stop_waits_for_every_vcpu_and_keeps_the_first_cause, set_up),
        cmocka_unit_test_setup(a_stop_waits_for_the_back_ends, set_up),
        cmocka_unit_test_setup(a_stop_while_it_is_loaded_never_enters, set_up),
        cmocka_unit_test_setup(the_last_vcpu_off_stops_the_domain, set_up),
        cmocka_unit_test_setup(the_management_domain_comes_back_by_itself, set_up),
        cmocka_unit_test_setup(a_management_domain_that_never_gets_going_resets_the_appliance, set_up),
        cmocka_unit_test_setup(a_management_domain_that_never_reports_resets_the_appliance, set_up),
        cmocka_unit_test_setup(two_hundred_restarts_leave_nothing_behind, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
