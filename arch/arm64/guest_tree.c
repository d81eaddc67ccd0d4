// SPDX-License-Identifier: Apache-2.0
/* A domain's device tree, written in one pass at boot. Bindings are Linux's. */
#include <arch/host_tree.h>
#include <arch/passthrough.h>
#include <arch/vgic.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/domain_tree.h>
#include <core/format.h>
#include <core/log.h>
#include <core/vpci.h>
#include <libfdt.h>
#include <string.h>

#define PHANDLE_GIC 1
#define PHANDLE_DEVICES 16 /* and up: clocks of passed-through devices */
#define DEVICE_CLOCKS_MAX 4
#define LINES_MAX 4 /* INTx of a domain's PCI functions */
#define SPI 0
enum line_trigger { EDGE = 1, LEVEL = 4 };

static void put_gic(void *tree, struct domain *domain)
{
    struct range64 ranges[2];
    const char *compatible = vgic_place(domain, ranges);

    tree_begin(tree, "intc", ranges[0].base);
    fdt_property_string(tree, "compatible", compatible);
    fdt_property_u32(tree, "#interrupt-cells", 3);
    fdt_property_u32(tree, "#address-cells", 2);
    fdt_property_u32(tree, "#size-cells", 2);
    fdt_property(tree, "ranges", NULL, 0);
    fdt_property(tree, "interrupt-controller", NULL, 0);
    fdt_property_u32(tree, "phandle", PHANDLE_GIC);
    if (vpci_host(domain).messages) {
        fdt32_t messages[] = {cpu_to_fdt32(32 + GUEST_LINE_MESSAGES), cpu_to_fdt32(GUEST_MESSAGES)};

        fdt_property(tree, "msi-controller", NULL, 0);
        fdt_property(tree, "mbi-ranges", messages, sizeof(messages));
    }
    tree_put_reg(tree, ranges, 2);
    fdt_end_node(tree);
}

/* Of a passed-through device's node: what names something else of the host's tree, or is said anew. */
static bool is_left_out(const char *name)
{
    static const char *const names[] = {
        "reg",    "phandle",   "linux,phandle", "interrupt-parent", "interrupts-extended",
        "clocks", "iommus",    "clock-names",   "power-domains",    "msi-parent",
        "resets", "dmas",      "dma-names",     "memory-region",    "reset-names",
        "status", "dma-ranges"};
    static const char *const endings[] = {"-supply", "-gpio", "-gpios"};
    size_t length = strlen(name);

    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(name, names[i]))
            return true;
    for (unsigned i = 0; i < sizeof(endings) / sizeof(*endings); i++)
        if (length > strlen(endings[i]) && !strcmp(name + length - strlen(endings[i]), endings[i]))
            return true;
    return !strncmp(name, "pinctrl-", 8) || !strncmp(name, "assigned-clock", 14);
}

/* A device's clocks, which run already: each as one of its own, as fast as the host's tree says. */
static void put_device_clocks(void *tree, int node, uint32_t first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int clock = host_tree_phandle(host_tree_cell(node, "clocks", i));
        char name[16]; /* Linux takes it for the clock's, without any @ */

        format_print(name, sizeof(name), "clock%u", first + i);
        fdt_begin_node(tree, name);
        fdt_property_string(tree, "compatible", "fixed-clock");
        fdt_property_u32(tree, "#clock-cells", 0);
        fdt_property_u32(tree, "clock-frequency", host_tree_cell(clock, "clock-frequency", 0));
        fdt_property_u32(tree, "phandle", first + i);
        fdt_end_node(tree);
    }
}

/* The clocks' providers are fixed clocks: `clocks` is a list of phandles. */
static unsigned fixed_clocks(int node)
{
    unsigned count = 0;

    for (uint32_t phandle; (phandle = host_tree_cell(node, "clocks", count)) != HOST_TREE_NONE; count++) {
        int clock = host_tree_phandle(phandle);

        if (count == DEVICE_CLOCKS_MAX || clock < 0 || !host_tree_is_compatible(clock, "fixed-clock"))
            return 0;
    }
    return count;
}

static void put_device(int node, void *tree)
{
    static uint32_t next_phandle = PHANDLE_DEVICES;
    struct range64 ranges[TREE_REGS_MAX];
    struct memory_range regs[TREE_REGS_MAX];
    unsigned count = host_tree_regs(node, regs, TREE_REGS_MAX), clocks = fixed_clocks(node);
    fdt32_t phandles[DEVICE_CLOCKS_MAX];
    const char *name;
    const void *value;
    int length;

    for (unsigned i = 0; i < count; i++)
        ranges[i] = (struct range64){regs[i].base.value, regs[i].size};
    put_device_clocks(tree, node, next_phandle, clocks);
    fdt_begin_node(tree, host_tree_name(node));
    tree_put_reg(tree, ranges, count);
    for (unsigned i = 0; (value = host_tree_property_at(node, i, &name, &length)); i++)
        if (!is_left_out(name))
            fdt_property(tree, name, value, length);
    for (unsigned i = 0; i < clocks; i++)
        phandles[i] = cpu_to_fdt32(next_phandle + i);
    if (clocks) {
        fdt_property(tree, "clocks", phandles, (int)(clocks * sizeof(*phandles)));
        value = host_tree_property(node, "clock-names", &length);
        if (value)
            fdt_property(tree, "clock-names", value, length);
        next_phandle += clocks;
    }
    fdt_end_node(tree);
}

/* For native domains, which have no driver for the GIC's messages: address, data, INTID. */
static void put_messages(void *tree)
{
    fdt32_t messages[GUEST_MESSAGES][3];

    for (uint32_t i = 0; i < GUEST_MESSAGES; i++) {
        messages[i][0] = cpu_to_fdt32((uint32_t)(platform.arch.gicd.value + GUEST_GICD_SETSPI));
        messages[i][1] = cpu_to_fdt32(32 + GUEST_LINE_MESSAGES + i);
        messages[i][2] = messages[i][1];
    }
    fdt_property(tree, "bulkhead,messages", messages, sizeof(messages));
}

/* INTx: each device has one line for all of its pins. */
static void put_pci_lines(void *tree, struct domain *domain)
{
    fdt32_t mask[] = {cpu_to_fdt32(0x1fu << 11), 0, 0, 0}, map[LINES_MAX][10] = {};
    uint32_t count = 0;

    for (uint32_t slot, line; count < LINES_MAX && passthrough_pci_line(domain, count, &slot, &line); count++) {
        map[count][0] = cpu_to_fdt32(slot << 11);
        map[count][4] = cpu_to_fdt32(PHANDLE_GIC); /* then an address of two cells */
        map[count][7] = cpu_to_fdt32(SPI);
        map[count][8] = cpu_to_fdt32(line);
        map[count][9] = cpu_to_fdt32(LEVEL);
    }
    if (!count)
        return;
    fdt_property_u32(tree, "#interrupt-cells", 1);
    fdt_property(tree, "interrupt-map-mask", mask, sizeof(mask));
    fdt_property(tree, "interrupt-map", map, (int)(count * sizeof(*map)));
}

/* The virtual PCI host. Its functions are where the kernel has put them, and stay there. */
static void put_pci(void *tree, struct domain *domain)
{
    struct vpci_host host = vpci_host(domain);
    uint64_t window = host.window.value;
    fdt32_t buses[] = {0, cpu_to_fdt32(host.buses - 1)};
    fdt32_t ranges[] = {cpu_to_fdt32(2u << 24),
                        cpu_to_fdt32(window >> 32),
                        cpu_to_fdt32((uint32_t)window),
                        cpu_to_fdt32(window >> 32),
                        cpu_to_fdt32((uint32_t)window),
                        cpu_to_fdt32(host.window_size >> 32),
                        cpu_to_fdt32((uint32_t)host.window_size)};

    if (!host.functions)
        return;
    tree_begin(tree, "pcie", host.ecam.value);
    fdt_property_string(tree, "compatible", "pci-host-ecam-generic");
    fdt_property_string(tree, "device_type", "pci");
    fdt_property_u32(tree, "#address-cells", 3);
    fdt_property_u32(tree, "#size-cells", 2);
    fdt_property_u32(tree, "linux,pci-domain", 0);
    fdt_property(tree, "bus-range", buses, sizeof(buses));
    if (host.window_size)
        fdt_property(tree, "ranges", ranges, sizeof(ranges));
    fdt_property(tree, "dma-coherent", NULL, 0);
    tree_put_reg1(tree, host.ecam.value, (uint64_t)host.buses << 20);
    if (host.messages)
        fdt_property_u32(tree, "msi-parent", PHANDLE_GIC);
    put_pci_lines(tree, domain);
    if (host.messages && domain_manages(domain))
        put_messages(tree);
    fdt_end_node(tree);
}

void arch_tree_put_line(void *tree, uint32_t line)
{
    fdt32_t cells[] = {cpu_to_fdt32(SPI), cpu_to_fdt32(line), cpu_to_fdt32(EDGE)};

    fdt_property(tree, "interrupts", cells, sizeof(cells));
}

void arch_domain_renew(struct domain *domain, void *description)
{
    (void)domain;
    tree_renew(description);
}

struct description arch_domain_describe(struct domain *domain, uint32_t protocol, const void *known, void *tree,
                                        size_t size)
{
    (void)protocol;
    tree_begin_root(tree, size, known);
    tree_put_memory(tree, domain);
    put_gic(tree, domain);
    put_pci(tree, domain);
    passthrough_each(domain, put_device, tree);
    if (domain_manages(domain))
        tree_put_bulkhead(tree);
    return (struct description){.size = tree_end_root(tree)};
}
