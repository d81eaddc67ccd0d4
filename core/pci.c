// SPDX-License-Identifier: Apache-2.0
#include "pci_parts.h"

#include <core/arch.h>
#include <core/deadline.h>
#include <core/format.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/status.h>

#define ID_NONE 0xffffu
#define HEADER_MULTIFUNCTION 0x80u
#define HEADER_TYPE 0x7fu
#define HEADER_BRIDGE 1u
#define CLASS_BRIDGE 0x06u
#define CLASS_IOMMU 0x0806u
#define BUS_DEPTH_MAX 8u
#define EXTENDED_END 0x1000u
#define EXTENDED_MAX 96u
#define BAR_SIZE_MAX (1ull << 40)

#define BRIDGE_RESET 0x40u
#define MSI_ENABLE 1u
#define MSIX_ENABLE 0x8000u

#define PM_STATE 3u
#define PM_NO_SOFT_RESET 8u
#define AF_CAPABILITIES 3u
#define AF_HAS_FLR 3u /* and "transactions pending" */
#define AF_CONTROL 4u

#define EXTENDED_ACS 0x0du
#define ACS_CONTROL 6u
#define ACS_ISOLATES 0x1du /* source validation, P2P request and completion redirect, upstream forwarding */
#define ACS_ENDPOINT 0x0cu /* P2P request and completion redirect */
#define EXTENDED_SRIOV 0x10u

#define VIRTIO_BAR 4u
#define VIRTIO_OFFSET 8u
#define VIRTIO_STATUS 0x14u /* in the common configuration */

#define MS 1000000ull
#define PENDING_NS (100 * MS)

struct pci_function *pci_functions;
uint32_t pci_function_count;
static void *probe; /* a page that shows one function's configuration space after the other */

struct pci_name pci_name(uint16_t requester)
{
    struct pci_name name;

    format_print(name.text, sizeof(name.text), "%02x:%02x.%x", requester >> 8, requester >> 3 & 31, requester & 7);
    return name;
}

void pci_wait_ns(uint64_t ns)
{
    uint64_t end = time_ns() + ns;

    while (time_ns() < end)
        cpu_relax();
}

/* --- Finding --- */

struct pci_function pci_look(uint32_t requester)
{
    kernel_move_device(probe, hpa(platform.pci.ecam.value + requester * PAGE_SIZE));
    return (struct pci_function){.config = probe};
}

static bool is_there(const struct pci_function *function)
{
    return (pci_read(function, PCI_ID, 4) & ID_NONE) != ID_NONE;
}

bool pci_is_bridge(const struct pci_function *function)
{
    return (pci_read(function, PCI_HEADER, 1) & HEADER_TYPE) == HEADER_BRIDGE;
}

/* The bus's first function from `devfn` on; 256: there is none. */
uint32_t pci_next(uint32_t bus, uint32_t devfn)
{
    for (; devfn < 256; devfn++) {
        struct pci_function first = pci_look(bus << 8 | (devfn & ~7u)), function;

        if (!is_there(&first) || (devfn & 7 && !(pci_read(&first, PCI_HEADER, 1) & HEADER_MULTIFUNCTION))) {
            devfn |= 7;
            continue;
        }
        function = pci_look(bus << 8 | devfn);
        if (is_there(&function))
            break;
    }
    return devfn;
}

uint32_t pci_next_capability(const struct pci_function *function, uint32_t at)
{
    uint32_t next = at || pci_read(function, PCI_STATUS, 2) & STATUS_CAPABILITIES
                        ? pci_read(function, at ? at + 1 : PCI_CAPABILITIES, 1) & 0xfc
                        : 0;

    return next < 0x40 ? 0 : next;
}

/* The first capability of that kind (and VIRTIO_TYPE, where that is not 0) of which `length` bytes are within
 * configuration space; 0: none. */
static uint8_t find_capability(const struct pci_function *function, uint32_t kind, uint32_t type, uint32_t length)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < CAPABILITIES_MAX && (at = pci_next_capability(function, at)); i++)
        if (pci_read(function, at, 1) == kind && at + length <= CAPABILITIES_END &&
            (!type || pci_read(function, at + VIRTIO_TYPE, 1) == type))
            return (uint8_t)at;
    return 0;
}

static uint16_t find_extended(const struct pci_function *function, uint32_t kind, uint32_t length)
{
    uint32_t at = CAPABILITIES_END;

    for (uint32_t i = 0; function->pcie && i < EXTENDED_MAX && at >= CAPABILITIES_END && at + length <= EXTENDED_END;
         i++) {
        uint32_t header = pci_read(function, at, 4);

        if ((header & 0xffff) == kind)
            return (uint16_t)at;
        at = header >> 20 & 0xffc;
    }
    return 0;
}

/* What a BAR decodes, by writing ones to it; it ends as it was. */
static struct pci_bar read_bar(const struct pci_function *function, uint32_t at)
{
    uint32_t low = pci_read(function, at, 4), high = low & BAR_64_BITS ? pci_read(function, at + 4, 4) : 0;
    struct pci_bar bar = {.base = (low & ~BAR_FLAGS) | (uint64_t)high << 32, .flags = low & BAR_FLAGS};
    uint64_t mask = ~0ull << 32;

    if (low & BAR_IO)
        return (struct pci_bar){.flags = BAR_IO};
    pci_write(function, at, 4, ~0u);
    mask |= pci_read(function, at, 4) & ~BAR_FLAGS;
    pci_write(function, at, 4, low);
    if (low & BAR_64_BITS) {
        pci_write(function, at + 4, 4, ~0u);
        mask = (uint32_t)mask | (uint64_t)pci_read(function, at + 4, 4) << 32;
        pci_write(function, at + 4, 4, high);
    } else if (!(uint32_t)mask) {
        return (struct pci_bar){0};
    }
    bar.size = -mask;
    if (bar.size & (bar.size - 1) || bar.size > BAR_SIZE_MAX)
        bar.size = 0;
    return bar;
}

void pci_read_bars(const struct pci_function *function, uint32_t at, struct pci_bar bars[PCI_BARS])
{
    uint32_t command = pci_read(function, PCI_COMMAND, 2);

    pci_write(function, PCI_COMMAND, 2, command & ~COMMAND_MEMORY);
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        bool wide = (pci_read(function, at + 4 * i, 4) & (BAR_64_BITS | BAR_IO)) == BAR_64_BITS;

        if (!wide || i < PCI_BARS - 1)
            bars[i] = read_bar(function, at + 4 * i);
        i += wide;
    }
    pci_write(function, PCI_COMMAND, 2, command);
}

void pci_silence(const struct pci_function *function)
{
    pci_write(function, PCI_COMMAND, 2, (pci_read(function, PCI_COMMAND, 2) & COMMAND_MEMORY) | COMMAND_NO_INTX);
    if (function->msi)
        pci_write(function, function->msi + 2, 2, pci_read(function, function->msi + 2, 2) & ~MSI_ENABLE);
    if (function->msix)
        pci_write(function, function->msix + 2, 2, pci_read(function, function->msix + 2, 2) & ~MSIX_ENABLE);
}

static void find_capabilities(struct pci_function *function)
{
    function->pm = find_capability(function, CAPABILITY_PM, 0, 8);
    function->msi = find_capability(function, CAPABILITY_MSI, 0, 24);
    function->msix = find_capability(function, CAPABILITY_MSIX, 0, 12);
    function->pcie = find_capability(function, CAPABILITY_PCIE, 0, 20);
    function->af = find_capability(function, CAPABILITY_AF, 0, 6);
    function->acs = find_extended(function, EXTENDED_ACS, 8);
    function->sriov = find_extended(function, EXTENDED_SRIOV, 0x40);
}

struct pci_function *pci_add(uint32_t requester)
{
    uint32_t place = pci_function_count;
    struct pci_function *function;

    if (place == BULKHEAD_DEVICES_MAX) {
        log_line("PCI: functions from %s on are left out", pci_name((uint16_t)requester).text);
        return NULL;
    }
    for (; place > 0 && pci_functions[place - 1].requester > requester; place--)
        pci_functions[place] = pci_functions[place - 1];
    pci_function_count++;
    function = &pci_functions[place];
    *function = (struct pci_function){
        .config = kernel_map_device(hpa(platform.pci.ecam.value + requester * PAGE_SIZE), PAGE_SIZE),
        .requester = (uint16_t)requester,
        .physical = (uint16_t)requester,
        .group = (uint16_t)requester,
    };
    function->bridge = pci_is_bridge(function);
    function->id = pci_read(function, PCI_ID, 4);
    function->class_revision = pci_read(function, PCI_CLASS, 4);
    function->subsystem = function->bridge ? 0 : pci_read(function, PCI_SUBSYSTEM, 4);
    function->fixture = function->bridge || function->class_revision >> 24 == CLASS_BRIDGE ||
                        function->class_revision >> 16 == CLASS_IOMMU;
    find_capabilities(function);
    return function;
}

/* In the order of requesters: buses below bridges have higher numbers. */
static void find_functions(void)
{
    uint32_t buses[8] = {1};

    for (uint32_t bus = 0; bus <= platform.pci.bus_last; bus++)
        for (uint32_t devfn = 0; buses[bus / 32] >> bus % 32 & 1 && (devfn = pci_next(bus, devfn)) < 256; devfn++) {
            struct pci_function *function = pci_add(bus << 8 | devfn);
            uint32_t below;

            if (!function)
                return;
            if (!function->fixture) {
                pci_silence(function);
                pci_read_bars(function, PCI_BAR0, function->bar);
            }
            if (!function->bridge)
                continue;
            pci_write(function, PCI_COMMAND, 2, COMMAND_MEMORY | COMMAND_MASTER);
            below = pci_read(function, PCI_BUSES, 4);
            function->secondary = (below >> 8 & 0xff) > bus ? (uint8_t)(below >> 8) : 0;
            function->subordinate = (uint8_t)(below >> 16);
            buses[function->secondary / 32] |= 1u << function->secondary % 32;
        }
}

struct pci_function *pci_find(uint16_t requester)
{
    for (uint32_t i = 0; i < pci_function_count; i++)
        if (pci_functions[i].requester == requester)
            return &pci_functions[i];
    return NULL;
}

static struct pci_function *find_physical(const struct pci_selector *selector)
{
    uint32_t instance = 0;

    if (!selector->by_id)
        return pci_find(selector->address);
    for (uint32_t i = 0; i < pci_function_count; i++)
        if (pci_functions[i].id == (selector->vendor | (uint32_t)selector->device << 16) &&
            !pci_functions[i].is_virtual && instance++ == selector->instance)
            return &pci_functions[i];
    return NULL;
}

struct pci_function *pci_select(const struct pci_selector *selector, bool is_virtual, uint16_t vf)
{
    struct pci_function *function = find_physical(selector);
    uint32_t number = 0;

    if (!function || !is_virtual)
        return function;
    for (uint32_t i = 0; i < pci_function_count; i++)
        if (pci_functions[i].is_virtual && pci_functions[i].physical == function->requester && number++ == vf)
            return &pci_functions[i];
    return NULL;
}

struct pci_function *pci_bridge_to(uint32_t bus)
{
    for (uint32_t i = 0; bus && i < pci_function_count; i++)
        if (pci_functions[i].bridge && pci_functions[i].secondary == bus)
            return &pci_functions[i];
    return NULL;
}

/* --- Where BARs are --- */

void pci_write_bar(const struct pci_function *function, uint32_t at, const struct pci_bar *bar)
{
    if (!bar->size)
        return;
    pci_write(function, at, 4, (uint32_t)bar->base | bar->flags);
    if (bar->flags & BAR_64_BITS)
        pci_write(function, at + 4, 4, (uint32_t)(bar->base >> 32));
}

uint64_t pci_obstacle(uint64_t base, uint64_t size, uint32_t bus, const struct pci_function *own)
{
    struct memory_range range = {hpa(base), size}, ecam = {platform.pci.ecam, (platform.pci.bus_last + 1) * MIB};

    for (uint32_t i = 0; i < platform.ram_count; i++)
        if (memory_overlaps(platform.ram[i], range))
            return platform.ram[i].base.value;
    for (uint32_t i = 0; i < platform.reserved_count; i++)
        if (memory_overlaps(platform.reserved[i], range))
            return platform.reserved[i].base.value;
    if (memory_overlaps(ecam, range))
        return ecam.base.value;
    for (uint32_t i = 0; i < PCI_BARS * pci_function_count; i++) {
        const struct pci_function *other = &pci_functions[i / PCI_BARS];
        const struct pci_bar *bar = &other->bar[i % PCI_BARS];

        if (other != own && !(other->bridge && other->secondary <= bus && bus <= other->subordinate) && bar->size &&
            memory_overlaps((struct memory_range){hpa(bar->base), bar->size}, range))
            return bar->base;
    }
    return base + size;
}

/* A bridge's windows, as if they were its BARs 0 and 2. */
static void read_windows(struct pci_function *bridge)
{
    for (uint32_t i = 0; bridge->bridge && i < 2; i++) {
        uint32_t value = pci_read(bridge, i ? PCI_WINDOW_PREFETCHABLE : PCI_WINDOW, 4);
        uint64_t base = (value & 0xfff0u) << 16, end = (value & 0xfff00000ull) + MIB;

        if (i && value & 1) {
            base |= (uint64_t)pci_read(bridge, PCI_WINDOW_UPPER, 4) << 32;
            end += (uint64_t)pci_read(bridge, PCI_WINDOW_UPPER + 4, 4) << 32;
        }
        bridge->bar[2 * i] = (struct pci_bar){base, end > base ? end - base : 0, 0};
    }
}

/* A BAR is where no RAM and nothing of anybody else is, and where its bridge forwards. */
void pci_check_bars(struct pci_function *function)
{
    struct memory_range window = platform.pci.window;

    for (uint32_t i = 0; i < PCI_BARS; i++) {
        struct pci_bar *bar = &function->bar[i];
        bool outside = bar->base >> 32 == 0 && (bar->base < window.base.value || bar->size > window.size ||
                                                bar->base - window.base.value > window.size - bar->size);

        if (!bar->size)
            continue;
        if (!bar->base || bar->base & (bar->size - 1) || outside ||
            pci_obstacle(bar->base, bar->size, function->requester >> 8, function) != bar->base + bar->size) {
            log_line("PCI: BAR %u of %s at %lx is not where a device may be; left out", i,
                     pci_name(function->requester).text, bar->base);
            bar->size = 0;
        }
    }
}

/* Where a virtio device is reset. */
static volatile uint8_t *find_virtio(const struct pci_function *function)
{
    uint32_t at =
        (uint16_t)function->id == VENDOR_VIRTIO ? find_capability(function, CAPABILITY_VENDOR, VIRTIO_COMMON, 16) : 0;
    uint32_t bar = at ? pci_read(function, at + VIRTIO_BAR, 1) : PCI_BARS,
             offset = at ? pci_read(function, at + VIRTIO_OFFSET, 4) : 0;

    if (bar >= PCI_BARS || offset >= function->bar[bar].size || VIRTIO_STATUS >= function->bar[bar].size - offset)
        return NULL;
    return kernel_map_device(hpa(function->bar[bar].base + offset + VIRTIO_STATUS), 1);
}

/* --- Isolation: 6.12 --- */

static bool isolates(const struct pci_function *function, uint32_t needed)
{
    uint32_t able;

    if (!function->acs)
        return false;
    able = pci_read(function, function->acs + 4, 2) & ACS_ISOLATES;
    pci_write(function, function->acs + ACS_CONTROL, 2, able);
    return (pci_read(function, function->acs + ACS_CONTROL, 2) & needed) == needed;
}

/* Behind a bridge that does not keep them apart all are one group, with it; so are functions of a device. */
static void group(struct pci_function *function)
{
    uint32_t bus = function->requester >> 8;
    struct pci_function *bridge, *first = pci_find(function->requester & ~7);

    if (!function->is_virtual && first && !isolates(function, ACS_ENDPOINT))
        function->group = first->requester;
    for (uint32_t i = 0; i < BUS_DEPTH_MAX && (bridge = pci_bridge_to(bus)); i++) {
        if (!isolates(bridge, ACS_ISOLATES))
            function->group = bridge->requester;
        bus = bridge->requester >> 8;
    }
}

/* --- Reset: 6.6 --- */

static bool has_virtual(const struct pci_function *function)
{
    return function->sriov && pci_read(function, function->sriov + SRIOV_CONTROL, 2) & 1;
}

static bool is_alone(const struct pci_function *function)
{
    for (uint32_t i = 0; i < pci_function_count; i++)
        if (pci_functions[i].requester >> 8 == function->requester >> 8 && &pci_functions[i] != function)
            return false;
    return pci_bridge_to(function->requester >> 8);
}

enum device_reset pci_reset_kind(const struct pci_function *function)
{
    if (has_virtual(function)) /* it would take those with it, which are others' */
        return RESET_NONE;
    if (function->pcie && pci_read(function, function->pcie + PCIE_DEVICE_CAPABILITIES, 4) & PCIE_FLR_CAPABLE)
        return RESET_FUNCTION;
    if (function->af && (pci_read(function, function->af + AF_CAPABILITIES, 1) & AF_HAS_FLR) == AF_HAS_FLR)
        return RESET_ADVANCED;
    if (is_alone(function))
        return RESET_BUS;
    if (function->pm && !(pci_read(function, function->pm + 4, 2) & PM_NO_SOFT_RESET))
        return RESET_POWER;
    return function->virtio ? RESET_STATUS : RESET_NONE;
}

static void reset_bus(const struct pci_function *bridge)
{
    uint32_t control = pci_read(bridge, PCI_BRIDGE_CONTROL, 2);

    pci_write(bridge, PCI_BRIDGE_CONTROL, 2, control | BRIDGE_RESET);
    pci_wait_ns(2 * MS);
    pci_write(bridge, PCI_BRIDGE_CONTROL, 2, control & ~BRIDGE_RESET);
}

static void reset_power(const struct pci_function *function)
{
    uint32_t control = pci_read(function, function->pm + 4, 2) & ~PM_STATE;

    pci_write(function, function->pm + 4, 2, control | PM_STATE);
    pci_wait_ns(10 * MS);
    pci_write(function, function->pm + 4, 2, control);
}

static void reset_virtio(const struct pci_function *function)
{
    uint64_t end = time_ns() + PENDING_NS;

    pci_write(function, PCI_COMMAND, 2, COMMAND_MEMORY | COMMAND_NO_INTX);
    *function->virtio = 0;
    while (*function->virtio && time_ns() < end)
        cpu_relax();
}

static bool restore(struct pci_function *function)
{
    /* A virtual function's own register says nothing. */
    if (pci_read(function, function->is_virtual ? PCI_CLASS : PCI_ID, 4) !=
        (function->is_virtual ? function->class_revision : function->id))
        return false;
    for (uint32_t i = 0; !function->is_virtual && i < PCI_BARS; i++)
        pci_write_bar(function, PCI_BAR0 + 4 * i, &function->bar[i]);
    pci_silence(function);
    pci_write(function, PCI_COMMAND, 2, COMMAND_MEMORY | COMMAND_NO_INTX);
    return true;
}

bool pci_reset(struct pci_function *function)
{
    enum device_reset kind = pci_reset_kind(function);
    uint64_t end = time_ns() + PENDING_NS;

    pci_silence(function);
    while (function->pcie && pci_read(function, function->pcie + PCIE_DEVICE_STATUS, 2) & PCIE_PENDING &&
           time_ns() < end)
        cpu_relax();
    if (kind == RESET_FUNCTION)
        pci_write(function, function->pcie + PCIE_DEVICE_CONTROL, 2,
                  pci_read(function, function->pcie + PCIE_DEVICE_CONTROL, 2) | PCIE_FLR);
    else if (kind == RESET_ADVANCED)
        pci_write(function, function->af + AF_CONTROL, 1, 1);
    else if (kind == RESET_BUS)
        reset_bus(pci_bridge_to(function->requester >> 8));
    else if (kind == RESET_POWER)
        reset_power(function);
    else if (kind == RESET_STATUS)
        reset_virtio(function);
    if (kind != RESET_NONE && kind != RESET_STATUS)
        pci_wait_ns(PCI_RESET_NS);
    function->status->resets++;
    return restore(function);
}

/* --- Boot --- */

static void describe(struct pci_function *function, struct device_status *status)
{
    function->status = status;
    *status = (struct device_status){
        .requester = function->requester,
        .group = function->group,
        .vendor = (uint16_t)function->id,
        .device = (uint16_t)(function->id >> 16),
        .class_code = function->class_revision >> 8,
        .owner = 0xff,
        .flags = function->is_virtual ? DEVICE_VIRTUAL : 0,
        .reset = (uint8_t)pci_reset_kind(function),
    };
}

void pci_init(void)
{
    if (!platform.pci.ecam.value)
        return;
    pci_functions = memory_pages((BULKHEAD_DEVICES_MAX * sizeof(*pci_functions) + PAGE_SIZE - 1) / PAGE_SIZE);
    probe = kernel_map_device(platform.pci.ecam, PAGE_SIZE);
    pci_number();
    find_functions();
    pci_place();
    for (uint32_t i = 0; i < pci_function_count; i++)
        read_windows(&pci_functions[i]);
    for (uint32_t i = 0; i < pci_function_count; i++)
        if (!pci_functions[i].fixture)
            pci_check_bars(&pci_functions[i]);
    for (uint32_t i = 0; i < pci_function_count; i++)
        pci_functions[i].virtio = find_virtio(&pci_functions[i]);
    pci_add_virtual();
    for (uint32_t i = 0; i < pci_function_count; i++)
        group(&pci_functions[i]);
    for (uint32_t i = 0; i < pci_function_count; i++)
        describe(&pci_functions[i], &status_page->device[i]);
    status_page->devices = pci_function_count;
}
