/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual local APIC and IOAPIC: delivery, priorities, levels, IPIs, timer, the EOI that does not exit, total
 * decode. */
#include "../../arch/host/machine.h"
#include "../../arch/x86/vendor.h"

#include <arch/cpu.h>
#include <arch/timer.h>
#include <bulkhead/guest_map.h>
#include <core/interrupt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOTHING 1023u
#define MS 1000000ull
#define ENABLED 0x1ffu
#define LEVEL 0x8000u
#define MASKED 0x10000u
#define LINE 5u

const struct partition_config partitions[] = {
    {.name = "management", .flags = PARTITION_MANAGEMENT, .cpus = 1},
    {.name = "guest", .cpus = 0x0e},
};
const uint32_t partition_count = 2;
#define MANAGEMENT (&domains[0])
#define GUEST (&domains[1])

static void write(uint32_t msr, uint64_t value)
{
    assert_true(vlapic_msr_write(vcpu_current(), msr, value));
    machine_settle();
}

static uint64_t read(uint32_t msr)
{
    uint64_t value = 0xdead;

    if (apic_virtualization != NULL && msr >> 6 == 0x800 >> 6 && msr != 0x839 && (VLAPIC_READABLE >> (msr & 0x3f) & 1)) /* no exit */
        return vcpu_current()->arch.vlapic.page[VLAPIC_REGISTER(msr)];
    assert_true(vlapic_msr_read(vcpu_current(), msr, &value));
    return value;
}

static void pin(uint32_t number, uint32_t low, uint32_t destination)
{
    machine_write(GUEST_IOAPIC_BASE, 4, 0x11 + 2 * number);
    machine_write(GUEST_IOAPIC_BASE + 0x10, 4, destination << 24);
    machine_write(GUEST_IOAPIC_BASE, 4, 0x10 + 2 * number);
    machine_write(GUEST_IOAPIC_BASE + 0x10, 4, low);
}

static int setup(void **state)
{
    const bool *posts = *state;

    machine_virtualize(posts != NULL, posts != NULL && *posts);
    GUEST->memory_size = 64 * MIB;
    machine_start();
    for (uint32_t cpu = 0; cpu < 4; cpu++) {
        machine_on(cpu);
        write(0x80f, ENABLED);
    }
    machine_on(1);
    memset(&machine, 0, sizeof(machine));
    return 0;
}

/* --- Local APIC --- */

static void the_reset_state_is_x2apic(void **state)
{
    (void)state;
    assert_int_equal(read(0x1b), 0xfee00d00);
    assert_int_equal(read(0x802), 0);
    machine_on(2);
    assert_int_equal(read(0x1b), 0xfee00c00);
    assert_int_equal(read(0x802), 1);
    assert_int_equal(read(0x80d), 2);
    assert_int_equal(read(0x803), 0x50014);
    vlapic_reset(vcpu_current());
    assert_int_equal(read(0x80f), 0xff);
    assert_int_equal(read(0x832), MASKED);
    vlapic_send(vcpu_current(), 0x40, false); /* switched off */
    assert_int_equal(machine_take(), NOTHING);
    assert_false(vlapic_msr_write(vcpu_current(), 0x1b, 0));
    assert_true(vlapic_msr_write(vcpu_current(), 0x1b, 0xfee00c00));
}

static void the_most_urgent_comes_first(void **state)
{
    (void)state;
    vlapic_send(vcpu_current(), 0x41, false);
    vlapic_send(vcpu_current(), 0x93, false);
    vlapic_send(vcpu_current(), 0x45, false);
    assert_int_equal(machine_take(), 0x93);
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(read(0x80a), 0x90);
    vlapic_send(vcpu_current(), 0x9f, false); /* the same class waits */
    assert_int_equal(machine_take(), NOTHING);
    vlapic_send(vcpu_current(), 0xa0, false);
    assert_int_equal(machine_take(), 0xa0);
    machine_end(0xa0);
    assert_int_equal(machine_take(), NOTHING);
    machine_end(0x93);
    assert_int_equal(machine_take(), 0x9f);
    machine_end(0x9f);
    write(0x808, 0x40);
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(read(0x822), 0x22);
    write(0x808, 0x3f);
    assert_int_equal(machine_take(), 0x45);
    assert_int_equal(read(0x812), 0x20);
    machine_end(0x45);
    assert_int_equal(machine_take(), 0x41);
    machine_end(0x41);
    assert_int_equal(machine_take(), NOTHING);
    write(0x80b, 0); /* nothing to end */
}

static void ipis_reach_whom_they_name(void **state)
{
    (void)state;
    write(0x830, 2ull << 32 | 0x50);
    assert_int_equal(machine.kicks, 1);
    machine_on(3);
    assert_int_equal(machine_take(), 0x50);
    machine_end(0x50);
    machine_on(1);
    write(0x830, 0xc0051);                     /* all but self */
    write(0x830, 0x40052);                     /* self */
    write(0x83f, 0x53);                        /* self */
    write(0x830, 0x5ull << 32 | 0x800 | 0x54); /* logical: vCPUs 0 and 2 */
    assert_int_equal(machine_take(), 0x54);
    machine_end(0x54);
    assert_int_equal(machine_take(), 0x53);
    machine_end(0x53);
    assert_int_equal(machine_take(), 0x52);
    machine_end(0x52);
    assert_int_equal(machine_take(), NOTHING);
    machine_on(2);
    assert_int_equal(machine_take(), 0x51);
    machine_end(0x51);
    assert_int_equal(machine_take(), NOTHING);
    machine_on(3);
    assert_int_equal(machine_take(), 0x54);
    machine_end(0x54);
    assert_int_equal(machine_take(), 0x51);
    machine_end(0x51);
    machine_on(1);
    write(0x830, 7ull << 32 | 0x55);          /* nobody */
    write(0x830, 0xffffffffull << 32 | 0x56); /* everybody */
    for (uint32_t cpu = 1; cpu < 4; cpu++) {
        machine_on(cpu);
        assert_int_equal(machine_take(), 0x56);
        machine_end(0x56);
    }
    machine_on(0);
    assert_int_equal(machine_take(), NOTHING);
    write(0x830, 0x40007);
    assert_int_equal(read(0x828), 0x20);
    write(0x828, 0);
    assert_int_equal(read(0x828), 0);
}

static void an_nmi_is_kept_for_its_cpu(void **state)
{
    (void)state;
    write(0x830, 1ull << 32 | 0x400);
    machine_on(2);
    assert_true(vcpu_current()->arch.nmi_pending);
    assert_int_equal(machine_take(), NOTHING);
    vcpu_current()->arch.nmi_pending = false;
}

static void a_cpu_starts_by_init_and_sipi(void **state)
{
    struct vcpu *target = GUEST->vcpu[1];

    (void)state;
    write(0x830, 1ull << 32 | 0x4699); /* runs: it takes no SIPI */
    assert_int_equal(target->power, VCPU_ON);
    write(0x830, 1ull << 32 | 0xc500); /* INIT, assert */
    assert_int_equal(target->power, VCPU_OFF);
    write(0x830, 1ull << 32 | 0x8500); /* and de-assert: nothing */
    write(0x830, 1ull << 32 | 0x4699);
    assert_int_equal(target->power, VCPU_ON_PENDING);
    assert_int_equal(target->entry, 0x99000);
    assert_int_equal(target->context, VCPU_CONTEXT_SIPI);
    write(0x830, 1ull << 32 | 0x469a); /* the second one changes nothing */
    assert_int_equal(target->entry, 0x99000);
}

/* --- Timer; the machine's TSC and the APIC's timer count nanoseconds --- */

static void the_deadline_timer_fires_once(void **state)
{
    (void)state;
    write(0x6e0, 5); /* not in this mode */
    assert_int_equal(read(0x6e0), 0);
    write(0x832, 0x400ec);
    write(0x6e0, timer_guest_count(GUEST) + 10 * MS);
    assert_int_not_equal(read(0x6e0), 0);
    machine_sleep(9 * MS);
    assert_int_equal(machine_take(), NOTHING);
    machine_sleep(2 * MS);
    assert_int_equal(read(0x6e0), 0);
    assert_int_equal(machine_take(), 0xec);
    machine_end(0xec);
    machine_sleep(1000 * MS);
    assert_int_equal(machine_take(), NOTHING);
    write(0x6e0, timer_guest_count(GUEST) - 1); /* past */
    machine_sleep(1);
    assert_int_equal(machine_take(), 0xec);
    machine_end(0xec);
    write(0x6e0, timer_guest_count(GUEST) + MS);
    write(0x6e0, 0);
    machine_sleep(10 * MS);
    assert_int_equal(machine_take(), NOTHING);
    write(0x6e0, timer_guest_count(GUEST) + MS);
    write(0x832, 0xec); /* the mode changes: disarmed */
    machine_sleep(10 * MS);
    assert_int_equal(machine_take(), NOTHING);
}

static void the_count_down_timer_counts(void **state)
{
    (void)state;
    write(0x83e, 3); /* by 16 */
    write(0x832, 0xec);
    write(0x838, 1000000); /* 16 ms */
    machine_sleep(8 * MS);
    assert_int_equal(read(0x839), 500000);
    machine_sleep(8 * MS + 1);
    assert_int_equal(read(0x839), 0);
    assert_int_equal(machine_take(), 0xec);
    machine_end(0xec);
    machine_sleep(100 * MS);
    assert_int_equal(machine_take(), NOTHING);
    write(0x83e, 0xb); /* by 1 */
    write(0x832, 0x200ed);
    write(0x838, MS);
    for (uint32_t i = 0; i < 5; i++) {
        machine_sleep(MS);
        assert_int_equal(machine_take(), 0xed);
        machine_end(0xed);
    }
    write(0x832, MASKED | 0x200ed);
    machine_sleep(5 * MS);
    assert_int_equal(machine_take(), NOTHING);
    write(0x838, 0);
    write(0x832, 0x200ed);
    machine_sleep(5 * MS);
    assert_int_equal(machine_take(), NOTHING);
}

/* --- IOAPIC --- */

static void an_edge_comes_once(void **state)
{
    (void)state;
    pin(LINE, 0x61, 1);
    interrupt_raise(GUEST, LINE);
    machine_settle();
    assert_int_equal(machine_take(), NOTHING);
    machine_on(2);
    assert_int_equal(machine_take(), 0x61);
    machine_end(0x61);
    assert_int_equal(machine_take(), NOTHING);
    interrupt_set_level(GUEST, LINE, true);
    machine_settle();
    assert_int_equal(machine_take(), 0x61);
    machine_end(0x61);
    assert_int_equal(machine_take(), NOTHING);
    interrupt_set_level(GUEST, LINE, false);
    assert_int_equal(machine_take(), NOTHING);
}

static void an_edge_waits_for_its_pin(void **state)
{
    (void)state;
    pin(LINE, MASKED | 0x61, 0);
    interrupt_raise(GUEST, LINE);
    interrupt_raise(GUEST, LINE);
    assert_int_equal(machine_take(), NOTHING);
    pin(LINE, 0x61, 0);
    assert_int_equal(machine_take(), 0x61);
    machine_end(0x61);
    assert_int_equal(machine_take(), NOTHING);
}

static void a_level_stays_until_it_falls(void **state)
{
    (void)state;
    pin(LINE, LEVEL | 0x61, 0);
    interrupt_set_level(GUEST, LINE, true);
    assert_int_equal(machine_take(), 0x61);
    assert_int_equal(read(0x81b), 2); /* TMR */
    assert_int_equal(machine_take(), NOTHING);
    machine_write(GUEST_IOAPIC_BASE, 4, 0x10 + 2 * LINE);
    assert_int_equal(machine_read(GUEST_IOAPIC_BASE + 0x10, 4), LEVEL | 0x4000 | 0x61);
    machine_end(0x61);
    assert_int_equal(machine_take(), 0x61); /* still high */
    interrupt_set_level(GUEST, LINE, false);
    machine_end(0x61);
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(machine_read(GUEST_IOAPIC_BASE + 0x10, 4), LEVEL | 0x61);
    interrupt_set_level(GUEST, LINE, true);
    assert_int_equal(machine_take(), 0x61);
    interrupt_set_level(GUEST, LINE, false);
    machine_write(GUEST_IOAPIC_BASE + 0x40, 4, 0x61); /* the IOAPIC's own EOI */
    assert_int_equal(machine_read(GUEST_IOAPIC_BASE + 0x10, 4), LEVEL | 0x61);
    machine_end(0x61);
}

static void routes_are_physical_or_logical(void **state)
{
    (void)state;
    pin(LINE, 0x861, 6); /* logical: vCPUs 1 and 2 */
    interrupt_raise(GUEST, LINE);
    machine_settle();
    assert_int_equal(machine_take(), NOTHING);
    machine_on(2);
    assert_int_equal(machine_take(), 0x61);
    machine_end(0x61);
    machine_on(3);
    assert_int_equal(machine_take(), 0x61);
    machine_end(0x61);
    pin(LINE, 0x961, 6); /* lowest priority: one of them */
    interrupt_raise(GUEST, LINE);
    machine_settle();
    assert_int_equal(machine_take(), NOTHING);
    machine_on(2);
    assert_int_equal(machine_take(), 0x61);
    machine_end(0x61);
    pin(LINE, 0x61, 200); /* nobody */
    interrupt_raise(GUEST, LINE);
    interrupt_raise(GUEST, 24);
    interrupt_raise(GUEST, 4000);
    interrupt_set_level(GUEST, 4000, true);
}

static void messages_have_fixed_vectors(void **state)
{
    (void)state;
    interrupt_raise(MANAGEMENT, 24);
    interrupt_raise(MANAGEMENT, 39);
    interrupt_raise(MANAGEMENT, 40);
    machine_on(0);
    assert_int_equal(machine_take(), 0x30 + 39);
    assert_int_equal(machine_take(), NOTHING);
    machine_end(0x30 + 39);
    assert_int_equal(machine_take(), 0x30 + 24);
    machine_end(0x30 + 24);
    assert_int_equal(machine_take(), NOTHING);
}

static void a_reset_forgets_everything(void **state)
{
    (void)state;
    pin(LINE, LEVEL | 0x61, 0);
    interrupt_set_level(GUEST, LINE, true);
    write(0x832, 0x400ec);
    write(0x6e0, timer_guest_count(GUEST) + MS);
    vlapic_send(GUEST->vcpu[1], 0x77, false);
    machine_start();
    machine_sleep(10 * MS);
    for (uint32_t cpu = 1; cpu < 4; cpu++) {
        machine_on(cpu);
        write(0x80f, ENABLED);
        assert_int_equal(machine_take(), NOTHING);
    }
    machine_write(GUEST_IOAPIC_BASE, 4, 0x10 + 2 * LINE);
    assert_int_equal(machine_read(GUEST_IOAPIC_BASE + 0x10, 4), MASKED);
}

/* --- Hyper-V --- */

static void hyperv_write(uint32_t msr, uint64_t value)
{
    assert_true(hyperv_msr_write(vcpu_current(), msr, value));
}

static void an_end_need_not_exit(void **state)
{
    (void)state;
    hyperv_write(0x40000073, 0x5001);
    assert_int_equal(machine.overlays, 1);
    for (uint32_t i = 0; i < 10; i++) {
        vlapic_send(vcpu_current(), 0x50 + 0x10 * (i % 3), false);
        assert_int_equal(machine_take(), 0x50 + 0x10 * (i % 3));
        machine_end(0);
    }
    assert_int_equal(machine.eoi_exits, 0);
    assert_int_equal(read(0x80a), 0);
    vlapic_send(vcpu_current(), 0x50, false); /* another comes while it is served */
    assert_int_equal(machine_take(), 0x50);
    vlapic_send(vcpu_current(), 0x50, false);
    assert_int_equal(machine_take(), NOTHING);
    machine_end(0x50);
    assert_int_equal(machine.eoi_exits, 1);
    assert_int_equal(machine_take(), 0x50);
    vlapic_send(vcpu_current(), 0x60, false); /* nested: both ends exit */
    assert_int_equal(machine_take(), 0x60);
    machine_end(0x60);
    machine_end(0x50);
    assert_int_equal(machine.eoi_exits, 3);
    assert_int_equal(read(0x80a), 0);
    pin(LINE, LEVEL | 0x61, 0); /* and a level */
    interrupt_set_level(GUEST, LINE, true);
    assert_int_equal(machine_take(), 0x61);
    interrupt_set_level(GUEST, LINE, false);
    machine_end(0x61);
    assert_int_equal(machine.eoi_exits, 4);
    vlapic_send(vcpu_current(), 0x50, false); /* ended at the page, noticed when the next comes */
    assert_int_equal(machine_take(), 0x50);
    machine_end(0x50);
    vlapic_send(vcpu_current(), 0x40, false);
    assert_int_equal(machine_take(), 0x40);
    hyperv_write(0x40000073, 0); /* the page goes while an interrupt is served */
    assert_int_equal(machine.overlays, 0);
    assert_int_equal(read(0x80a), 0x40);
    machine_end(0x40);
    assert_int_equal(machine.eoi_exits, 5);
    assert_int_equal(read(0x80a), 0);
}

static void its_pages_lie_over_memory(void **state)
{
    struct cpuid r;
    uint64_t value;

    (void)state;
    r = hyperv_cpuid(vcpu_current(), 0x40000000);
    assert_int_equal(r.eax, 0x40000005);
    assert_memory_equal(&r.ebx, "Microsoft Hv", 12);
    r = hyperv_cpuid(vcpu_current(), 0x40000006);
    assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
    hyperv_write(0x40000001, 0x7001); /* not before the guest says what it is */
    assert_int_equal(machine.overlays, 0);
    hyperv_write(0x40000000, 0x8100ull << 48);
    hyperv_write(0x40000001, 0x7001);
    hyperv_write(0x40000021, 0x8001);
    assert_int_equal(machine.overlays, 2);
    hyperv_write(0x40000021, 0x9001);
    assert_int_equal(machine.overlays, 2);
    assert_false(hyperv_msr_write(vcpu_current(), 0x40000021, 64 * MIB + 1));
    assert_int_equal(machine.overlays, 1);
    assert_true(hyperv_msr_read(vcpu_current(), 0x40000022, &value));
    assert_int_equal(value, 1000000000);
    assert_true(hyperv_msr_read(vcpu_current(), 0x40000020, &value));
    assert_in_range(value, timer_guest_count(GUEST) / 100 - 1, timer_guest_count(GUEST) / 100);
    assert_false(hyperv_tsc_invariant(vcpu_current()));
    hyperv_write(0x40000118, 1);
    assert_true(hyperv_tsc_invariant(vcpu_current()));
    hyperv_reset(GUEST);
    assert_int_equal(machine.overlays, 0);
    assert_false(hyperv_tsc_invariant(vcpu_current()));
    hyperv_write(0x40000071, 0x02000000000040ab); /* its ICR; the shorthand says self */
    assert_int_equal(machine_take(), NOTHING);
    machine_on(3);
    machine_settle();
    assert_int_equal(machine_take(), 0xab);
    hyperv_write(0x40000070, 0);
    assert_int_equal(machine_take(), NOTHING);
    machine_on(0); /* the management domain has its own */
    r = hyperv_cpuid(vcpu_current(), 0x40000000);
    assert_int_equal(r.eax, 0x40000005);
    assert_true(hyperv_msr_read(vcpu_current(), 0x40000000, &value));
    assert_int_equal(value, 0);
}

/* --- All of it --- */

static void interrupts_left_alone_are_seen(void **state)
{
    (void)state;
    assert_false(interrupt_untaken(vcpu_current()));
    vlapic_send(vcpu_current(), 0x50, false);
    assert_false(interrupt_untaken(vcpu_current()));
    assert_true(interrupt_untaken(vcpu_current()));
    machine_take();
    vlapic_send(vcpu_current(), 0x50, false);
    assert_false(interrupt_untaken(vcpu_current()));
    assert_true(interrupt_untaken(vcpu_current()));
}

/* Where the CPU delivers: no EOI exits but a level's, and the guest is not told to avoid its EOI register. */
static void the_cpu_delivers(void **state)
{
    (void)state;
    assert_int_equal(hyperv_cpuid(vcpu_current(), 0x40000004).eax & 1u << 3, 0);
    hyperv_write(0x40000073, 0x5001);
    for (uint32_t i = 0; i < 10; i++) {
        vlapic_send(vcpu_current(), (uint8_t)(0x50 + 0x10 * (i % 3)), false);
        assert_int_equal(vlapic_next(vcpu_current()), 0);
        assert_true(vlapic_would_deliver(vcpu_current()));
        assert_int_equal(machine_take(), 0x50 + 0x10 * (i % 3));
        assert_false(vlapic_would_deliver(vcpu_current()));
        machine_end(0);
    }
    assert_int_equal(machine.eoi_exits, 0);
    pin(LINE, LEVEL | 0x61, 0);
    interrupt_set_level(GUEST, LINE, true);
    assert_int_equal(machine_take(), 0x61);
    interrupt_set_level(GUEST, LINE, false);
    machine_end(0x61);
    assert_int_equal(machine.eoi_exits, 1);
    vlapic_send(vcpu_current(), 0x61, false); /* an edge again: its EOI need not exit */
    assert_int_equal(machine_take(), 0x61);
    machine_end(0x61);
    assert_int_equal(machine.eoi_exits, 1);
    vlapic_send(vcpu_current(), 0x41, false); /* ends by registers that exit always */
    assert_int_equal(machine_take(), 0x41);
    vlapic_send(vcpu_current(), 0x51, false);
    assert_int_equal(machine_take(), 0x51);
    vlapic_send(vcpu_current(), 0x45, false);
    hyperv_write(0x40000070, 0);
    assert_int_equal(machine_take(), NOTHING);
    hyperv_write(0x40000070, 0);
    assert_int_equal(machine_take(), 0x45);
    machine_end(0x45);
    write(0x808, 0x80);
    vlapic_send(vcpu_current(), 0x70, false);
    assert_false(vlapic_would_deliver(vcpu_current()));
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(machine.watches, 0);
    assert_false(interrupt_untaken(vcpu_current()));
    assert_true(interrupt_untaken(vcpu_current()));
    assert_int_equal(machine.watches, 2);
    vcpu_current()->arch.vlapic.taken++;
    assert_false(interrupt_untaken(vcpu_current()));
}

static void what_is_posted_needs_no_exit(void **state)
{
    (void)state;
    vlapic_send(GUEST->vcpu[1], 0x41, false);
    vlapic_send(GUEST->vcpu[1], 0x51, false);
    assert_int_equal(machine.kicks, 0);
    assert_int_equal(machine.notices, 1); /* the CPU has not looked yet */
    machine_on(2);
    assert_int_equal(machine_take(), 0x51);
    machine_end(0x51);
    assert_int_equal(machine_take(), 0x41);
    machine_end(0x41);
    machine_on(1);
    vlapic_send(GUEST->vcpu[1], 0x42, false);
    machine_on(2);
    vlapic_notified(vcpu_current()); /* it was in the kernel */
    vlapic_next(vcpu_current());
    assert_true(vlapic_would_deliver(vcpu_current()));
    assert_int_equal(machine_take(), 0x42);
    machine_end(0x42);
    machine_on(1);
    pin(LINE, LEVEL | 0x61, 1); /* whose EOI has to exit: by a kick */
    interrupt_set_level(GUEST, LINE, true);
    assert_int_equal(machine.notices, 2);
    machine_on(2);
    interrupt_set_level(GUEST, LINE, false);
    assert_int_equal(machine_take(), 0x61);
    machine_end(0x61);
    assert_int_equal(machine.eoi_exits, 1);
}

static void decode_is_total(void **state)
{
    static const uint64_t values[] = {0,          1,       0xff,       0x100,      0x1ff,          0x61,
                                      UINT32_MAX, LEVEL,   0x200ec,    0x400ec,    0xffffffffff00, UINT64_MAX,
                                      0xc4550,    0x80010, 0x400000ed, 0x12345678, 0x5001};
    uint64_t value;

    (void)state;
    for (uint32_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        for (uint32_t msr = 0x800; msr < 0x900; msr++) {
            vlapic_msr_write(vcpu_current(), msr, values[i]);
            vlapic_msr_read(vcpu_current(), msr, &value);
        }
        for (uint32_t msr = 0x40000000; msr < 0x40000200; msr++) {
            hyperv_msr_write(vcpu_current(), msr, values[i]);
            hyperv_msr_read(vcpu_current(), msr, &value);
        }
        for (uint32_t select = 0; select < 0x100; select++) {
            machine_write(GUEST_IOAPIC_BASE, 4, select);
            machine_write(GUEST_IOAPIC_BASE + 0x10, 4, values[i]);
            machine_read(GUEST_IOAPIC_BASE + 0x10, 4);
        }
        for (uint64_t offset = 0; offset < PAGE_SIZE; offset++) {
            machine_write(GUEST_IOAPIC_BASE + offset, 4, values[i]);
            machine_read(GUEST_IOAPIC_BASE + offset, 1 << offset % 4);
        }
        machine_sleep(MS);
        while (machine_take() != NOTHING)
            machine_end(0);
    }
    for (uint32_t v = 0; v < 3; v++)
        GUEST->vcpu[v]->power = VCPU_ON;
}

/* Random orders of everything: what is sent is taken, and at the end nothing is left in service. */
static void whatever_comes_ends(void **state)
{
    uint32_t served[3] = {0};

    (void)state;
    srand(1);
    for (uint32_t v = 0; v < 2; v++) {
        machine_on(1 + v);
        hyperv_write(0x40000073, 0x5001 + v * 0x1000);
    }
    for (uint32_t i = 0; i < 16; i++)
        pin(i, (i % 3 == 0 ? LEVEL : 0) | (0x30 + 5 * i), (uint32_t)rand() % 3);
    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t cpu = 1 + (uint32_t)rand() % 3, line = (uint32_t)rand() % 16;

        machine_on(cpu);
        switch (rand() % 5) {
        case 0:
            interrupt_raise(GUEST, line);
            break;
        case 1:
            interrupt_set_level(GUEST, line, rand() % 2);
            break;
        case 2:
            vlapic_send(GUEST->vcpu[rand() % 3], (uint8_t)(0x20 + rand() % 0xd0), false);
            break;
        case 3:
            if (served[cpu - 1] < 8 && machine_take() != NOTHING)
                served[cpu - 1]++;
            break;
        default:
            if (served[cpu - 1] != 0) {
                machine_end(0);
                served[cpu - 1]--;
            }
        }
        machine_settle();
    }
    for (uint32_t i = 0; i < 16; i++)
        interrupt_set_level(GUEST, i, false);
    for (uint32_t round = 0; round < 300; round++)
        for (uint32_t cpu = 1; cpu < 4; cpu++) {
            machine_on(cpu);
            for (; served[cpu - 1] != 0; served[cpu - 1]--)
                machine_end(0);
            if (machine_take() != NOTHING)
                served[cpu - 1]++;
        }
    for (uint32_t cpu = 1; cpu < 4; cpu++) {
        machine_on(cpu);
        assert_int_equal(machine_take(), NOTHING);
        for (uint32_t word = 0; word < 8; word++) {
            assert_int_equal(read(0x810 + word), 0);
            assert_int_equal(read(0x820 + word), 0);
        }
    }
}

#define PLAIN(test) cmocka_unit_test_setup(test, setup)
static bool does = true, does_not;
#define VIRTUAL(test) {#test " by the CPU", test, setup, NULL, &does_not}
#define POSTED(test) {#test " posted", test, setup, NULL, &does}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        PLAIN(the_reset_state_is_x2apic),
        PLAIN(the_most_urgent_comes_first),
        PLAIN(ipis_reach_whom_they_name),
        PLAIN(an_nmi_is_kept_for_its_cpu),
        PLAIN(a_cpu_starts_by_init_and_sipi),
        PLAIN(the_deadline_timer_fires_once),
        PLAIN(the_count_down_timer_counts),
        PLAIN(an_edge_comes_once),
        PLAIN(an_edge_waits_for_its_pin),
        PLAIN(a_level_stays_until_it_falls),
        PLAIN(routes_are_physical_or_logical),
        PLAIN(messages_have_fixed_vectors),
        PLAIN(a_reset_forgets_everything),
        PLAIN(an_end_need_not_exit),
        PLAIN(its_pages_lie_over_memory),
        PLAIN(interrupts_left_alone_are_seen),
        PLAIN(decode_is_total),
        PLAIN(whatever_comes_ends),
        VIRTUAL(the_reset_state_is_x2apic),
        VIRTUAL(the_most_urgent_comes_first),
        VIRTUAL(ipis_reach_whom_they_name),
        VIRTUAL(an_nmi_is_kept_for_its_cpu),
        VIRTUAL(a_cpu_starts_by_init_and_sipi),
        VIRTUAL(the_deadline_timer_fires_once),
        VIRTUAL(the_count_down_timer_counts),
        VIRTUAL(an_edge_comes_once),
        VIRTUAL(an_edge_waits_for_its_pin),
        VIRTUAL(a_level_stays_until_it_falls),
        VIRTUAL(routes_are_physical_or_logical),
        VIRTUAL(messages_have_fixed_vectors),
        VIRTUAL(a_reset_forgets_everything),
        VIRTUAL(the_cpu_delivers),
        VIRTUAL(decode_is_total),
        VIRTUAL(whatever_comes_ends),
        POSTED(an_edge_comes_once),
        POSTED(a_level_stays_until_it_falls),
        POSTED(messages_have_fixed_vectors),
        POSTED(a_reset_forgets_everything),
        POSTED(what_is_posted_needs_no_exit),
        POSTED(whatever_comes_ends),
    };

    machine_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
