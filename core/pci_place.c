// SPDX-License-Identifier: Apache-2.0
/* Numbers of buses and places of BARs where firmware has given none: all of them in the window below 4 GiB. */
#include "pci_parts.h"

#include <core/log.h>

#define BUS_DEPTH_MAX 8u
#define WINDOW_UNIT MIB
#define WINDOW_EMPTY 0x0000fff0u
#define IO_WINDOW 0x1cu
#define IO_WINDOW_EMPTY 0x00f0u

/* Gives numbers to the buses below; the highest one. */
static uint32_t number_buses(uint32_t bus, uint32_t depth)
{
    uint32_t highest = bus;

    for (uint32_t devfn = 0; (devfn = pci_next(bus, devfn)) < 256; devfn++) {
        struct pci_function function = pci_look(bus << 8 | devfn);

        if (!pci_is_bridge(&function))
            continue;
        if (highest == platform.pci.bus_last || depth == BUS_DEPTH_MAX) {
            pci_write(&function, PCI_BUSES, 4, 0);
            continue;
        }
        pci_write(&function, PCI_BUSES, 4, bus | (highest + 1) << 8 | platform.pci.bus_last << 16);
        uint32_t last = number_buses(highest + 1, depth + 1);
        function = pci_look(bus << 8 | devfn);
        pci_write(&function, PCI_BUSES, 4, bus | (highest + 1) << 8 | last << 16);
        highest = last;
    }
    return highest;
}

void pci_number(void)
{
    if (!platform.pci.assigned)
        number_buses(0, 0);
}

static uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/* Upwards from `next` on; where the next may begin. One without room is left out. */
static uint64_t place_bar(const struct pci_function *function, struct pci_bar *bar, uint32_t count, uint64_t next)
{
    uint64_t base = align_up(next, bar->size), end = platform.pci.window.base.value + platform.pci.window.size;

    if (!bar->size)
        return next;
    if (base < next || base > end || bar->size > (end - base) / count) {
        log_line("PCI: no room for a BAR of %lu KiB of %s", bar->size >> 10, pci_name(function->requester).text);
        bar->size = 0;
        return next;
    }
    bar->base = base;
    return base + count * bar->size;
}

static uint64_t place_bus(uint32_t bus, uint64_t next)
{
    for (uint32_t i = 0; i < pci_function_count; i++) {
        struct pci_function *function = &pci_functions[i];
        uint64_t start = align_up(next, WINDOW_UNIT);
        uint32_t below = function->bridge ? pci_read(function, PCI_BUSES, 4) >> 8 & 0xff : 0;

        if (function->requester >> 8 != (int)bus)
            continue;
        for (uint32_t j = 0; j < PCI_BARS; j++) {
            next = place_bar(function, &function->bar[j], 1, next);
            pci_write_bar(function, PCI_BAR0 + 4 * j, &function->bar[j]);
        }
        if (!function->bridge)
            continue;
        if (below > bus)
            next = align_up(place_bus(below, start), WINDOW_UNIT);
        pci_write(function, PCI_WINDOW, 4,
                  below > bus && next > start ? (uint32_t)(start >> 16 | ((next - WINDOW_UNIT) & 0xfff00000u))
                                              : WINDOW_EMPTY);
        pci_write(function, PCI_WINDOW_PREFETCHABLE, 4, WINDOW_EMPTY);
        pci_write(function, IO_WINDOW, 2, IO_WINDOW_EMPTY);
    }
    return next;
}

void pci_place(void)
{
    if (!platform.pci.assigned)
        place_bus(0, platform.pci.window.base.value);
}
