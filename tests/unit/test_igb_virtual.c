/* SPDX-License-Identifier: Apache-2.0 */
/* An 82576's virtual functions: what they are given, and what their drivers ask for in vain. */
#include "devices/nic/igb_virtual.h"
#include "tests/unit/fake_pci.h"
#include <bulkhead/partition.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define FUNCTIONS 3u
#define ACK (1u << 31)
#define NACK (1u << 30)
#define CLEAR_TO_SEND (1u << 29)

static uint32_t registers[0x20000 / 4];
static bool mailbox_kept; /* by the virtual function's driver, for ever */
static uint32_t answers;
static struct intel nic;

static const struct pci_config configured[] = {
    {.flags = PCI_VIRTUAL, .vf = 0, .mac = {2, 0, 0x5e, 0, 0x10, 1}},
    {.flags = PCI_VIRTUAL, .vf = 1, .mac = {2, 0, 0x5e, 0, 0x10, 2}, .vlan = 37},
};

const struct pci_config *pci_virtual(const struct pci_function *function, uint32_t index)
{
    (void)function;
    return index < 2 ? &configured[index] : NULL; /* the third is nobody's */
}

uint32_t model_read(uint32_t offset)
{
    return registers[offset / 4];
}

void model_write(uint32_t offset, uint32_t value)
{
    if (offset == 0xc80 || offset == 0xc88) {
        registers[offset / 4] &= ~value;
    } else if (offset >= 0xc00 && offset < 0xc20) {
        answers += value & 1;
        registers[offset / 4] = value & 8 && !mailbox_kept ? 8 : 0;
    } else {
        registers[offset / 4] = value;
    }
}

static int set_up(void **state)
{
    (void)state;
    memset(registers, 0, sizeof registers);
    memset(&nic, 0, sizeof nic);
    mailbox_kept = false;
    answers = 0;
    registers[0x08 / 4] = 1u << 18 | FUNCTIONS << 14;
    nic.registers = FAKE_REGISTERS;
    fake_pci_reset();
    nic.queue = igb_virtual_count(&nic);
    igb_virtual_start(&nic);
    return 0;
}

/* The function's driver sends a message; the first word of the answer. */
static uint32_t ask(uint32_t vf, uint32_t first, uint32_t second, uint32_t third)
{
    registers[0xc80 / 4] = 1u << vf;
    registers[(0x800 + 0x40 * vf) / 4] = first;
    registers[(0x804 + 0x40 * vf) / 4] = second;
    registers[(0x808 + 0x40 * vf) / 4] = third;
    answers = 0;
    igb_virtual_attend(&nic);
    assert_int_equal(registers[0xc80 / 4], 0);
    return registers[(0x800 + 0x40 * vf) / 4];
}

static void test_filters(void **state)
{
    (void)state;
    assert_int_equal(nic.queue, FUNCTIONS);
    assert_int_equal(registers[0x5818 / 4], 3);
    assert_int_equal(registers[0x581c / 4] >> 7 & 7, FUNCTIONS); /* what is nobody's comes to the physical function */
    assert_int_equal(registers[0x5408 / 4], 0x005e0002);
    assert_int_equal(registers[0x540c / 4], 1u << 31 | 1u << 18 | 0x0110);
    assert_int_equal(registers[0x541c / 4], 0); /* the third has no address */
    assert_int_equal(registers[0x3704 / 4], 37 | 1u << 30);
    assert_int_equal(registers[0x5d04 / 4], 37 | 1u << 31 | 1u << 13 | 1u << 15);
    assert_int_equal(registers[0x5604 / 4], 1u << 5);
    assert_int_equal(nic.receive_control, 1u << 18);
    assert_false(registers[0x5ad4 / 4] & 1u << 24); /* untagged frames are not the second's */
    assert_int_equal(registers[0x3500 / 4] & 0xffff, 7 | 2 << 8);
    assert_int_equal(registers[0xc8c / 4], 1u << FUNCTIONS); /* until their drivers come */
    registers[0x08 / 4] = 0;
    assert_int_equal(igb_virtual_count(&nic), 0);
    registers[0x08 / 4] = 1u << 18 | 15u << 14;
    assert_int_equal(igb_virtual_count(&nic), 7);
}

static void test_a_driver_that_comes_and_goes(void **state)
{
    (void)state;
    assert_true(ask(0, 3, 0, 0) & NACK); /* nothing before the reset */
    assert_int_equal(ask(0, 1, 0, 0), 1 | ACK);
    assert_int_equal(registers[0x804 / 4], 0x005e0002);
    assert_int_equal(registers[0x808 / 4], 0x0110);
    assert_int_equal(registers[0xc8c / 4], 1u << FUNCTIONS | 1);
    assert_int_equal(registers[0xc90 / 4], 1u << FUNCTIONS | 1);
    assert_true(ask(0, 3, 0, 0) & ACK);
    registers[0xc88 / 4] = 1; /* it was reset */
    igb_virtual_attend(&nic);
    assert_int_equal(registers[0xc88 / 4], 0);
    assert_int_equal(registers[0xc8c / 4], 1u << FUNCTIONS);
    assert_true(ask(0, 3, 0, 0) & NACK);
}

static void test_what_is_not_given(void **state)
{
    (void)state;
    ask(1, 1, 0, 0);
    assert_int_equal(ask(1, 2, 0x005e0002, 0x0210), 2 | ACK | CLEAR_TO_SEND); /* the address that it has */
    assert_int_equal(ask(1, 2, 0x005e0002, 0x0110), 2 | NACK | CLEAR_TO_SEND);
    assert_true(ask(1, 4, 0, 0) & ACK); /* no VLAN */
    assert_true(ask(1, 4, 38, 0) & NACK);
    assert_true(ask(1, 5, 1522, 0) & ACK);
    assert_true(ask(1, 5, 9000, 0) & NACK);
    assert_true(ask(1, 6, 0, 0) & ACK);
    assert_true(ask(1, 6 | 1u << 17, 0, 0) & NACK);
    assert_true(ask(1, 7, 0, 0) & NACK);
    assert_true(ask(1, 0xffff, ~0u, ~0u) & NACK);
    assert_int_equal(registers[0x5410 / 4], 0x005e0002);
    assert_int_equal(registers[0x5414 / 4] & 0xffff, 0x0210);
    assert_true(ask(2, 1, 0, 0) & NACK); /* nobody's */
    assert_false(registers[0xc8c / 4] & 4);
}

static void test_a_mailbox_that_is_kept(void **state)
{
    (void)state;
    mailbox_kept = true;
    ask(0, 1, 0, 0);
    assert_int_equal(answers, 0);
    assert_int_equal(registers[0xc8c / 4], 1u << FUNCTIONS);
    mailbox_kept = false;
    ask(0, 1, 0, 0);
    assert_int_equal(answers, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_filters, set_up),
        cmocka_unit_test_setup(test_a_driver_that_comes_and_goes, set_up),
        cmocka_unit_test_setup(test_what_is_not_given, set_up),
        cmocka_unit_test_setup(test_a_mailbox_that_is_kept, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
