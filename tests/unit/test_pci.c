/* SPDX-License-Identifier: Apache-2.0 */
/* PCI functions of a machine (core/pci.c), and what domains see of them (core/vpci.c): with devices and guests that
 * lie. */
#include "fake_functions.h"

#include <bulkhead/guest_map.h>
#include <core/log.h>
#include <core/status.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NIC 0x10d38086u
#define DISK 0x00101b36u
#define MANAGEMENT (&domains[0])
#define GUEST (&domains[1])
#define OTHER (&domains[2])
#define CONFIG(offset) (GUEST_PCI_ECAM + (1 << 15) + (offset))
#define REST(requester, offset) (FAKE_ECAM + ((requester) << 12) + (offset))
#define ONES32 0xffffffffu
#define MSI_64 0x80u

/* Const for everybody but this test. */
static struct partition_config table[] = {
    {.name = "management", .flags = PARTITION_MANAGEMENT | PARTITION_PCI_REST},
    {.name = "guest"},
    {.name = "other"},
};
extern const struct partition_config partitions[3] __attribute__((alias("table")));
const uint32_t partition_count = 3;
static struct sriov_config physical[1];
static uint32_t physical_count;
extern const struct sriov_config sriov[1] __attribute__((alias("physical")));
extern const uint32_t sriov_count __attribute__((alias("physical_count")));
static struct pci_config selected[3][2];

static struct pci_config address(uint16_t requester)
{
    return (struct pci_config){.function = {.address = requester, .text = "by address"}};
}

static struct pci_config *choose(uint32_t partition, uint32_t index, struct pci_config config)
{
    selected[partition][index] = config;
    table[partition].pci = selected[partition];
    if (table[partition].pci_count <= index)
        table[partition].pci_count = index + 1;
    return &selected[partition][index];
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    physical_count = 0;
    for (uint32_t i = 0; i < 3; i++) {
        table[i].pci_count = 0;
        domains[i] = (struct domain){.config = &table[i], .index = i};
    }
    return 0;
}

/* 00:02.0: a NIC with everything; its MSI-X table (8 entries) in the second page of BAR 0, the PBA behind it. */
static struct fake_function *add_nic(uint16_t requester, uint64_t base)
{
    struct fake_function *nic = fake_add(requester, NIC, 0x020000);

    fake_bar(nic, 0, base, 0x4000, 0);
    fake_bar(nic, 2, base + 0x4000, 0x2000, BAR_64_BITS | 8);
    fake_capability(nic, 0xc8, CAPABILITY_PM);
    fake_put(nic, 0xca, 2, 0xfe03, 0);
    fake_put(nic, 0xcc, 2, 0, 0x8103);
    fake_capability(nic, 0xd0, CAPABILITY_MSI);
    fake_put(nic, 0xd2, 2, MSI_64, 0x71);
    fake_put(nic, 0xd4, 4, 0, ONES32);
    fake_put(nic, 0xd8, 4, 0, ONES32);
    fake_put(nic, 0xdc, 4, 0, ONES32);
    fake_capability(nic, 0x50, 0x03); /* vital product data: not for guests */
    fake_pcie(nic, 0x80, true);
    fake_msix(nic, 0xbc, 8, 0x1000, 0x1800);
    return nic;
}

static void boot(void)
{
    pci_init();
    vpci_claim();
}

/* --- The machine --- */

static void functions_are_found_and_silenced(void **state)
{
    struct fake_function *nic, *below, *nobody;

    (void)state;
    fake_add(0x00, 0x29c08086, 0x060000);
    nic = add_nic(0x10, FAKE_WINDOW);
    fake_put(nic, 0xd2, 2, MSI_64 | 1, 0x71);
    fake_put(nic, 0xbe, 2, 0xc007, 0xc000);
    fake_put(nic, PCI_COMMAND, 2, 0x7, 0x547);
    fake_bridge(0x18, 2);
    below = fake_add(0x200, DISK, 0x010802);
    nobody = fake_add(0x308, DISK, 0x010802); /* no bridge leads there */
    fake_add(0x21, DISK, 0x010802);           /* function 1 without function 0 */
    pci_init();
    assert_int_equal(pci_function_count, 4);
    assert_true(pci_find(0x200) && pci_find(0x18)->bridge && !pci_find(0x308) && !pci_find(0x21));
    assert_int_equal(fake_get(nic, PCI_COMMAND, 2) & (COMMAND_MASTER | COMMAND_NO_INTX), COMMAND_NO_INTX);
    assert_int_equal(fake_get(below, PCI_COMMAND, 2), COMMAND_NO_INTX);
    assert_int_equal(fake_get(nobody, PCI_COMMAND, 2), COMMAND_MASTER);
    assert_int_equal(fake_get(nic, 0xd2, 2) & 1, 0);
    assert_int_equal(fake_get(nic, 0xbe, 2) & 0x8000, 0);
    assert_int_equal(pci_find(0x10)->bar[0].size, 0x4000);
    assert_int_equal(pci_find(0x10)->bar[2].base, FAKE_WINDOW + 0x4000);
    assert_int_equal(fake_get(nic, PCI_BAR0, 4), FAKE_WINDOW);
    assert_int_equal(pci_reset_kind(pci_find(0x10)), RESET_FUNCTION);
    assert_int_equal(pci_reset_kind(pci_find(0x200)), RESET_BUS);
    assert_string_equal(pci_name(0x1fff).text, "1f:1f.7");
}

static void capabilities_may_lie(void **state)
{
    struct fake_function *loop, *odd;

    (void)state;
    loop = fake_add(0x10, NIC, 0x020000);
    fake_capability(loop, 0x40, 0x77);
    fake_capability(loop, 0x50, 0x77);
    loop->bytes[0x51] = 0x40;
    odd = fake_add(0x18, NIC, 0x020000);
    fake_capability(odd, 0xf8, CAPABILITY_MSI);                             /* would leave configuration space */
    odd->bytes[0xf9] = 0x20;                                                /* the header */
    fake_add(0x20, NIC, 0x020000)->bytes[PCI_STATUS] = STATUS_CAPABILITIES; /* an empty list */
    pci_init();
    assert_int_equal(pci_function_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_true(!pci_functions[i].msi && !pci_functions[i].msix && !pci_functions[i].pcie);
}

static void functions_have_a_limit(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 140; i++)
        fake_put(fake_add((uint16_t)i, NIC, 0x020000), PCI_HEADER, 1, 0x80, 0);
    pci_init();
    assert_int_equal(pci_function_count, BULKHEAD_DEVICES_MAX);
    assert_int_equal(status_page->devices, BULKHEAD_DEVICES_MAX);
    for (uint32_t i = 0; i < pci_function_count; i++)
        assert_int_equal(status_page->device[i].requester, i);
}

static void bars_that_lie_are_left_out(void **state)
{
    struct fake_function *function = fake_add(0x10, NIC, 0x020000), *other = fake_add(0x18, NIC, 0x020000);

    (void)state;
    fake_bar(function, 0, 0x100000, 0x1000, 0);                        /* in RAM */
    fake_bar(function, 1, FAKE_ECAM + 0x10000, 0x10000, 0);            /* in ECAM */
    fake_bar(function, 2, 0xfee00000, 0x1000, 0);                      /* on the local APICs */
    fake_bar(function, 3, FAKE_WINDOW + FAKE_WINDOW_SIZE, 0x20000, 0); /* out of the window */
    fake_bar(function, 4, FAKE_WINDOW, 0x1000, 0);
    fake_bar(function, 5, FAKE_WINDOW + 0x1000, 0x1000, BAR_64_BITS); /* no room for its upper half */
    fake_bar(other, 0, FAKE_WINDOW, 0x1000, 0);                       /* another's */
    fake_bar(other, 1, FAKE_WINDOW + 0x3000, 0x1000, 0);
    fake_put(other, PCI_BAR0 + 8, 4, FAKE_WINDOW + 0x8000, 0xffff7000); /* no power of two: what it decodes is below */
    fake_put(other, PCI_BAR0 + 12, 4, 1, 0xffe0);                       /* I/O ports */
    pci_init();
    for (uint32_t i = 0; i < PCI_BARS; i++)
        assert_int_equal(pci_find(0x10)->bar[i].size, 0);
    assert_int_equal(pci_find(0x18)->bar[0].size, 0x1000); /* the other one is gone */
    assert_int_equal(pci_find(0x18)->bar[1].size, 0x1000);
    assert_int_equal(pci_find(0x18)->bar[3].size, 0);
}

static void the_kernel_numbers_and_places(void **state)
{
    struct fake_function *bridge = fake_bridge(0x08, 0), *second = fake_bridge(0x200, 0), *nic;

    (void)state;
    platform.pci.assigned = false;
    fake_put(bridge, PCI_BUSES, 4, 0, 0xffffff);
    fake_put(second, PCI_BUSES, 4, 0, 0xffffff);
    second->requester = 0x100; /* bus 1 is what lies behind the first */
    nic = add_nic(0x200, 0);
    fake_bar(fake_add(0x10, DISK, 0x010802), 0, 0, 0x100, 0);
    pci_init();
    assert_int_equal(fake_get(bridge, PCI_BUSES, 4), 0x020100);
    assert_int_equal(fake_get(second, PCI_BUSES, 4), 0x020201);
    assert_int_equal(pci_function_count, 4);
    assert_int_equal(fake_get(nic, PCI_BAR0, 4), FAKE_WINDOW);
    assert_int_equal(fake_get(nic, PCI_BAR0 + 8, 4), (FAKE_WINDOW + 0x4000) | 0xc);
    assert_int_equal(fake_get(bridge, PCI_WINDOW, 4), 0xc000c000);
    assert_int_equal(fake_get(second, PCI_WINDOW, 4), 0xc000c000);
    assert_int_equal(pci_find(0x10)->bar[0].base, FAKE_WINDOW + 0x100000); /* behind the bridge's window */
}

static void virtual_functions_are_switched_on(void **state)
{
    struct fake_function *nic = add_nic(0x10, FAKE_WINDOW);

    (void)state;
    fake_sriov(nic, 8, 0x80, 2, 0x4000);
    fake_put(nic, 0x160 + 0x24 + 12, 4, 0, (uint32_t)-0x4000); /* BAR 3 */
    physical[0] =
        (struct sriov_config){.function = {.by_id = true, .vendor = 0x8086, .device = 0x10d3, .text = "nic"}, .vfs = 3};
    physical_count = 1;
    choose(1, 0, (struct pci_config){.function = physical[0].function, .flags = PCI_VIRTUAL, .vf = 1});
    boot();
    assert_int_equal(pci_function_count, 4);
    for (uint16_t i = 0; i < 3; i++) {
        struct pci_function *function = pci_find((uint16_t)(0x90 + 2 * i));

        assert_true(function && function->is_virtual && function->physical == 0x10);
        assert_int_equal(function->id, 0x10ca8086);
        assert_int_equal(function->bar[0].size, 0x4000);
        assert_int_equal(function->bar[0].base, pci_find(0x90)->bar[0].base + i * 0x4000);
        assert_int_equal(function->bar[3].size, 0x4000);
        assert_true(function->bar[3].base + 3 * 0x4000 <= function->bar[0].base);
    }
    assert_true(pci_find(0x90)->bar[0].base >= FAKE_WINDOW + 0x6000);
    assert_ptr_equal(pci_find(0x92)->owner, GUEST);
    assert_ptr_equal(pci_find(0x10)->owner, MANAGEMENT);
    assert_null(pci_find(0x90)->owner);
    assert_int_equal(pci_reset_kind(pci_find(0x10)), RESET_NONE); /* it would take them with it */
    assert_true(vpci_init(GUEST));
    assert_int_equal(fake_read(GUEST, CONFIG(PCI_ID), 4), 0x10ca8086);
}

static void too_many_virtual_functions_are_refused(void **state)
{
    (void)state;
    fake_sriov(add_nic(0x10, FAKE_WINDOW), 2, 0x80, 2, 0x4000);
    physical[0] = (struct sriov_config){.function = {.address = 0x10, .text = "00:02.0"}, .vfs = 3};
    physical_count = 1;
    pci_init();
    assert_string_equal(fake_said, "PCI: 00:02.0 has 2 virtual functions, not 3");
    assert_int_equal(pci_function_count, 1);
}

/* --- Who gets what --- */

static void everybody_gets_his_own(void **state)
{
    (void)state;
    fake_add(0x00, 0x29c08086, 0x060000);
    add_nic(0x10, FAKE_WINDOW);
    add_nic(0x18, FAKE_WINDOW + 0x10000);
    fake_add(0x20, DISK, 0x010802);
    choose(1, 0,
           (struct pci_config){
               .function = {.by_id = true, .instance = 1, .vendor = 0x8086, .device = 0x10d3, .text = "8086:10d3#1"}});
    boot();
    assert_ptr_equal(pci_find(0x18)->owner, GUEST);
    assert_ptr_equal(pci_find(0x10)->owner, MANAGEMENT);
    assert_ptr_equal(pci_find(0x20)->owner, MANAGEMENT);
    assert_null(pci_find(0x00)->owner);
    assert_int_equal(fake_lines, 0);
    assert_true(vpci_init(MANAGEMENT) && vpci_init(GUEST) && vpci_init(OTHER));
    assert_int_equal(vpci_host(MANAGEMENT).functions, 2);
    assert_int_equal(vpci_host(GUEST).functions, 1);
    assert_int_equal(vpci_host(OTHER).functions, 0);
    assert_int_equal(fake_read(MANAGEMENT, REST(0x10, 0), 4), NIC);
    assert_int_equal(fake_read(MANAGEMENT, REST(0x18, 0), 4), ONES32);
}

static void what_cannot_be_had_is_said(void **state)
{
    (void)state;
    fake_add(0x00, 0x29c08086, 0x060000);
    add_nic(0x10, FAKE_WINDOW);
    fake_add(0x18, DISK, 0x010802);
    choose(1, 0, address(0x40));
    boot();
    assert_string_equal(fake_said, "guest: the machine has no PCI function by address");
    assert_false(vpci_init(GUEST));
    setup(NULL);
    fake_add(0x00, 0x29c08086, 0x060000);
    choose(1, 0, address(0x00));
    boot();
    assert_string_equal(fake_said, "guest: PCI function by address is a bridge, or the machine's own");
    setup(NULL);
    add_nic(0x10, FAKE_WINDOW);
    choose(1, 0, address(0x10));
    choose(2, 0, address(0x10));
    boot();
    assert_string_equal(fake_said, "other: PCI function by address (00:02.0) belongs to guest already");
    assert_true(vpci_init(GUEST));
    assert_false(vpci_init(OTHER));
    setup(NULL);
    fake_add(0x18, DISK, 0x010802);
    choose(1, 0, address(0x18));
    boot();
    assert_string_equal(fake_said,
                        "guest: PCI function by address cannot be reset, which its partition does not accept");
    assert_false(vpci_init(GUEST));
    assert_int_equal(pci_find(0x18)->status->state, DEVICE_REFUSED);
    setup(NULL);
    fake_add(0x18, DISK, 0x010802);
    choose(1, 0, address(0x18))->flags = PCI_WITHOUT_RESET;
    boot();
    assert_true(vpci_init(GUEST));
    setup(NULL);
    fake_iommu = false;
    add_nic(0x10, FAKE_WINDOW);
    choose(1, 0, address(0x10));
    boot();
    assert_false(vpci_init(GUEST));
    assert_string_equal(fake_said, "guest: PCI function 00:02.0 is behind no IOMMU");
}

static void groups_are_not_split(void **state)
{
    struct fake_function *bridge;

    (void)state;
    fake_put(add_nic(0x10, FAKE_WINDOW), PCI_HEADER, 1, 0x80, 0);
    add_nic(0x11, FAKE_WINDOW + 0x10000);
    choose(1, 0, address(0x10));
    choose(2, 0, address(0x11));
    boot();
    assert_string_equal(fake_said,
                        "other: PCI function 00:02.1 cannot be kept apart from 00:02.0, which belongs to guest");
    assert_true(vpci_init(GUEST));
    assert_false(vpci_init(OTHER));

    setup(NULL); /* what nobody names is not the management domain's then */
    fake_put(add_nic(0x10, FAKE_WINDOW), PCI_HEADER, 1, 0x80, 0);
    add_nic(0x11, FAKE_WINDOW + 0x10000);
    choose(1, 0, address(0x11));
    boot();
    assert_null(pci_find(0x10)->owner);

    for (uint32_t acs = 0; acs < 2; acs++) { /* behind two ports of one switch, which keeps them apart or not */
        setup(NULL);
        bridge = fake_bridge(0x18, 1);
        fake_put(bridge, PCI_WINDOW, 4, 0xc000c000, 0xfff0fff0);
        fake_pcie(bridge, 0x40, false);
        if (acs)
            fake_acs(bridge);
        add_nic(0x100, FAKE_WINDOW);
        add_nic(0x108, FAKE_WINDOW + 0x10000);
        choose(1, 0, address(0x100));
        choose(2, 0, address(0x108));
        boot();
        assert_int_equal(vpci_init(GUEST) && vpci_init(OTHER), acs);
    }
}

/* --- What a guest sees --- */

static struct fake_function *give_nic(void)
{
    struct fake_function *nic = add_nic(0x10, FAKE_WINDOW);

    choose(1, 0, address(0x10));
    boot();
    assert_true(vpci_init(GUEST));
    vpci_start(GUEST);
    return nic;
}

static void configuration_space_is_filtered(void **state)
{
    struct fake_function *nic = give_nic();

    (void)state;
    assert_int_equal(fake_read(GUEST, CONFIG(PCI_ID), 4), NIC);
    assert_int_equal(fake_read(GUEST, CONFIG(PCI_ID) + 2, 1), 0xd3);
    assert_int_equal(fake_read(GUEST, CONFIG(PCI_HEADER), 1), 0);
    assert_int_equal(fake_read(GUEST, CONFIG(PCI_CAPABILITIES), 1), 0xc8);
    assert_int_equal(fake_read(GUEST, CONFIG(0xc9), 1), 0xd0);
    assert_int_equal(fake_read(GUEST, CONFIG(0xd1), 1), 0x80); /* not 0x50 */
    assert_int_equal(fake_read(GUEST, CONFIG(0x81), 1), 0xbc);
    assert_int_equal(fake_read(GUEST, CONFIG(0xbd), 1), 0);
    assert_int_equal(fake_read(GUEST, CONFIG(0x50), 4), 0);
    assert_int_equal(fake_read(GUEST, CONFIG(0x100), 4), 0);
    assert_int_equal(fake_read(GUEST, CONFIG(0xffc), 4), 0);
    assert_int_equal(fake_read(GUEST, CONFIG(0x1000), 4), ONES32); /* function 1 */
    assert_int_equal(fake_read(GUEST, GUEST_PCI_ECAM, 4), ONES32); /* device 0 */
    assert_int_equal(fake_read(GUEST, GUEST_PCI_ECAM + MIB - 4, 4), ONES32);
    assert_int_equal(fake_read(GUEST, CONFIG(0x01), 2), 0xffff); /* across */
    assert_int_equal(fake_read(GUEST, CONFIG(0x00), 8), ~0ull);
    assert_int_equal(fake_read(GUEST, CONFIG(0x82), 2) & 0xf0, 0x90);
    /* Power: answered, and kept from the device. */
    fake_write(GUEST, CONFIG(0xcc), 2, 3);
    assert_int_equal(fake_read(GUEST, CONFIG(0xcc), 2), 0xb);
    assert_int_equal(fake_get(nic, 0xcc, 2), 0);
    /* Command: only mastering is the guest's. */
    fake_write(GUEST, CONFIG(PCI_COMMAND), 2, 0xffff);
    assert_int_equal(fake_read(GUEST, CONFIG(PCI_COMMAND), 2), 0x406);
    assert_int_equal(fake_get(nic, PCI_COMMAND, 2), 0x406);
    fake_write(GUEST, CONFIG(PCI_COMMAND), 4, 0);
    assert_int_equal(fake_get(nic, PCI_COMMAND, 2), 0x402);
    /* Writes of everything else change nothing. */
    for (uint32_t at = 0; at < 0x1000; at += 4)
        if (at != PCI_COMMAND && !(at >= 0x10 && at < 0x28) && at != 0x88) {
            uint32_t before = fake_get(nic, at, 4);

            fake_write(GUEST, CONFIG(at), 4, 0x5a5a5a5a);
            if (at < 0xbc || at >= 0xe0)
                assert_int_equal(fake_get(nic, at, 4), before);
        }
}

static void bars_do_not_move(void **state)
{
    struct fake_function *nic = give_nic();
    uint32_t low = GUEST_PCI_WINDOW, second = GUEST_PCI_WINDOW + 0x4000;

    (void)state;
    assert_int_equal(fake_read(GUEST, CONFIG(0x10), 4), low);
    assert_int_equal(fake_read(GUEST, CONFIG(0x18), 4), second | 0xc);
    fake_write(GUEST, CONFIG(0x10), 4, ONES32);
    assert_int_equal(fake_read(GUEST, CONFIG(0x10), 4), 0xffffc000);
    fake_write(GUEST, CONFIG(0x10), 4, 0x12340000);
    assert_int_equal(fake_read(GUEST, CONFIG(0x10), 4), low);
    fake_write(GUEST, CONFIG(0x18), 4, ONES32);
    fake_write(GUEST, CONFIG(0x1c), 4, ONES32);
    assert_int_equal(fake_read(GUEST, CONFIG(0x18), 4), 0xffffe00c);
    assert_int_equal(fake_read(GUEST, CONFIG(0x1c), 4), ONES32);
    fake_write(GUEST, CONFIG(0x18), 4, second);
    fake_write(GUEST, CONFIG(0x1c), 4, 0);
    assert_int_equal(fake_read(GUEST, CONFIG(0x18), 4), second | 0xc);
    assert_int_equal(fake_read(GUEST, CONFIG(0x1c), 4), 0);
    for (uint32_t at = 0x14; at < 0x34; at += at == 0x14 ? 0xc : 4) { /* not there */
        fake_write(GUEST, CONFIG(at), 4, ONES32);
        if (at != 0x2c)
            assert_int_equal(fake_read(GUEST, CONFIG(at), 4), 0);
    }
    fake_write(GUEST, CONFIG(0x10), 1, 0xff);
    fake_write(GUEST, CONFIG(0x12), 2, 0xffff);
    assert_int_equal(fake_read(GUEST, CONFIG(0x10), 4), low);
    assert_int_equal(fake_get(nic, 0x10, 4), FAKE_WINDOW);
    /* Mapped but for the page of table and PBA. */
    assert_int_equal(fake_mapped(GUEST, low), FAKE_WINDOW);
    assert_int_equal(fake_mapped(GUEST, low + 0x1000), 0);
    assert_int_equal(fake_mapped(GUEST, low + 0x2000), FAKE_WINDOW + 0x2000);
    assert_int_equal(fake_mapped(GUEST, second + 0x1fff), FAKE_WINDOW + 0x5fff);
    assert_int_equal(fake_mapped(GUEST, second + 0x2000), 0);
}

#define TABLE (GUEST_PCI_WINDOW + 0x1000ull)

static uint32_t physical_entry(uint32_t index, uint32_t word)
{
    uint32_t value;

    memcpy(&value, fake_memory(FAKE_WINDOW + 0x1000 + 16 * index + 4 * word), 4);
    return value;
}

static void msix_is_the_kernels(void **state)
{
    struct fake_function *nic = give_nic();

    (void)state;
    assert_int_equal(fake_read(GUEST, CONFIG(0xbe), 2), 7);
    fake_write(GUEST, CONFIG(0xbe), 2, 0xc000);
    assert_int_equal(fake_get(nic, 0xbe, 2), 0xc007);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(physical_entry(i, 3), 1);
    /* As Linux does: 4 bytes each, unmasked at the end. */
    fake_write(GUEST, TABLE + 16 * 7, 4, 0xfee01000);
    fake_write(GUEST, TABLE + 16 * 7 + 4, 4, 0);
    fake_write(GUEST, TABLE + 16 * 7 + 8, 4, 0x42);
    assert_int_equal(fake_bound, 0);
    fake_write(GUEST, TABLE + 16 * 7 + 12, 4, 0);
    assert_int_equal(fake_bound, 1);
    assert_int_equal(fake_messages[0].index, 7);
    assert_int_equal(fake_messages[0].guest.address, 0xfee01000);
    assert_int_equal(fake_messages[0].guest.data, 0x42);
    assert_int_equal(physical_entry(7, 0), 0xfee00100); /* not what the guest wrote */
    assert_int_equal(physical_entry(7, 2), 0x4007);
    assert_int_equal(physical_entry(7, 3), 0);
    assert_int_equal(fake_read(GUEST, TABLE + 16 * 7, 8), 0xfee01000);
    assert_int_equal(fake_read(GUEST, TABLE + 16 * 7 + 8, 4), 0x42);
    fake_write(GUEST, CONFIG(0xbe), 2, 0x8000);
    assert_int_equal(fake_get(nic, 0xbe, 2), 0x8007);
    /* Masked and unmasked again: nothing new to say. Another address while unmasked: at once. */
    fake_write(GUEST, TABLE + 16 * 7 + 12, 4, 0xffffffff);
    assert_int_equal(fake_read(GUEST, TABLE + 16 * 7 + 12, 4), 1);
    assert_int_equal(physical_entry(7, 3), 1);
    fake_write(GUEST, TABLE + 16 * 7 + 12, 4, 0);
    assert_int_equal(fake_binds, 1);
    fake_write(GUEST, TABLE + 16 * 7 + 8, 4, 0x50);
    assert_int_equal(fake_binds, 2);
    assert_int_equal(fake_messages[0].guest.data, 0x50);
    /* One that means nothing leaves the entry masked. */
    fake_write(GUEST, TABLE + 16 * 7 + 8, 4, 0x51);
    assert_int_equal(physical_entry(7, 3), 1);
    /* Narrow writes are lost, wide ones are two. */
    fake_write(GUEST, TABLE, 1, 0xff);
    fake_write(GUEST, TABLE + 2, 2, 0xffff);
    assert_int_equal(fake_read(GUEST, TABLE, 4), 0);
    fake_write(GUEST, TABLE, 8, 0x1fee00000ull);
    assert_int_equal(fake_read(GUEST, TABLE + 4, 1), 1);
    assert_int_equal(fake_read(GUEST, TABLE + 2, 2), 0xfee0);
    assert_int_equal(fake_read(GUEST, TABLE + 1, 4), ONES32); /* across */
    /* Behind the table: the device's other registers, and the PBA, which is not the guest's to write. */
    fake_write(GUEST, TABLE + 128, 4, 0x12345678);
    assert_int_equal(fake_read(GUEST, TABLE + 130, 1), 0x34);
    fake_write(GUEST, TABLE + 0xff8, 8, 0x1122334455667788ull);
    assert_true(fake_read(GUEST, TABLE + 0xff8, 8) == 0x1122334455667788ull);
    *fake_memory(FAKE_WINDOW + 0x1800) = 0x80;
    fake_write(GUEST, TABLE + 0x800, 8, 0);
    assert_int_equal(fake_read(GUEST, TABLE + 0x800, 8), 0x80);
    fake_write(GUEST, TABLE + 0x808, 4, 9);
    assert_int_equal(*fake_memory(FAKE_WINDOW + 0x1808), 9);
    fake_write(GUEST, CONFIG(0xbe), 2, 0);
    assert_int_equal(fake_get(nic, 0xbe, 2), 7);
}

/* The domain has 32 entries of it; what firmware left in the others is masked before the table comes to life. */
static void entries_that_nobody_has_are_masked(void **state)
{
    struct fake_function *nic = add_nic(0x10, FAKE_WINDOW);

    (void)state;
    fake_put(nic, 0xbe, 2, 39, 0xc000);
    choose(1, 0, address(0x10));
    boot();
    assert_true(vpci_init(GUEST));
    assert_int_equal(fake_read(GUEST, CONFIG(0xbe), 2), 31);
    assert_int_equal(physical_entry(32, 3), 0);
    fake_write(GUEST, CONFIG(0xbe), 2, 0x8000);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(physical_entry(i, 3), 1);
    assert_int_equal(physical_entry(40, 3), 0);
}

static void msi_is_the_kernels(void **state)
{
    struct fake_function *nic = give_nic();

    (void)state;
    assert_int_equal(fake_read(GUEST, CONFIG(0xd2), 2), MSI_64);
    fake_write(GUEST, CONFIG(0xd4), 4, 0xfee00000);
    fake_write(GUEST, CONFIG(0xdc), 2, 0x60);
    assert_int_equal(fake_get(nic, 0xd4, 4), 0);
    fake_write(GUEST, CONFIG(0xd2), 2, 0x71); /* 8 messages: there is one */
    assert_int_equal(fake_read(GUEST, CONFIG(0xd2), 2), MSI_64 | 1);
    assert_int_equal(fake_get(nic, 0xd2, 2) & 0x71, 1);
    assert_int_equal(fake_get(nic, 0xd4, 4), 0xfee00100);
    assert_int_equal(fake_get(nic, 0xdc, 2), 0x4000);
    assert_int_equal(fake_messages[0].guest.data, 0x60);
    fake_write(GUEST, CONFIG(0xdc), 2, 0x61); /* means nothing */
    assert_int_equal(fake_get(nic, 0xd2, 2) & 1, 0);
    fake_write(GUEST, CONFIG(0xd2), 2, 0);
    assert_int_equal(fake_bound, 0);
}

static void tables_that_lie_are_left_out(void **state)
{
    static const uint32_t places[][3] = {
        {2048, 0x1000, 0x1800}, /* longer than the BAR */
        {8, 0x3f90, 0x1800},    {8, 0x1000, 0x4000}, {8, 0x1005, 0x1800}, {8, 0x1006, 0x1807}, {8, 0xfffffff8, 0},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        struct fake_function *nic;

        setup(NULL);
        nic = add_nic(0x10, FAKE_WINDOW);
        fake_put(nic, 0xbe, 2, places[i][0] - 1, 0xc000);
        fake_put(nic, 0xc0, 4, places[i][1], 0);
        fake_put(nic, 0xc4, 4, places[i][2], 0);
        choose(1, 0, address(0x10));
        boot();
        assert_true(vpci_init(GUEST));
        assert_string_equal(fake_said, "guest: MSI-X of 00:02.0 cannot be used");
        assert_int_equal(fake_read(GUEST, CONFIG(0x81), 1), 0);
        assert_int_equal(fake_read(GUEST, CONFIG(0xbc), 4), 0);
    }
}

/* Table and PBA each in every place of a BAR: no byte of the table is mapped, every other page is. */
static void tables_are_never_mapped(void **state)
{
    (void)state;
    for (uint32_t table = 0; table < 0x4000; table += 0x7f8)
        for (uint32_t pba = 0; pba < 0x4000; pba += 0xff8) {
            struct fake_function *nic;

            setup(NULL);
            nic = fake_add(0x10, NIC, 0x020000);
            fake_bar(nic, 0, FAKE_WINDOW, 0x4000, 0);
            fake_pcie(nic, 0x40, true);
            fake_msix(nic, 0x80, 128, table, pba);
            choose(1, 0, address(0x10));
            boot();
            assert_true(vpci_init(GUEST));
            for (uint32_t at = 0; at < 0x4000; at += 0x1000) {
                bool taken = (table < at + 0x1000 && table + 128 * 16 > at) || (pba < at + 0x1000 && pba + 16 > at);

                if (table + 128 * 16 > 0x4000)
                    taken = false;
                assert_int_equal(fake_mapped(GUEST, GUEST_PCI_WINDOW + at), taken ? 0 : FAKE_WINDOW + at);
                assert_int_equal(mmio_find(GUEST, ipa(GUEST_PCI_WINDOW + at)) != NULL, taken);
            }
        }
}

static void small_bars_share_no_page(void **state)
{
    struct fake_function *function = fake_add(0x10, NIC, 0x020000);

    (void)state;
    fake_bar(function, 0, FAKE_WINDOW + 0x100, 0x100, 0);
    fake_pcie(function, 0x40, true);
    fake_msix(function, 0x80, 2, 0x80, 0xa0);
    fake_bar(fake_add(0x18, NIC, 0x020000), 0, FAKE_WINDOW + 0x200, 0x100, 0);
    choose(1, 0, address(0x10));
    boot();
    assert_true(vpci_init(GUEST));
    assert_int_equal(fake_mapped(GUEST, GUEST_PCI_WINDOW), 0);
    assert_int_equal(fake_read(GUEST, CONFIG(0x10), 4), GUEST_PCI_WINDOW + 0x100);
    fake_write(GUEST, GUEST_PCI_WINDOW + 0x1fc, 4, 0x11223344);
    assert_int_equal(fake_read(GUEST, GUEST_PCI_WINDOW + 0x1fe, 2), 0x1122);
    fake_write(GUEST, GUEST_PCI_WINDOW + 0x200, 4, 0x55);
    fake_write(GUEST, GUEST_PCI_WINDOW + 0xfc, 4, 0x55);
    assert_int_equal(*fake_memory(FAKE_WINDOW + 0x200), 0);
    assert_int_equal(*fake_memory(FAKE_WINDOW + 0xfc), 0);
    assert_int_equal(fake_read(GUEST, GUEST_PCI_WINDOW + 0x200, 4), ONES32);
    fake_write(GUEST, CONFIG(0x82), 2, 0x8000);
    fake_write(GUEST, GUEST_PCI_WINDOW + 0x190, 4, 0xfee00000); /* entry 1 */
    fake_write(GUEST, GUEST_PCI_WINDOW + 0x19c, 4, 0);
    assert_int_equal(fake_messages[0].index, 1);
    assert_int_equal(*fake_memory(FAKE_WINDOW + 0x190 + 8), 1);
    assert_int_equal(*fake_memory(FAKE_WINDOW + 0x190 + 9), 0x40);
}

static void lines_are_levels(void **state)
{
    struct fake_function *port = fake_bridge(0x28, 1), *old;

    (void)state;
    fake_put(port, PCI_WINDOW, 4, 0xc000c000, 0xfff0fff0);
    old = fake_add(0x108, NIC, 0x020000); /* device 1 of bus 1, behind device 5 of bus 0 */
    fake_bar(old, 0, FAKE_WINDOW, 0x1000, 0);
    fake_put(old, PCI_PIN, 1, 2, 0);
    choose(1, 0, address(0x108));
    boot();
    assert_true(vpci_init(GUEST));
    vpci_start(GUEST);
    assert_int_equal(fake_wire, (2 - 1 + 1 + 5) % 4);
    assert_int_equal(fake_read(GUEST, CONFIG(PCI_PIN), 1), 2);
    fake_write(GUEST, CONFIG(PCI_COMMAND), 2, COMMAND_MASTER);
    assert_int_equal(fake_get(old, PCI_COMMAND, 2), COMMAND_MASTER | COMMAND_MEMORY);
    vpci_interrupt(GUEST); /* not this one's */
    assert_false(fake_level);
    old->bytes[PCI_STATUS] |= STATUS_INTX;
    vpci_interrupt(GUEST);
    assert_true(fake_level);
    assert_int_equal(fake_get(old, PCI_COMMAND, 2) & COMMAND_NO_INTX, COMMAND_NO_INTX); /* it is silent meanwhile, */
    fake_write(GUEST, CONFIG(PCI_COMMAND), 2, COMMAND_MASTER);                          /* whatever the guest writes */
    assert_int_equal(fake_get(old, PCI_COMMAND, 2) & COMMAND_NO_INTX, COMMAND_NO_INTX);
    assert_int_equal(pci_find(0x108)->status->messages, 1);
    vpci_line_end(GUEST, 2);
    assert_true(fake_level);
    vpci_line_end(GUEST, 1);
    assert_false(fake_level);
    assert_int_equal(fake_get(old, PCI_COMMAND, 2) & COMMAND_NO_INTX, 0);
    fake_write(GUEST, CONFIG(PCI_COMMAND), 2, COMMAND_MASTER | COMMAND_NO_INTX);
    assert_int_equal(fake_get(old, PCI_COMMAND, 2) & COMMAND_NO_INTX, COMMAND_NO_INTX);
    vpci_interrupt(GUEST);
    assert_false(fake_level);
}

/* --- Reset --- */

static void a_stop_resets(void **state)
{
    struct fake_function *nic = give_nic();
    uint32_t flrs = nic->flrs;

    (void)state;
    fake_write(GUEST, CONFIG(PCI_COMMAND), 2, 6);
    fake_write(GUEST, CONFIG(0xbe), 2, 0x8000);
    fake_write(GUEST, TABLE + 8, 4, 0x42);
    fake_write(GUEST, TABLE + 12, 4, 0);
    assert_int_equal(fake_bound, 1);
    vpci_reset(GUEST);
    assert_int_equal(nic->flrs, flrs + 1);
    assert_int_equal(fake_bound, 0);
    assert_int_equal(fake_get(nic, PCI_COMMAND, 2), COMMAND_MEMORY | COMMAND_NO_INTX);
    assert_int_equal(fake_get(nic, 0xbe, 2), 7);
    assert_int_equal(fake_get(nic, 0x10, 4), FAKE_WINDOW);
    assert_int_equal(fake_read(GUEST, CONFIG(PCI_COMMAND), 2), COMMAND_MEMORY);
    assert_int_equal(fake_read(GUEST, TABLE + 8, 8), 1ull << 32);
    vpci_reset(GUEST); /* once is enough */
    vpci_start(GUEST);
    assert_int_equal(nic->flrs, flrs + 1);
    nic->dead = true;
    vpci_reset(GUEST);
    assert_string_equal(fake_said, "guest: PCI function 00:02.0 did not come back from its reset");
    assert_int_equal(fake_read(GUEST, CONFIG(0), 4), ONES32);
    assert_int_equal(fake_read(GUEST, TABLE, 4), ONES32);
    assert_int_equal(pci_find(0x10)->status->state, DEVICE_LOST);
}

static void virtio_is_reset_by_its_status(void **state)
{
    struct fake_function *disk = fake_add(0x18, 0x10421af4, 0x010000);

    (void)state;
    fake_bar(disk, 4, FAKE_WINDOW, 0x4000, 0xc);
    fake_capability(disk, 0x84, CAPABILITY_VENDOR); /* the window onto everything: hidden */
    fake_put(disk, 0x86, 2, 0x0514, 0);
    fake_capability(disk, 0x40, CAPABILITY_VENDOR);
    fake_put(disk, 0x42, 2, 0x0110, 0);
    fake_put(disk, 0x44, 4, 4, 0);
    fake_put(disk, 0x4c, 4, 0x1000, 0);
    fake_put(disk, 0xec, 4, 0, 0);
    *fake_memory(FAKE_WINDOW + 0x14) = 0xf;
    boot();
    assert_int_equal(pci_find(0x18)->status->reset, RESET_STATUS);
    assert_true(vpci_init(MANAGEMENT));
    vpci_start(MANAGEMENT);
    assert_int_equal(*fake_memory(FAKE_WINDOW + 0x14), 0);
    assert_int_equal(fake_read(MANAGEMENT, REST(0x18, PCI_CAPABILITIES), 1), 0x40);
    assert_int_equal(fake_read(MANAGEMENT, REST(0x18, 0x4c), 4), 0x1000);
    assert_int_equal(fake_read(MANAGEMENT, REST(0x18, 0x84), 4), 0);
    assert_int_equal(fake_read(MANAGEMENT, REST(0x18, 0x20), 4), FAKE_WINDOW | 0xc);
    assert_int_equal(fake_mapped(MANAGEMENT, FAKE_WINDOW), FAKE_WINDOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(functions_are_found_and_silenced, setup),
        cmocka_unit_test_setup(capabilities_may_lie, setup),
        cmocka_unit_test_setup(functions_have_a_limit, setup),
        cmocka_unit_test_setup(bars_that_lie_are_left_out, setup),
        cmocka_unit_test_setup(the_kernel_numbers_and_places, setup),
        cmocka_unit_test_setup(virtual_functions_are_switched_on, setup),
        cmocka_unit_test_setup(too_many_virtual_functions_are_refused, setup),
        cmocka_unit_test_setup(everybody_gets_his_own, setup),
        cmocka_unit_test_setup(what_cannot_be_had_is_said, setup),
        cmocka_unit_test_setup(groups_are_not_split, setup),
        cmocka_unit_test_setup(configuration_space_is_filtered, setup),
        cmocka_unit_test_setup(bars_do_not_move, setup),
        cmocka_unit_test_setup(msix_is_the_kernels, setup),
        cmocka_unit_test_setup(entries_that_nobody_has_are_masked, setup),
        cmocka_unit_test_setup(msi_is_the_kernels, setup),
        cmocka_unit_test_setup(tables_that_lie_are_left_out, setup),
        cmocka_unit_test_setup(tables_are_never_mapped, setup),
        cmocka_unit_test_setup(small_bars_share_no_page, setup),
        cmocka_unit_test_setup(lines_are_levels, setup),
        cmocka_unit_test_setup(a_stop_resets, setup),
        cmocka_unit_test_setup(virtio_is_reset_by_its_status, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
