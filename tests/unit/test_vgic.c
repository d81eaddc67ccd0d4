/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual GICv3: delivery, levels, overflow, migration, links to physical interrupts, total decode, reset. */
#include "../../arch/host/machine.h"

#include "../../arch/arm64/vgic.h"
#include <bulkhead/guest_map.h>
#include <core/interrupt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOTHING 1023u
#define GICD(offset) (GUEST_GICD_BASE + (offset))
#define GICR(vcpu, offset) (GUEST_GICR_BASE + 0x20000ull * (vcpu) + (offset))
#define SGI_FRAME 0x10000u

const struct partition_config partitions[] = {
    {.name = "management", .flags = PARTITION_MANAGEMENT, .cpus = 1},
    {.name = "guest", .cpus = 0x0e},
};
const uint32_t partition_count = 2;
#define GUEST (&domains[1])
#define PASSED 70u /* INTID passed through to the guest */

/* A guest on CPU 1 that has its GIC ready: lines 8..31 (INTID 40..63) and all private interrupts enabled. */
static int setup(void **state)
{
    (void)state;
    machine_start();
    machine_on(1);
    machine_write(GICD(0x0000), 4, 0x12);
    machine_write(GICD(0x0104), 4, 0xffffff00);
    for (uint32_t vcpu = 0; vcpu < 3; vcpu++) {
        machine_write(GICR(vcpu, SGI_FRAME + 0x100), 4, 0xffffffff);
        for (uint32_t i = 0; i < 32; i += 4)
            machine_write(GICR(vcpu, SGI_FRAME + 0x400 + i), 4, 0xa0a0a0a0);
    }
    for (uint32_t i = 0; i < 32; i += 4)
        machine_write(GICD(0x420 + i), 4, 0xa0a0a0a0);
    return 0;
}

static void edge_line(uint32_t intid)
{
    uint64_t offset = GICD(0xc00 + intid / 16 * 4);

    machine_write(offset, 4, machine_read(offset, 4) | 2u << intid % 16 * 2);
}

static void edge_is_delivered_once(void **state)
{
    (void)state;
    edge_line(40);
    interrupt_raise(GUEST, 8);
    interrupt_raise(GUEST, 8);
    assert_int_equal(machine_take(), 40);
    assert_int_equal(machine_take(), NOTHING);
    interrupt_raise(GUEST, 8); /* while active: once more after its end */
    assert_int_equal(machine_take(), NOTHING);
    machine_end(40);
    assert_int_equal(machine_take(), 40);
    machine_end(40);
    assert_int_equal(machine_take(), NOTHING);
}

static void level_follows_the_line(void **state)
{
    (void)state;
    interrupt_set_level(GUEST, 8, true);
    interrupt_set_level(GUEST, 8, false);
    assert_int_equal(machine_take(), NOTHING);
    interrupt_set_level(GUEST, 8, true);
    assert_int_equal(machine_take(), 40);
    machine_end(40); /* not served: it comes again */
    assert_int_equal(machine_take(), 40);
    interrupt_set_level(GUEST, 8, false);
    machine_end(40);
    assert_int_equal(machine_take(), NOTHING);
}

static void level_raised_again_while_active(void **state)
{
    (void)state;
    interrupt_set_level(GUEST, 8, true);
    assert_int_equal(machine_take(), 40);
    interrupt_set_level(GUEST, 8, false);
    interrupt_set_level(GUEST, 8, true);
    machine_end(40);
    assert_int_equal(machine_take(), 40);
    interrupt_set_level(GUEST, 8, false);
    machine_end(40);
    assert_int_equal(machine_take(), NOTHING);
}

static void disabled_is_withdrawn_and_kept(void **state)
{
    (void)state;
    edge_line(40);
    interrupt_raise(GUEST, 8);
    machine_write(GICD(0x184), 4, 1u << 8);
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(machine_read(GICD(0x204), 4), 1u << 8);
    machine_write(GICD(0x104), 4, 1u << 8);
    assert_int_equal(machine_take(), 40);
    machine_end(40);
}

static void write_pending_is_settled_on_another_cpu(void **state)
{
    (void)state;
    edge_line(40);
    machine_write(GICD(0x6000 + 8 * 40), 8, 2);
    interrupt_raise(GUEST, 8);
    machine_settle();
    /* The disabling vCPU sees RWP until the other CPU has looked; machine_write() lets it look. */
    machine_write(GICD(0x184), 4, 1u << 8);
    assert_int_equal(machine_read(GICD(0), 4) >> 31, 0);
    machine_on(3);
    assert_int_equal(machine_take(), NOTHING);
}

static void groups_off_delivers_nothing(void **state)
{
    (void)state;
    edge_line(40);
    machine_write(GICD(0), 4, 0x10);
    interrupt_raise(GUEST, 8);
    vgic_raise_private(GUEST->vcpu[0], 20);
    assert_int_equal(machine_take(), NOTHING);
    machine_write(GICD(0), 4, 0x12);
    assert_int_not_equal(machine_take(), NOTHING);
}

static void more_interrupts_than_list_registers(void **state)
{
    uint32_t seen = 0;

    (void)state;
    for (uint32_t line = 8; line < 20; line++) {
        edge_line(32 + line);
        interrupt_raise(GUEST, line);
    }
    for (uint32_t i = 0; i < 12; i++) {
        uint32_t intid = machine_take();

        assert_int_not_equal(intid, NOTHING);
        assert_false(seen & 1u << (intid - 40));
        seen |= 1u << (intid - 40);
        machine_end(intid);
    }
    assert_int_equal(seen, 0xfff);
    assert_int_equal(machine_take(), NOTHING);
}

static void the_urgent_one_does_not_wait(void **state)
{
    (void)state;
    for (uint32_t line = 8; line < 13; line++)
        edge_line(32 + line);
    machine_write(GICD(0x400 + 44), 1, 0x20);
    for (uint32_t line = 8; line < 13; line++)
        interrupt_raise(GUEST, line);
    assert_int_equal(machine_take(), 44);
    machine_end(44);
    for (uint32_t i = 0; i < 4; i++)
        machine_end(machine_take());
    assert_int_equal(machine_take(), NOTHING);
}

static void sgis_reach_whom_they_name(void **state)
{
    (void)state;
    vgic_sgi_register(GUEST->vcpu[0], 3ull << 24 | 0xfffd); /* vCPUs 0 and 2, and thirteen that are none */
    machine_settle();
    assert_int_equal(machine_take(), 3);
    machine_on(3);
    assert_int_equal(machine_take(), 3);
    machine_on(2);
    assert_int_equal(machine_take(), NOTHING);
    vgic_sgi_register(GUEST->vcpu[1], 1ull << 40 | 5ull << 24); /* all others */
    machine_settle();
    assert_int_equal(machine_take(), NOTHING);
    machine_on(1);
    assert_int_equal(machine_take(), 5);
    vgic_sgi_register(GUEST->vcpu[0], 1ull << 16 | 7ull << 24 | 1); /* another affinity: nobody */
    assert_int_equal(machine_take(), NOTHING);
}

static void one_kick_for_many(void **state)
{
    (void)state;
    machine.kicks = 0;
    for (uint32_t i = 0; i < 10; i++)
        vgic_sgi_register(GUEST->vcpu[0], (uint64_t)i << 24 | 2);
    assert_int_equal(machine.kicks, 1);
    machine_settle();
}

static void a_route_is_followed(void **state)
{
    (void)state;
    edge_line(40);
    interrupt_raise(GUEST, 8);
    machine_write(GICD(0x6000 + 8 * 40), 8, 1); /* pending on vCPU 0: moves */
    assert_int_equal(machine_take(), NOTHING);
    machine_on(2);
    assert_int_equal(machine_take(), 40);
    machine_on(1);
    machine_write(GICD(0x6000 + 8 * 40), 8, 0); /* active on vCPU 1: stays there until its end */
    interrupt_raise(GUEST, 8);
    machine_settle();
    assert_int_equal(machine_take(), NOTHING);
    machine_on(2);
    machine_end(40);
    assert_int_equal(machine_take(), NOTHING);
    machine_on(1);
    interrupt_raise(GUEST, 8);
    machine_settle();
    assert_int_equal(machine_take(), 40);
    machine_end(40);
    machine_write(GICD(0x6000 + 8 * 40), 8, 0x7777); /* nobody */
    interrupt_raise(GUEST, 8);
    machine_settle();
    assert_int_equal(machine_take(), NOTHING);
}

static void pending_and_active_by_software(void **state)
{
    (void)state;
    edge_line(40);
    machine_write(GICD(0x204), 4, 1u << 8);
    machine_write(GICD(0x284), 4, 1u << 8);
    assert_int_equal(machine_take(), NOTHING);
    machine_write(GICD(0x204), 4, 1u << 8);
    assert_int_equal(machine_take(), 40);
    assert_int_equal(machine_read(GICD(0x304), 4), 1u << 8);
    machine_write(GICD(0x384), 4, 1u << 8);
    assert_int_equal(machine_read(GICD(0x304), 4), 0);
    interrupt_raise(GUEST, 8);
    assert_int_equal(machine_take(), 40);
    machine_end(40);
    machine_write(GICD(0x304), 4, 1u << 8); /* active by hand: not delivered before its end */
    interrupt_raise(GUEST, 8);
    assert_int_equal(machine_take(), NOTHING);
    machine_end(40);
    assert_int_equal(machine_take(), 40);
}

static void the_timer_is_linked(void **state)
{
    struct vcpu *vcpu = GUEST->vcpu[0];

    (void)state;
    assert_true(machine.physical_enabled[0] & 1u << 27);
    vgic_physical(vcpu, 27, false);
    assert_int_equal(machine_take(), 27);
    assert_true(vgic_lr_read(vcpu->arch.vgic.lr_of[27]) & LR_LINKED);
    machine_end(27);
    assert_int_equal(machine_take(), NOTHING);
    vgic_physical(vcpu, 27, false); /* disabled before it is taken: given back to the physical GIC */
    machine.physical_deactivated = 0;
    machine_write(GICR(0, SGI_FRAME + 0x180), 4, 1u << 27);
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(machine.physical_deactivated, 1);
    assert_false(machine.physical_enabled[0] & 1u << 27);
}

static void a_passed_through_edge_is_not_lost(void **state)
{
    (void)state;
    edge_line(PASSED);
    machine_write(GICD(0x108), 4, 1u << 6);
    vgic_physical(GUEST->vcpu[0], PASSED, false);
    machine_write(GICD(0x188), 4, 1u << 6);
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(machine.physical_pended, 1);
}

static void what_is_not_passed_through_is_nobodys(void **state)
{
    (void)state;
    assert_false(vgic_physical(GUEST->vcpu[0], 80, false));
    assert_false(vgic_physical(GUEST->vcpu[0], 1019, false));
    assert_int_equal(machine_take(), NOTHING);
}

static void untaken_is_noticed(void **state)
{
    struct vcpu *vcpu = GUEST->vcpu[0];

    (void)state;
    edge_line(40);
    assert_false(interrupt_untaken(vcpu));
    interrupt_raise(GUEST, 8);
    assert_false(interrupt_untaken(vcpu)); /* only just come */
    assert_true(interrupt_untaken(vcpu));
    machine_take();
    assert_false(interrupt_untaken(vcpu));
    machine_end(40);
    interrupt_raise(GUEST, 8);
    assert_false(interrupt_untaken(vcpu));
    machine_end(machine_take());
    interrupt_raise(GUEST, 8); /* another one of the same number */
    assert_false(interrupt_untaken(vcpu));
}

static void reset_leaves_nothing(void **state)
{
    (void)state;
    edge_line(40);
    interrupt_raise(GUEST, 8);
    interrupt_raise(GUEST, 9);
    machine_take();
    vgic_sgi_register(GUEST->vcpu[0], 3ull << 24 | 7);
    machine_start();
    for (uint32_t cpu = 1; cpu < 4; cpu++) {
        machine_on(cpu);
        assert_int_equal(machine_take(), NOTHING);
    }
    machine_on(1);
    assert_int_equal(machine_read(GICD(0), 4), 0x50);
    assert_int_equal(machine_read(GICD(0x104), 4), 0);
    assert_int_equal(machine_read(GICD(0x204), 4), 0);
    assert_int_equal(machine_read(GICD(0x428), 4), 0);
    assert_int_equal(machine_read(GICD(0xc08), 4), 0);
    assert_int_equal(machine_read(GICR(0, SGI_FRAME + 0xc00), 4), 0xaaaaaaaa);
}

static void identification(void **state)
{
    (void)state;
    assert_int_equal(machine_read(GICD(0xffe8), 4), 0x3b);
    assert_int_equal(machine_read(GICR(2, 0xffe8), 4), 0x3b);
    assert_int_equal(machine_read(GICD(4), 4) & 31, 2);
    assert_int_equal(machine_read(GICR(1, 8), 8), 1ull << 32 | 1 << 8);
    assert_int_equal(machine_read(GICR(2, 8), 8), 2ull << 32 | 2 << 8 | 1 << 4);
    machine_write(GICR(1, 0x14), 4, 0);
    assert_int_equal(machine_read(GICR(1, 0x14), 4), 0);
    assert_int_equal(machine_read(GICR(2, 0x14), 4), 6);
}

/* Every offset, width and a few values: no answer is undefined, no index leaves its table, and delivery still works. */
static void messages_are_edges_that_software_may_send(void **state)
{
    const uint32_t first = 32 + GUEST_LINE_MESSAGES, last = first + GUEST_MESSAGES - 1;

    (void)state;
    assert_false(machine_read(GICD(4), 4) & 1u << 16);
    machine_write(GICD(0x40), 4, first);
    vgic_add_messages(GUEST);
    assert_true(machine_read(GICD(4), 4) & 1u << 16);
    for (uint32_t intid = first; intid <= last; intid += last - first) {
        machine_write(GICD(0x100 + intid / 32 * 4), 4, 1u << intid % 32);
        edge_line(intid);
        machine_write(GICD(0x40), intid == first ? 2 : 4, intid);
        assert_int_equal(machine_take(), intid);
        machine_end(intid);
        assert_int_equal(machine_take(), NOTHING);
    }
    machine_write(GICD(0x180 + first / 32 * 4), 4, 1u << first % 32);
    machine_write(GICD(0x40), 4, first); /* pending while it is disabled, and taken back */
    machine_write(GICD(0x48), 4, first);
    machine_write(GICD(0x100 + first / 32 * 4), 4, 1u << first % 32);
    assert_int_equal(machine_take(), NOTHING);
    machine_write(GICD(0x40), 4, 40); /* no message */
    machine_write(GICD(0x40), 1, first);
    machine_write(GICD(0x40), 8, first);
    machine_write(GICD(0x50), 4, first);
    assert_int_equal(machine_take(), NOTHING);
    machine_write(GICD(0x6000 + 8 * last), 8, 2);
    assert_int_equal(machine.message_line, last - 32);
    assert_int_equal(machine.message_cpu, GUEST->vcpu[2]->cpu);
}

static void decode_is_total(void **state)
{
    static const uint64_t values[] = {0, 1, UINT64_MAX, 0x5555555555555555ull};
    static const struct {
        uint64_t base, size;
    } ranges[] = {{GUEST_GICD_BASE, 0x10000}, {GUEST_GICR_BASE, 3 * 0x20000}};

    (void)state;
    for (uint32_t range = 0; range < 2; range++)
        for (uint64_t offset = 0; offset < ranges[range].size; offset += offset < 0x1000 ? 1 : 3)
            for (uint32_t width = 1; width <= 8 && offset + width <= ranges[range].size; width *= 2) {
                machine_read(ranges[range].base + offset, width);
                for (uint32_t i = 0; i < 4; i++)
                    assert_int_equal(machine_write(ranges[range].base + offset, width, values[i]), MMIO_DONE);
            }
    for (uint32_t line = 0; line < 2000; line++) {
        interrupt_raise(GUEST, line);
        interrupt_set_level(GUEST, line, true);
    }
    machine_settle();
    setup(NULL);
    edge_is_delivered_once(NULL);
}

/* Random orders of everything that can happen: the machine's checks (an interrupt in two list registers, a linked one
 * both pending and active, endless settling) and: a raised edge arrives in the end. */
static void random_orders(void **state)
{
    (void)state;
    srandom(1);
    for (uint32_t line = 8; line < 32; line++)
        if (line % 2)
            edge_line(32 + line);
    for (uint32_t step = 0; step < 200000; step++) {
        uint32_t line = 8 + (uint32_t)random() % 24, intid;

        machine_on(1 + (uint32_t)random() % 3);
        switch (random() % 11) {
        case 0:
            interrupt_raise(GUEST, line);
            break;
        case 1:
            interrupt_set_level(GUEST, line, random() % 2);
            break;
        case 2:
            machine_write(GICD(0x104), 4, 1u << line);
            break;
        case 3:
            machine_write(GICD(0x184), 4, 1u << line);
            break;
        case 4:
            machine_write(GICD(0x6000 + 8 * (32 + line)), 8, (uint64_t)random() % 4);
            break;
        case 5:
            vgic_sgi_register(vcpu_current(), (uint64_t)random() & 0x100f00ffffull);
            break;
        case 6:
            machine_write(GICD(0x204 + 0x80 * ((uint64_t)random() % 4)), 4, 1u << line);
            break;
        case 7:
            machine_write(GICD(0x420 + line), 1, (uint64_t)random());
            break;
        default:
            intid = machine_take();
            if (intid != NOTHING && random() % 8)
                machine_end(intid);
            break;
        }
        if (random() % 3)
            machine_settle();
    }
    machine_settle();
    machine_start();
    setup(NULL);
    edge_is_delivered_once(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(edge_is_delivered_once, setup),
        cmocka_unit_test_setup(level_follows_the_line, setup),
        cmocka_unit_test_setup(level_raised_again_while_active, setup),
        cmocka_unit_test_setup(disabled_is_withdrawn_and_kept, setup),
        cmocka_unit_test_setup(write_pending_is_settled_on_another_cpu, setup),
        cmocka_unit_test_setup(groups_off_delivers_nothing, setup),
        cmocka_unit_test_setup(more_interrupts_than_list_registers, setup),
        cmocka_unit_test_setup(the_urgent_one_does_not_wait, setup),
        cmocka_unit_test_setup(sgis_reach_whom_they_name, setup),
        cmocka_unit_test_setup(one_kick_for_many, setup),
        cmocka_unit_test_setup(a_route_is_followed, setup),
        cmocka_unit_test_setup(pending_and_active_by_software, setup),
        cmocka_unit_test_setup(the_timer_is_linked, setup),
        cmocka_unit_test_setup(a_passed_through_edge_is_not_lost, setup),
        cmocka_unit_test_setup(what_is_not_passed_through_is_nobodys, setup),
        cmocka_unit_test_setup(untaken_is_noticed, setup),
        cmocka_unit_test_setup(reset_leaves_nothing, setup),
        cmocka_unit_test_setup(identification, setup),
        cmocka_unit_test_setup(messages_are_edges_that_software_may_send, setup),
        cmocka_unit_test_setup(decode_is_total, setup),
        cmocka_unit_test_setup(random_orders, setup),
    };

    machine_init();
    interrupt_pass_through(GUEST, PASSED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
