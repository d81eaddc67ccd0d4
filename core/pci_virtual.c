// SPDX-License-Identifier: Apache-2.0
/* Virtual functions (PCI Express base specification, chapter 9). */
#include "pci_parts.h"

#include <core/log.h>

#define SRIOV_ENABLE 0x09u /* and their memory */
#define SRIOV_TOTAL 0x0eu
#define SRIOV_COUNT 0x10u
#define SRIOV_OFFSET 0x14u
#define SRIOV_STRIDE 0x16u
#define SRIOV_DEVICE 0x1au
#define SRIOV_PAGE_SIZE 0x20u
#define SRIOV_BAR0 0x24u
#define STEPS_MAX (8 * BULKHEAD_DEVICES_MAX)

/* Room for `size` bytes between what firmware has placed, from the top down; 0: none. */
static uint64_t find_room(uint64_t first, uint64_t end, uint64_t size, uint64_t alignment, uint32_t bus)
{
    for (uint32_t step = 0; step < STEPS_MAX && end >= size && ((end - size) & -alignment) >= first; step++) {
        uint64_t base = (end - size) & -alignment;

        end = pci_obstacle(base, size, bus, NULL);
        if (end == base + size)
            return base;
    }
    return 0;
}

/* `end`: of what is left in each of two windows by the function's BARs before this one. */
static bool place_virtual(const struct pci_function *function, struct pci_bar *bar, uint32_t at, uint32_t count,
                          uint64_t end[2])
{
    uint32_t bus = function->requester >> 8;
    const struct pci_function *bridge = pci_bridge_to(bus);
    struct pci_bar window = {platform.pci.window.base.value, platform.pci.window.size, 0};

    for (uint32_t i = 0; bar->size && !bar->base && i < 2; i++) { /* else firmware did */
        if (bridge)
            window = bridge->bar[2 * i];
        if (end[i] > window.base + window.size)
            end[i] = window.base + window.size;
        if (end[i] >> 32 == 0 || bar->flags & BAR_64_BITS)
            bar->base = find_room(window.base, end[i], count * bar->size, bar->size, bus);
        if (bar->base)
            end[i] = bar->base;
    }
    pci_write_bar(function, function->sriov + at, bar);
    return !bar->size || bar->base;
}

static void enable_virtual(const struct sriov_config *config)
{
    struct pci_function *function = pci_select(&config->function, false, 0);
    struct pci_bar bars[PCI_BARS] = {0};
    uint64_t end[2] = {~0ull, ~0ull};
    uint32_t at, first, stride, device;
    uint16_t physical;

    if (!function || !function->sriov) {
        log_line("PCI: %s %s", config->function.text, function ? "has no virtual functions" : "is not there");
        return;
    }
    at = function->sriov;
    physical = function->requester;
    if (config->vfs > pci_read(function, at + SRIOV_TOTAL, 2)) {
        log_line("PCI: %s has %u virtual functions, not %u", config->function.text,
                 pci_read(function, at + SRIOV_TOTAL, 2), config->vfs);
        return;
    }
    pci_write(function, at + SRIOV_CONTROL, 2, 0);
    pci_write(function, at + SRIOV_PAGE_SIZE, 4, 1);
    pci_write(function, at + SRIOV_COUNT, 2, config->vfs);
    first = pci_read(function, at + SRIOV_OFFSET, 2);
    stride = pci_read(function, at + SRIOV_STRIDE, 2);
    device = pci_read(function, at + SRIOV_DEVICE, 2);
    pci_read_bars(function, at + SRIOV_BAR0, bars);
    for (uint32_t i = 0; i < PCI_BARS; i++)
        if (!place_virtual(function, &bars[i], SRIOV_BAR0 + 4 * i, config->vfs, end)) {
            log_line("PCI: no room for the virtual functions of %s", config->function.text);
            return;
        }
    pci_write(function, at + SRIOV_CONTROL, 2, SRIOV_ENABLE);
    pci_wait_ns(PCI_RESET_NS);
    for (uint32_t i = 0; i < config->vfs; i++) {
        uint32_t requester = physical + first + i * stride, vendor = pci_find(physical)->id & 0xffff;

        if (requester >> 8 > platform.pci.bus_last || requester <= physical || pci_find((uint16_t)requester) ||
            !(function = pci_add(requester)))
            return;
        function->is_virtual = true;
        function->physical = physical;
        function->id = vendor | device << 16;
        pci_silence(function);
        for (uint32_t j = 0; j < PCI_BARS; j++) {
            function->bar[j] = bars[j];
            function->bar[j].base += i * bars[j].size;
        }
        pci_check_bars(function);
    }
}

void pci_add_virtual(void)
{
    for (uint32_t i = 0; i < sriov_count; i++)
        enable_virtual(&sriov[i]);
}
