// SPDX-License-Identifier: Apache-2.0
#include <arch/passthrough.h>

#include <arch/host_tree.h>
#include <arch/iommu.h>
#include <arch/stage2.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/channel.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <devices/iommu/iommu.h>

#define REGS_MAX 8   /* a device's register windows, */
#define LINES_MAX 16 /* and interrupts */
#define DEVICES_MAX 64
#define VIRTIO_RESET_READS_MAX 100000

/* PL011 (Arm DDI 0183, 3.2) */
#define UART_CR 0x30
#define UART_IMSC 0x38
#define UART_ICR 0x44
#define UART_DMACR 0x48

/* Cadence GEM (AMD UG1087, GEM) */
#define GEM_NETWORK_CONTROL 0x00
#define GEM_INT_DISABLE 0x2c

/* A device that the kernel can quieten has its registers mapped. */
static struct device {
    struct domain *domain;
    int node;                                     /* in the host's tree */
    void (*quieten)(volatile uint8_t *registers); /* NULL: nothing is known of it */
    volatile uint8_t *registers;
} devices[DEVICES_MAX];
static uint32_t device_count;
/* INTx of the device `slot` of a domain's PCI bus is the line. */
static struct pci_line {
    const struct domain *domain;
    uint32_t slot, line;
} lines[LINES_MAX];
static uint32_t line_count;

void passthrough_each(struct domain *domain, void (*each)(int node, void *context), void *context)
{
    for (uint32_t i = 0; i < device_count; i++)
        if (devices[i].domain == domain)
            each(devices[i].node, context);
}

/* Devices may share a page. */
static void map_registers(struct domain *domain, struct memory_range range)
{
    uint64_t end = range.base.value + range.size;

    for (uint64_t page = range.base.value & ~(PAGE_SIZE - 1); page < end; page += PAGE_SIZE)
        if (!stage2_is_mapped(domain, ipa(page)))
            stage2_map(domain, ipa(page), hpa(page), PAGE_SIZE, STAGE2_READ | STAGE2_WRITE | STAGE2_DEVICE);
}

/* Small devices stand close together: those in the page of the last one share its mapping. */
static volatile uint8_t *map_page(struct hpa base)
{
    static uint64_t page;
    static uint8_t *mapped;

    if (!mapped || page != (base.value & ~(PAGE_SIZE - 1))) {
        page = base.value & ~(PAGE_SIZE - 1);
        mapped = kernel_map_device(hpa(page), PAGE_SIZE);
    }
    return mapped + (base.value - page);
}

static uint32_t read32(volatile uint8_t *registers, uint32_t offset)
{
    return *(volatile uint32_t *)(registers + offset);
}

static void write32(volatile uint8_t *registers, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(registers + offset) = value;
}

/* A virtio transport reads and writes memory by itself until it is reset. */
static void quieten_virtio(volatile uint8_t *registers)
{
    write32(registers, VIRTIO_MMIO_STATUS, 0);
    for (uint32_t reads = 0; read32(registers, VIRTIO_MMIO_STATUS) && reads < VIRTIO_RESET_READS_MAX; reads++)
        cpu_relax();
}

static void quieten_pl011(volatile uint8_t *registers)
{
    write32(registers, UART_CR, 0);
    write32(registers, UART_IMSC, 0);
    write32(registers, UART_DMACR, 0);
    write32(registers, UART_ICR, 0x7ff);
}

/* Its descriptors are the domain's memory, and one that is zero again would be a buffer at address 0. What it is about
 * to write arrives before the read does. */
static void quieten_gem(volatile uint8_t *registers)
{
    write32(registers, GEM_NETWORK_CONTROL, 0);
    write32(registers, GEM_INT_DISABLE, ~0u);
    read32(registers, GEM_NETWORK_CONTROL);
}

/* All streams that the tree gives the device are the domain's. What reaches memory by itself and has none is nothing
 * for a guest, whose addresses it does not know. */
static bool confine(struct domain *domain, int node)
{
    bool is_guest = !(domain->config->flags & PARTITION_MANAGEMENT);
    uint32_t requester;

    if (host_tree_cell(node, "iommus", 0) == HOST_TREE_NONE)
        return !is_guest || !host_tree_is_compatible(node, "virtio,mmio");
    for (unsigned i = 0; host_tree_cell(node, "iommus", 2 * i) != HOST_TREE_NONE; i++) {
        requester = arch_iommu_requester(node, i);
        if ((requester == IOMMU_NONE || !iommu_assign(domain, requester)) && is_guest)
            return false;
    }
    return true;
}

/* A virtio transport without a device behind it is as if it were not there. The PCI host is core/vpci.c's. */
static void add(struct domain *domain, int node)
{
    struct device *device = &devices[device_count];
    struct memory_range ranges[REGS_MAX];
    uint32_t intids[LINES_MAX];
    unsigned count = host_tree_regs(node, ranges, REGS_MAX);

    CHECK(device_count < DEVICES_MAX);
    if (!count || host_tree_is_compatible(node, "pci-host-ecam-generic"))
        return;
    *device = (struct device){.domain = domain, .node = node};
    if (host_tree_is_compatible(node, "virtio,mmio")) {
        device->registers = map_page(ranges[0].base);
        if (!read32(device->registers, VIRTIO_MMIO_DEVICE_ID))
            return;
        device->quieten = quieten_virtio;
    } else if (host_tree_is_compatible(node, "arm,pl011") && !(domain->config->flags & PARTITION_MANAGEMENT)) {
        device->registers = map_page(ranges[0].base);
        device->quieten = quieten_pl011;
    } else if (host_tree_is_compatible(node, "cdns,gem")) {
        device->registers = map_page(ranges[0].base);
        device->quieten = quieten_gem;
    }
    if (!confine(domain, node)) {
        log_line("%s: '%s' reaches memory by itself, and no IOMMU confines it: not passed through",
                 domain->config->name, host_tree_name(node));
        return;
    }
    for (unsigned i = 0; i < count; i++)
        map_registers(domain, ranges[i]);
    count = host_tree_interrupts(node, intids, LINES_MAX);
    for (unsigned i = 0; i < count; i++)
        interrupt_pass_through(domain, intids[i]);
    device_count++;
}

/* --- INTx of PCI functions: the host bridge's `interrupt-map` (Devicetree Specification, 2.4.3) --- */

static const char map_name[] = "interrupt-map", mask_name[] = "interrupt-map-mask";

static uint32_t pci_intid(uint32_t device, uint32_t pin)
{
    int node = host_tree_find("pci-host-ecam-generic", -1);
    uint32_t place = device << 11 & host_tree_cell(node, mask_name, 0), parent_cells;

    pin &= host_tree_cell(node, mask_name, 3);
    for (unsigned at = 0; host_tree_cell(node, map_name, at) != HOST_TREE_NONE; at += 5 + parent_cells + 3) {
        int parent = host_tree_phandle(host_tree_cell(node, map_name, at + 4));

        parent_cells = parent < 0 ? HOST_TREE_NONE : host_tree_cell(parent, "#address-cells", 0);
        if (parent_cells == HOST_TREE_NONE)
            parent_cells = 0;
        if (host_tree_cell(node, map_name, at) == place && host_tree_cell(node, map_name, at + 3) == pin)
            return host_tree_cell(node, map_name, at + 5 + parent_cells + 1) + 32;
    }
    return 0;
}

/* What a guest's own devices may have is not given to others. */
static bool is_free(uint32_t line)
{
    return line > GUEST_LINE_RTC && line - GUEST_LINE_VIRTIO >= GUEST_VIRTIO_SLOTS && line < GUEST_LINE_MESSAGES;
}

/* Under the machine's number, and linked in the list register: levels are the hardware's. */
uint32_t arch_pci_line(struct domain *domain, uint32_t device, uint32_t pin, uint32_t slot)
{
    uint32_t intid = pci_intid(device, pin);

    if (line_count == LINES_MAX || intid < 32 || !is_free(intid - 32))
        return 0;
    for (uint32_t i = 0; i < line_count; i++)
        if (lines[i].line == intid - 32 && lines[i].domain != domain)
            return 0;
    interrupt_pass_through(domain, intid);
    lines[line_count++] = (struct pci_line){domain, slot, intid - 32};
    return intid - 32;
}

bool passthrough_pci_line(const struct domain *domain, uint32_t index, uint32_t *slot, uint32_t *line)
{
    for (uint32_t i = 0; i < line_count; i++)
        if (lines[i].domain == domain && index-- == 0) {
            *slot = lines[i].slot;
            *line = lines[i].line;
            return true;
        }
    return false;
}

void passthrough_init(struct domain *domain)
{
    for (const char *const *name = domain->config->devices; name && *name; name++) {
        int node = host_tree_find(*name, -1);

        if (node < 0)
            log_line("%s: the machine has no '%s'", domain->config->name, *name);
        for (; node >= 0; node = host_tree_find(*name, node))
            add(domain, node);
    }
    passthrough_reset(domain);
}

void passthrough_reset(struct domain *domain)
{
    for (uint32_t i = 0; i < device_count; i++) {
        const struct device *device = &devices[i];

        if (device->domain == domain && device->quieten)
            device->quieten(device->registers);
    }
}
