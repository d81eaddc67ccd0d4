/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual GICv2: what its distributor has of its own (targets, SGIs, bytes), total decode, reset. The logic behind
 * it is test_vgic.c's. */
#include "../../arch/host/machine.h"

#include "../../arch/arm64/vgic.h"
#include <core/interrupt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOTHING 1023u
#define GICD(offset) (GUEST_GICD_BASE + (offset))
#define SGIR 0xf00

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
    for (uint32_t cpu = 3; cpu > 0; cpu--) {
        machine_on(cpu);
        machine_write(GICD(0x100), 4, 0xffffffff);
        for (uint32_t i = 0; i < 32; i += 4)
            machine_write(GICD(0x400 + i), 4, 0xa0a0a0a0);
    }
    machine_write(GICD(0), 4, 1);
    machine_write(GICD(0x104), 4, 0xffffff00);
    for (uint32_t i = 0; i < 32; i += 4)
        machine_write(GICD(0x420 + i), 4, 0xa0a0a0a0);
    return 0;
}

static void edge_line(uint32_t intid)
{
    uint64_t offset = GICD(0xc00 + intid / 16 * 4);

    machine_write(offset, 4, machine_read(offset, 4) | 2u << intid % 16 * 2);
}

/* What the guest of each CPU 1..3 takes next, and ends. */
static void expect(uint32_t first, uint32_t second, uint32_t third)
{
    const uint32_t wanted[] = {first, second, third};

    machine_settle();
    for (uint32_t cpu = 1; cpu <= 3; cpu++) {
        machine_on(cpu);

        uint32_t intid = machine_take();

        assert_int_equal(intid, wanted[cpu - 1]);
        if (intid != NOTHING)
            machine_end(intid);
    }
    machine_on(1);
}

static void edges_and_levels(void **state)
{
    (void)state;
    edge_line(40);
    interrupt_raise(GUEST, 8);
    expect(40, NOTHING, NOTHING);
    interrupt_set_level(GUEST, 9, true);
    assert_int_equal(machine_take(), 41);
    machine_end(41);
    assert_int_equal(machine_take(), 41);
    interrupt_set_level(GUEST, 9, false);
    machine_end(41);
    expect(NOTHING, NOTHING, NOTHING);
    machine_write(GICD(0), 4, 2); /* not the bit that it has */
    interrupt_raise(GUEST, 8);
    expect(NOTHING, NOTHING, NOTHING);
    machine_write(GICD(0), 4, 1);
    expect(40, NOTHING, NOTHING);
}

static void sgis_reach_whom_they_name(void **state)
{
    (void)state;
    machine_write(GICD(SGIR), 4, 0xfd << 16 | 3); /* a list: vCPUs 0 and 2, and five that are none */
    expect(3, NOTHING, 3);
    machine_write(GICD(SGIR), 4, 1 << 24 | 5); /* all others */
    expect(NOTHING, 5, 5);
    machine_write(GICD(SGIR), 4, 2 << 24 | 0xff << 16 | 15); /* itself */
    expect(15, NOTHING, NOTHING);
    machine_write(GICD(SGIR), 4, 3u << 24 | 0xff << 16 | 15); /* reserved */
    machine_write(GICD(SGIR), 1, 0xff);
    machine_write(GICD(SGIR + 2), 2, 0xff);
    expect(NOTHING, NOTHING, NOTHING);
    assert_int_equal(machine_read(GICD(SGIR), 4), 0);
}

static void sgis_stay_enabled_and_pend_by_their_own_registers(void **state)
{
    (void)state;
    machine_write(GICD(0x180), 4, 0xffff);
    assert_int_equal(machine_read(GICD(0x100), 4), 0xffffffff);
    machine_write(GICD(0x200), 4, 1 << 6);
    expect(NOTHING, NOTHING, NOTHING);
    machine_write(GICD(0xf24), 4, 0x00010000); /* INTID 6 */
    machine_write(GICD(0xf2f), 1, 0x80);       /* INTID 15, from whomever */
    assert_int_equal(machine_read(GICD(0xf24), 4), 0x00010000);
    assert_int_equal(machine_read(GICD(0xf1f), 1), 1);
    assert_int_equal(machine_read(GICD(0x200), 4), 1 << 15 | 1 << 6);
    machine_write(GICD(0x280), 4, 1 << 6); /* not that way */
    machine_write(GICD(0xf1f), 1, 1);
    expect(6, NOTHING, NOTHING);
    expect(NOTHING, NOTHING, NOTHING);
}

static void private_registers_are_the_readers(void **state)
{
    (void)state;
    machine_on(2);
    machine_write(GICD(0x180), 4, 1 << 20);
    machine_write(GICD(0x414), 1, 0x50);
    assert_int_equal(machine_read(GICD(0x100), 4), 0xffefffff);
    machine_on(1);
    assert_int_equal(machine_read(GICD(0x100), 4), 0xffffffff);
    assert_int_equal(machine_read(GICD(0x414), 1), 0xa0);
    vgic_raise_private(GUEST->vcpu[0], 20);
    vgic_raise_private(GUEST->vcpu[1], 20);
    expect(20, NOTHING, NOTHING);
}

static void targets_are_followed(void **state)
{
    (void)state;
    for (uint32_t cpu = 1; cpu <= 3; cpu++) {
        machine_on(cpu);
        assert_int_equal(machine_read(GICD(0x800), 4), 0x01010101u << (cpu - 1));
        machine_write(GICD(0x81c), 4, 0);
        assert_int_equal(machine_read(GICD(0x81f), 1), 1 << (cpu - 1));
    }
    machine_on(1);
    edge_line(40);
    assert_int_equal(machine_read(GICD(0x828), 4), 0x01010101); /* vCPU 0 at reset */
    machine_write(GICD(0x828), 1, 4);
    interrupt_raise(GUEST, 8);
    expect(NOTHING, NOTHING, 40);
    machine_write(GICD(0x828), 4, 0x0202f806); /* INTID 40: two of them; 41: none that is there */
    assert_int_equal(machine_read(GICD(0x828), 4), 0x02020002);
    interrupt_raise(GUEST, 8);
    interrupt_set_level(GUEST, 9, true);
    expect(NOTHING, 40, NOTHING);
    machine_write(GICD(0x829), 1, 1);
    expect(41, NOTHING, NOTHING);
    interrupt_set_level(GUEST, 9, false);
    machine_write(GICD(0xbfc), 4, 0xffffffff); /* beyond what there is */
    assert_int_equal(machine_read(GICD(0xbfc), 4), 0);
}

static void the_timer_and_a_passed_through_line_are_linked(void **state)
{
    struct vcpu *vcpu = GUEST->vcpu[0];

    (void)state;
    assert_true(machine.physical_enabled[0] & 1u << 27);
    assert_true(vgic_physical(vcpu, 27, false));
    assert_true(vgic_lr_read(vcpu->arch.vgic.lr_of[27]) & LR_LINKED);
    expect(27, NOTHING, NOTHING);
    machine_write(GICD(0x108), 4, 1 << (PASSED - 64));
    assert_true(machine.physical_enabled[2] & 1 << (PASSED - 64));
    assert_true(vgic_physical(vcpu, PASSED, false));
    assert_true(vgic_lr_read(vcpu->arch.vgic.lr_of[PASSED]) & LR_LINKED);
    expect(PASSED, NOTHING, NOTHING);
    assert_false(vgic_physical(vcpu, 80, false));
}

static void reset_leaves_nothing(void **state)
{
    (void)state;
    edge_line(40);
    interrupt_raise(GUEST, 8);
    machine_write(GICD(SGIR), 4, 0xff << 16 | 7);
    machine_write(GICD(0x828), 4, 0x02020202);
    machine_start();
    expect(NOTHING, NOTHING, NOTHING);
    assert_int_equal(machine_read(GICD(0), 4), 0);
    assert_int_equal(machine_read(GICD(0x104), 4), 0);
    assert_int_equal(machine_read(GICD(0x204), 4), 0);
    assert_int_equal(machine_read(GICD(0x428), 4), 0);
    assert_int_equal(machine_read(GICD(0x828), 4), 0x01010101);
    assert_int_equal(machine_read(GICD(0xc08), 4), 0);
    assert_int_equal(machine_read(GICD(0xf24), 4), 0);
}

static void identification(void **state)
{
    (void)state;
    assert_int_equal(machine_read(GICD(0xfe8), 4), 0x2b);
    assert_int_equal(machine_read(GICD(4), 4) & 0x1f, 2);       /* words */
    assert_int_equal(machine_read(GICD(4), 4) >> 5 & 7, 3 - 1); /* vCPUs */
    assert_int_equal(machine_read(GICD(4), 4) >> 8, 0);         /* one security state */
    machine_write(GICD(0x80), 4, 0xffffffff);
    assert_int_equal(machine_read(GICD(0x80), 4), 0);
}

/* Every offset, width and a few values: no answer is undefined, no index leaves its table, and delivery still works. */
static void decode_is_total(void **state)
{
    static const uint64_t values[] = {0, 1, UINT64_MAX, 0x5555555555555555ull};

    (void)state;
    for (uint32_t cpu = 1; cpu <= 3; cpu++) {
        machine_on(cpu);
        for (uint64_t offset = 0; offset < 0x1000; offset++)
            for (uint32_t width = 1; width <= 8 && offset + width <= 0x1000; width *= 2) {
                assert_true(width == 8 || machine_read(GICD(offset), width) >> 8 * width == 0);
                for (uint32_t i = 0; i < 4; i++)
                    assert_int_equal(machine_write(GICD(offset), width, values[i]), MMIO_DONE);
            }
    }
    machine_settle();
    setup(NULL);
    edges_and_levels(NULL);
}

/* Random orders of everything that can happen, as in test_vgic.c. */
static void random_orders(void **state)
{
    (void)state;
    srandom(1);
    for (uint32_t step = 0; step < 200000; step++) {
        uint32_t line = 8 + (uint32_t)random() % 24, intid;

        machine_on(1 + (uint32_t)random() % 3);
        switch (random() % 10) {
        case 0:
            interrupt_raise(GUEST, line);
            break;
        case 1:
            interrupt_set_level(GUEST, line, random() % 2);
            break;
        case 2:
            machine_write(GICD(0x104 + 0x80 * ((uint64_t)random() % 6)), 4, 1u << line);
            break;
        case 3:
            machine_write(GICD(0x820 + line), 1, (uint64_t)random());
            break;
        case 4:
            machine_write(GICD(SGIR), 4, (uint64_t)random() & 0x03ff000f);
            break;
        case 5:
            machine_write(GICD(0xf10 + (uint64_t)random() % 32), 1, (uint64_t)random());
            break;
        case 6:
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
    edges_and_levels(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(edges_and_levels, setup),
        cmocka_unit_test_setup(sgis_reach_whom_they_name, setup),
        cmocka_unit_test_setup(sgis_stay_enabled_and_pend_by_their_own_registers, setup),
        cmocka_unit_test_setup(private_registers_are_the_readers, setup),
        cmocka_unit_test_setup(targets_are_followed, setup),
        cmocka_unit_test_setup(the_timer_and_a_passed_through_line_are_linked, setup),
        cmocka_unit_test_setup(reset_leaves_nothing, setup),
        cmocka_unit_test_setup(identification, setup),
        cmocka_unit_test_setup(decode_is_total, setup),
        cmocka_unit_test_setup(random_orders, setup),
    };

    machine_init();
    interrupt_pass_through(GUEST, PASSED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
