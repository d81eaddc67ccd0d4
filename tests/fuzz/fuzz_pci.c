/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PCI function that says anything of itself, and then a guest that does anything to its configuration space and to
 * the pages of its MSI-X table. The input begins with 4 + 4 bytes a change of the function's registers (where, value,
 * which bits of it can be written), 16 of them; then 8 bytes an access. What must hold: the kernel's CHECKs, the
 * sanitizers; that BARs, power state and all of the command register but mastering are never the guest's; that the
 * function sends no message that is not the kernel's; and that no table is mapped.
 */
#include "../unit/fake_functions.h"

#include <bulkhead/guest_map.h>
#include <core/log.h>
#include <string.h>

#define CHANGES 16u
#define CHANGE 8u
#define ACCESS 8u
#define ACCESSES_MAX 512u
#define AT 0x10u /* requester */
#define GUEST (&domains[0])
#define PM 0xc8u
#define MSI 0xd0u
#define MSIX 0xbcu
#define BARS_SIZE 0x6000u

static const struct pci_config chosen = {.function = {.address = AT, .text = "00:02.0"}, .flags = PCI_WITHOUT_RESET};
const struct partition_config partitions[] = {{.name = "guest", .pci = &chosen, .pci_count = 1}};
const uint32_t partition_count = 1;
const struct sriov_config sriov[1];
const uint32_t sriov_count = 0;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake_function *add_function(void)
{
    struct fake_function *function = fake_add(AT, 0x10d38086, 0x020000);

    fake_bar(function, 0, FAKE_WINDOW, 0x4000, 0);
    fake_bar(function, 2, FAKE_WINDOW + 0x4000, 0x2000, BAR_64_BITS);
    fake_capability(function, PM, CAPABILITY_PM);
    fake_put(function, PM + 4, 2, 0, 0x8103);
    fake_capability(function, MSI, CAPABILITY_MSI);
    fake_put(function, MSI + 2, 2, 0x180, 0x71);
    for (uint32_t i = 4; i < 20; i += 4)
        fake_put(function, MSI + i, 4, 0, 0xffffffff);
    fake_pcie(function, 0x80, true);
    fake_msix(function, MSIX, 8, 0x1000, 0x1800);
    return function;
}

static void change(struct fake_function *function, const uint8_t *bytes)
{
    uint32_t at = (bytes[0] | (uint32_t)bytes[1] << 8) & 0x1fc, value;

    memcpy(&value, bytes + 4, 4);
    if (bytes[2] & 1)
        fake_put(function, at, 4, value, bytes[2] & 2 ? 0xffffffff : 0);
    else if (bytes[2] & 4)
        function->bytes[at] = bytes[4];
}

static uint32_t word(uint64_t address)
{
    uint32_t value;

    memcpy(&value, fake_memory(address), 4);
    return value;
}

static void check(const struct fake_function *function, const struct pci_function *physical)
{
    bool msix = physical->msix && fake_get(function, physical->msix + 2u, 2) & 0x8000;
    uint32_t table = physical->msix ? fake_get(function, physical->msix + 4u, 4) : 0;
    uint16_t writable;

    memcpy(&writable, function->writable + PCI_COMMAND, 2);
    CHECK(!(fake_get(function, PCI_COMMAND, 2) & writable & ~(COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX)));
    if (physical->msi && fake_get(function, physical->msi + 2u, 2) & 1 && function->writable[physical->msi + 2] & 1)
        CHECK(fake_bound);
    for (uint32_t i = 0; msix && i < 8 && function->writable[physical->msix + 3] & 0x80; i++) {
        uint64_t entry = physical->bar[table & 7].base + (table & ~7u) + 16 * i;

        if (!(word(entry + 12) & 1))
            CHECK(word(entry) == (0xfee00000u | AT << 4) && (word(entry + 8) & ~31u) == 0x4000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_function *function;
    const struct pci_function *physical;

    if (size < CHANGES * CHANGE)
        return 0;
    fake_reset();
    domains[0] = (struct domain){.config = partitions};
    function = add_function();
    for (uint32_t i = 0; i < CHANGES; i++)
        change(function, data + i * CHANGE);
    pci_init();
    vpci_claim();
    if (!pci_function_count || !vpci_init(GUEST) || !vpci_host(GUEST).functions)
        return 0;
    vpci_start(GUEST);
    physical = &pci_functions[0];
    for (uint32_t at = CHANGES * CHANGE, i = 0; at + ACCESS <= size && i < ACCESSES_MAX; at += ACCESS, i++) {
        uint32_t width = 1u << (data[at] & 3), offset = data[at + 1] | (uint32_t)data[at + 2] << 8;
        uint64_t value = 0, address = GUEST_PCI_ECAM + (1u << 15) + offset;
        uint8_t before[PCI_BARS * 4 + 2];

        memcpy(before, function->bytes + PCI_BAR0, PCI_BARS * 4);
        memcpy(before + PCI_BARS * 4, function->bytes + PM + 4, 2);
        memcpy(&value, data + at + 3, 5);
        if (data[at] & 4)
            address = GUEST_PCI_WINDOW + offset % BARS_SIZE;
        if (data[at] & 8)
            address &= ~(uint64_t)(width - 1);
        if (data[at] & 16)
            fake_write(GUEST, address, width, value);
        else
            fake_read(GUEST, address, width);
        CHECK(!memcmp(before, function->bytes + PCI_BAR0, PCI_BARS * 4));
        if (physical->pm == PM && physical->msi != PM && physical->msix != PM)
            CHECK(!memcmp(before + PCI_BARS * 4, function->bytes + PM + 4, 2) || physical->msi || physical->msix);
        check(function, physical);
    }
    vpci_reset(GUEST);
    CHECK(!fake_bound);
    return 0;
}
