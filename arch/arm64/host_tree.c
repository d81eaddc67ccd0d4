// SPDX-License-Identifier: Apache-2.0
#include <arch/host_tree.h>

#include <arch/boot.h>
#include <arch/gic.h>
#include <arch/sysreg.h>
#include <core/arch.h>
#include <core/log.h>
#include <core/status.h>
#include <devices/serial/early.h>
#include <libfdt.h>
#include <string.h>

#define TREE_BYTES_MAX (2 * MIB) /* what Linux's boot protocol allows */
#define DEPTH_MAX 8
#define NODES_MAX 512 /* that are remembered; a tree may have more */
#define GIC_PPI 1
#define TIMER_VIRTUAL 2 /* entries of the timer node's `interrupts` */
#define TIMER_HYPERVISOR 3
#define TIMER_LINES 4
#define ZYNQMP_RTC_CURRENT_TIME 0x10

struct platform platform;

/*
 * The tree's nodes in their order, collected in one walk: libfdt would walk the tree from its root for each question.
 * Offsets are into the tree's structure; nodes are named by their index here.
 */
static struct node {
    int32_t offset;
    uint16_t parent; /* index; the root's is its own */
    uint16_t compatible_length;
    const char *compatible;
} nodes[NODES_MAX];
static unsigned node_count;

static void collect_nodes(void)
{
    unsigned path[DEPTH_MAX] = {0};
    int depth = 0, length;

    for (int offset = 0; offset >= 0 && depth >= 0; offset = fdt_next_node(platform.tree, offset, &depth)) {
        struct node *node = &nodes[node_count];

        CHECK(node_count < NODES_MAX); /* a larger machine than was thought of */
        if (depth >= DEPTH_MAX)
            continue;
        path[depth] = node_count++;
        node->offset = offset;
        node->parent = (uint16_t)path[depth ? depth - 1 : 0];
        node->compatible = fdt_getprop(platform.tree, offset, "compatible", &length);
        node->compatible_length = node->compatible ? (uint16_t)length : 0;
    }
}

static const void *property(int node, const char *name, int *length)
{
    return fdt_getprop(platform.tree, nodes[node].offset, name, length);
}

/* The next child of `parent` behind `previous` (or behind the parent itself); -1: none. */
static int next_child(int parent, int previous)
{
    for (unsigned i = (unsigned)previous + 1; i < node_count; i++)
        if (nodes[i].parent == parent)
            return (int)i;
    return -1;
}

/* A child of the root by its whole name; -1: none. */
static int top_node(const char *name)
{
    int node = 0;

    while ((node = next_child(0, node)) >= 0 && strcmp(fdt_get_name(platform.tree, nodes[node].offset, NULL), name))
        ;
    return node;
}

static bool is_compatible(int node, const char *name)
{
    return nodes[node].compatible &&
           fdt_stringlist_contains(nodes[node].compatible, nodes[node].compatible_length, name);
}

static int next_compatible(const char *name, int previous)
{
    for (unsigned i = (unsigned)(previous + 1); i < node_count; i++)
        if (is_compatible((int)i, name))
            return (int)i;
    return -1;
}

static int index_of(int offset)
{
    for (unsigned i = 0; i < node_count; i++)
        if (nodes[i].offset == offset)
            return (int)i;
    return -1;
}

static uint64_t read_cells(const fdt32_t *cells, int count)
{
    uint64_t value = 0;

    for (int i = 0; i < count; i++)
        value = value << 32 | fdt32_to_cpu(cells[i]);
    return value;
}

static uint32_t cells(int node, const char *name, uint32_t otherwise)
{
    const fdt32_t *value = property(node, name, NULL);

    return value ? fdt32_to_cpu(*value) : otherwise;
}

/* Through the `ranges` of the buses above: from the address space of `node`'s children to the root's. */
static bool translate(int node, uint64_t *address)
{
    for (int parent; node != 0; node = parent) {
        int length;
        const fdt32_t *ranges = property(node, "ranges", &length);
        int child_cells = (int)cells(node, "#address-cells", 2), size_cells = (int)cells(node, "#size-cells", 1);
        int parent_cells, entry;
        bool found = false;

        parent = nodes[node].parent;
        parent_cells = (int)cells(parent, "#address-cells", 2);
        entry = child_cells + parent_cells + size_cells;
        if (!ranges)
            return false;
        for (int i = 0; !found && (i + entry) * 4 <= length; i += entry) {
            uint64_t from = read_cells(ranges + i, child_cells);
            uint64_t to = read_cells(ranges + i + child_cells, parent_cells);
            uint64_t size = read_cells(ranges + i + child_cells + parent_cells, size_cells);

            if (*address - from < size) {
                *address = *address - from + to;
                found = true;
            }
        }
        if (!found && length > 0)
            return false;
    }
    return true;
}

unsigned host_tree_regs(int node, struct memory_range *ranges, unsigned limit)
{
    int parent = nodes[node].parent, length;
    const fdt32_t *reg = property(node, "reg", &length);
    int address_cells = (int)cells(parent, "#address-cells", 2), size_cells = (int)cells(parent, "#size-cells", 1);
    unsigned count = 0;

    if (!reg || address_cells < 1 || size_cells < 1)
        return 0;
    for (; count < limit && length >= (address_cells + size_cells) * 4; count++) {
        uint64_t address = read_cells(reg, address_cells);

        if (!translate(parent, &address))
            break;
        ranges[count] = (struct memory_range){hpa(address), read_cells(reg + address_cells, size_cells)};
        reg += address_cells + size_cells;
        length -= (address_cells + size_cells) * 4;
    }
    return count;
}

unsigned host_tree_interrupts(int node, uint32_t *intids, unsigned limit)
{
    int length;
    const fdt32_t *value = property(node, "interrupts", &length);
    unsigned count = 0;

    for (; value && count < limit && (int)(count + 1) * 12 <= length; count++)
        intids[count] = fdt32_to_cpu(value[3 * count + 1]) + (fdt32_to_cpu(value[3 * count]) == GIC_PPI ? 16 : 32);
    return count;
}

int host_tree_find(const char *name, int previous)
{
    if (name[0] != '/')
        return next_compatible(name, previous);
    return previous < 0 ? index_of(fdt_path_offset(platform.tree, name)) : -1;
}

int host_tree_phandle(uint32_t phandle)
{
    for (unsigned i = 0; i < node_count; i++)
        if (phandle == cells((int)i, "phandle", 0))
            return (int)i;
    return -1;
}

uint32_t host_tree_cell(int node, const char *name, unsigned index)
{
    int length;
    const fdt32_t *value = property(node, name, &length);

    return value && (int)(4 * (index + 1)) <= length ? fdt32_to_cpu(value[index]) : HOST_TREE_NONE;
}

int host_tree_with(const char *name, int previous)
{
    for (unsigned i = (unsigned)(previous + 1); i < node_count; i++)
        if (property((int)i, name, NULL))
            return (int)i;
    return -1;
}

bool host_tree_is_compatible(int node, const char *name)
{
    return is_compatible(node, name);
}

const void *host_tree_property(int node, const char *name, int *length)
{
    return property(node, name, length);
}

const void *host_tree_property_at(int node, unsigned index, const char **name, int *length)
{
    int offset = fdt_first_property_offset(platform.tree, nodes[node].offset);

    while (offset >= 0 && index-- > 0)
        offset = fdt_next_property_offset(platform.tree, offset);
    return offset < 0 ? NULL : fdt_getprop_by_offset(platform.tree, offset, name, length);
}

const char *host_tree_name(int node)
{
    return fdt_get_name(platform.tree, nodes[node].offset, NULL);
}

static bool available(int node)
{
    const char *status = property(node, "status", NULL);

    return !status || !strcmp(status, "okay") || !strcmp(status, "ok");
}

static void add_range(struct memory_range *ranges, uint32_t *count, struct memory_range range)
{
    if (range.size == 0)
        return;
    CHECK(*count < PLATFORM_RANGES_MAX);
    ranges[(*count)++] = range;
}

static void reserve(struct memory_range range)
{
    add_range(platform.reserved, &platform.reserved_count, range);
}

static bool in_ram(struct memory_range range)
{
    for (uint32_t i = 0; i < platform.ram_count; i++)
        if (range.base.value >= platform.ram[i].base.value && range.size <= platform.ram[i].size &&
            range.base.value - platform.ram[i].base.value <= platform.ram[i].size - range.size)
            return true;
    return false;
}

/* All of a node's `reg`. */
static void add_regs(struct memory_range *ranges, uint32_t *count, int node)
{
    struct memory_range regs[PLATFORM_RANGES_MAX];
    unsigned found = host_tree_regs(node, regs, PLATFORM_RANGES_MAX);

    for (unsigned i = 0; i < found; i++)
        add_range(ranges, count, regs[i]);
}

static void read_memory(void)
{
    struct memory_range range;
    int parent = top_node("reserved-memory");

    for (int node = next_child(0, 0); node >= 0; node = next_child(0, node)) {
        const char *type = property(node, "device_type", NULL);

        if (type && !strcmp(type, "memory") && available(node))
            add_regs(platform.ram, &platform.ram_count, node);
    }
    for (int i = 0; i < fdt_num_mem_rsv(platform.tree); i++)
        if (!fdt_get_mem_rsv(platform.tree, i, &range.base.value, &range.size))
            reserve(range);
    for (int node = parent < 0 ? -1 : next_child(parent, parent); node >= 0; node = next_child(parent, node))
        add_regs(platform.reserved, &platform.reserved_count, node);
}

/* The boot CPU is number 0; the others follow in the tree's order. */
static void read_cpus(void)
{
    uint64_t own = sysreg_read(mpidr_el1) & MPIDR_AFFINITY;
    int parent = top_node("cpus");

    platform.arch.psci = next_compatible("arm,psci-0.2", -1) >= 0 || next_compatible("arm,psci-1.0", -1) >= 0;
    platform.arch.cpu_id[0] = own;
    platform.cpu_count = 1;
    for (int node = parent < 0 ? -1 : next_child(parent, parent); node >= 0; node = next_child(parent, node)) {
        const char *type = property(node, "device_type", NULL);
        const char *method = property(node, "enable-method", NULL);
        int length;
        const fdt32_t *reg = property(node, "reg", &length);
        uint64_t id;

        if (!type || strcmp(type, "cpu") || !reg || !available(node))
            continue;
        id = read_cells(reg, length / 4) & MPIDR_AFFINITY;
        if (id == own || !method || platform.cpu_count == BULKHEAD_CPUS_MAX)
            continue;
        reg = property(node, "cpu-release-addr", &length);
        if (!strcmp(method, "spin-table") && reg && length == 8)
            platform.arch.cpu_release[platform.cpu_count] = read_cells(reg, 2);
        else if (strcmp(method, "psci"))
            continue;
        platform.arch.cpu_id[platform.cpu_count++] = id;
    }
}

static void read_interrupts(void)
{
    uint32_t lines[TIMER_LINES];

    platform.arch.maintenance_intid = host_tree_interrupts(gic_find(), lines, 1) ? lines[0] : 0;

    int node = next_compatible("arm,armv8-timer", -1);

    CHECK(node >= 0 && host_tree_interrupts(node, lines, TIMER_LINES) == TIMER_LINES);
    platform.arch.timer_virtual_intid = lines[TIMER_VIRTUAL];
    platform.arch.timer_hypervisor_intid = lines[TIMER_HYPERVISOR];
}

static int stdout_node(int chosen)
{
    int length;
    const char *path = property(chosen, "stdout-path", &length), *options;

    if (!path || length < 1)
        return -1;
    options = memchr(path, ':', (size_t)length);
    return index_of(fdt_path_offset_namelen(platform.tree, path, options ? (int)(options - path) : length - 1));
}

static char kernel_sha256[sizeof(status_page->kernel_sha256)]; /* by the loader */

static void read_chosen(void)
{
    int chosen = top_node("chosen"), length, node;
    const fdt32_t *start, *end;
    struct memory_range range;
    const char *slot, *digest;

    if (chosen < 0)
        return;
    digest = property(chosen, "bulkhead,kernel-sha256", &length);
    if (digest && length == sizeof(kernel_sha256) + 1)
        memcpy(kernel_sha256, digest, sizeof(kernel_sha256));
    slot = property(chosen, "bulkhead,slot", &length);
    platform.slot = slot && length == 2 ? slot[0] : 0;
    node = stdout_node(chosen);
    if (node >= 0 && is_compatible(node, serial_compatible) && host_tree_regs(node, &range, 1))
        platform.uart = range.base;
    start = property(chosen, "linux,initrd-start", &length);
    if (!start)
        return;
    range.base = hpa(read_cells(start, length / 4));
    end = property(chosen, "linux,initrd-end", &length);
    range.size = end ? read_cells(end, length / 4) - range.base.value : 0;
    if (!in_ram(range))
        return;
    platform.bundle = range;
    reserve(range);
}

#define BUS_SIZE_LOG2 20
#define PCI_RANGE_CELLS 7       /* of the host bridge's `ranges`: child 3, parent 2, size 2 */
#define PCI_SPACE (3u << 24)    /* in the first cell, */
#define PCI_SPACE_32 (2u << 24) /* memory below 4 GiB */

/* The host bridge of segment 0, with all its addresses as CPUs have them. */
static void read_pci(void)
{
    int node = next_compatible("pci-host-ecam-generic", -1), chosen = top_node("chosen"), length;
    struct memory_range range;
    const fdt32_t *ranges;

    if (node < 0 || !host_tree_regs(node, &range, 1) || cells(node, "bus-range", 0) || range.size >> BUS_SIZE_LOG2 == 0)
        return;
    platform.pci.ecam = range.base;
    platform.pci.bus_last = (uint8_t)(range.size >> BUS_SIZE_LOG2 < 256 ? (range.size >> BUS_SIZE_LOG2) - 1 : 255);
    platform.pci.assigned = chosen >= 0 && cells(chosen, "linux,pci-probe-only", 0);
    ranges = property(node, "ranges", &length);
    for (int i = 0; ranges && (i + PCI_RANGE_CELLS) * 4 <= length; i += PCI_RANGE_CELLS)
        if ((fdt32_to_cpu(ranges[i]) & PCI_SPACE) == PCI_SPACE_32 &&
            read_cells(ranges + i + 1, 2) == read_cells(ranges + i + 3, 2))
            platform.pci.window =
                (struct memory_range){hpa(read_cells(ranges + i + 3, 2)), read_cells(ranges + i + 5, 2)};
}

void host_tree_read(struct hpa base)
{
    struct memory_range range;
    int node;

    platform.tree = kernel_map_blocks(base, TREE_BYTES_MAX);
    CHECK(!fdt_check_header(platform.tree) && fdt_totalsize(platform.tree) <= TREE_BYTES_MAX);
    collect_nodes();
    read_memory();
    read_cpus();
    read_interrupts();
    read_chosen();
    read_pci();
    node = next_compatible("arm,pl031", -1);
    if (node >= 0 && host_tree_regs(node, &range, 1))
        platform.clock = range.base; /* RTCDR is its first register */
    node = next_compatible("xlnx,zynqmp-rtc", -1);
    if (node >= 0 && host_tree_regs(node, &range, 1))
        platform.clock = hpa(range.base.value + ZYNQMP_RTC_CURRENT_TIME);
    platform.persistent = (struct memory_range){hpa(CONFIG_LOG_BASE), CONFIG_LOG_SIZE};
    reserve(platform.persistent);
    platform.kernel = kernel_memory();
    reserve(platform.kernel);
}

void host_tree_close(void)
{
    kernel_unmap_blocks(platform.tree, TREE_BYTES_MAX);
    platform.tree = NULL;
    memcpy(status_page->kernel_sha256, kernel_sha256, sizeof(kernel_sha256));
}
