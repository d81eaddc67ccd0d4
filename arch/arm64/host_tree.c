// SPDX-License-Identifier: Apache-2.0
#include <arch/host_tree.h>

#include <arch/sysreg.h>
#include <core/arch.h>
#include <core/log.h>
#include <libfdt.h>
#include <string.h>

#define TREE_BYTES_MAX (2 * MIB) /* what Linux's boot protocol allows */
#define DEPTH_MAX 8
#define NODES_MAX 512                                  /* that are remembered; a tree may have more */
#define GICR_BYTES_MAX (BULKHEAD_CPUS_MAX * 0x40000ul) /* machines describe room for more CPUs than they have */
#define GIC_SPI 0
#define GIC_PPI 1
#define TIMER_VIRTUAL 2 /* entries of the timer node's `interrupts` */
#define TIMER_HYPERVISOR 3

struct platform platform;

/* Where nodes hang, in the order of their offsets: libfdt would walk the tree from its root to tell. */
static struct {
    int node, parent;
} parents[NODES_MAX];
static unsigned node_count;

static void read_parents(void)
{
    int path[DEPTH_MAX] = {0}, depth = 0;

    for (int node = 0; node >= 0 && depth >= 0; node = fdt_next_node(platform.tree, node, &depth)) {
        if (depth >= DEPTH_MAX || node_count == NODES_MAX)
            continue;
        path[depth] = node;
        parents[node_count].node = node;
        parents[node_count++].parent = depth ? path[depth - 1] : -1;
    }
}

static int parent_of(int node)
{
    unsigned low = 0, high = node_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (parents[middle].node == node)
            return parents[middle].parent;
        if (parents[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return fdt_parent_offset(platform.tree, node);
}

static uint64_t read_cells(const fdt32_t *cells, int count)
{
    uint64_t value = 0;

    for (int i = 0; i < count; i++)
        value = value << 32 | fdt32_to_cpu(cells[i]);
    return value;
}

/* Through the `ranges` of the buses above: from the address space of `node`'s children to the root's. */
static bool translate(int node, uint64_t *address)
{
    const void *tree = platform.tree;

    for (int depth = 0; node > 0 && depth < DEPTH_MAX; depth++) {
        int parent = parent_of(node), length;
        const fdt32_t *ranges = fdt_getprop(tree, node, "ranges", &length);
        int child_cells = fdt_address_cells(tree, node), size_cells = fdt_size_cells(tree, node), parent_cells, entry;
        bool found = false;

        if (!ranges || parent < 0)
            return false;
        parent_cells = fdt_address_cells(tree, parent);
        entry = child_cells + parent_cells + size_cells;
        for (int i = 0; !found && (i + entry) * 4 <= length; i += entry) {
            uint64_t from = read_cells(ranges + i, child_cells),
                     to = read_cells(ranges + i + child_cells, parent_cells);
            uint64_t size = read_cells(ranges + i + child_cells + parent_cells, size_cells);

            if (*address - from < size) {
                *address = *address - from + to;
                found = true;
            }
        }
        if (!found && length > 0)
            return false;
        node = parent;
    }
    return true;
}

bool host_tree_reg(int node, unsigned index, struct memory_range *range)
{
    const void *tree = platform.tree;
    int parent = parent_of(node), length, address_cells, size_cells;
    const fdt32_t *reg = fdt_getprop(tree, node, "reg", &length);
    uint64_t address;

    if (!reg || parent < 0)
        return false;
    address_cells = fdt_address_cells(tree, parent);
    size_cells = fdt_size_cells(tree, parent);
    if (address_cells < 1 || size_cells < 1 || (int)(index + 1) * (address_cells + size_cells) * 4 > length)
        return false;
    reg += (int)index * (address_cells + size_cells);
    address = read_cells(reg, address_cells);
    if (!translate(parent, &address))
        return false;
    *range = (struct memory_range){hpa(address), read_cells(reg + address_cells, size_cells)};
    return true;
}

uint32_t host_tree_interrupt(int node, unsigned index, bool *edge)
{
    int length;
    const fdt32_t *cells = fdt_getprop(platform.tree, node, "interrupts", &length);

    if (!cells || (int)(index + 1) * 12 > length)
        return 0;
    cells += 3 * index;
    *edge = (fdt32_to_cpu(cells[2]) & 3) != 0;
    return fdt32_to_cpu(cells[1]) + (fdt32_to_cpu(cells[0]) == GIC_PPI ? 16 : 32);
}

int host_tree_find(const char *name, int previous)
{
    if (name[0] != '/')
        return fdt_node_offset_by_compatible(platform.tree, previous, name);
    return previous < 0 ? fdt_path_offset(platform.tree, name) : -FDT_ERR_NOTFOUND;
}

static bool available(int node)
{
    const char *status = fdt_getprop(platform.tree, node, "status", NULL);

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

static void read_memory(void)
{
    const void *tree = platform.tree;
    struct memory_range range;
    int node, parent;

    fdt_for_each_subnode(node, tree, 0)
    {
        const char *type = fdt_getprop(tree, node, "device_type", NULL);

        if (!type || strcmp(type, "memory") || !available(node))
            continue;
        for (unsigned i = 0; host_tree_reg(node, i, &range); i++)
            add_range(platform.ram, &platform.ram_count, range);
    }
    for (int i = 0; i < fdt_num_mem_rsv(tree); i++)
        if (!fdt_get_mem_rsv(tree, i, &range.base.value, &range.size))
            reserve(range);
    parent = fdt_path_offset(tree, "/reserved-memory");
    if (parent < 0)
        return;
    fdt_for_each_subnode(node, tree, parent)
    {
        for (unsigned i = 0; host_tree_reg(node, i, &range); i++)
            reserve(range);
    }
}

/* The boot CPU is number 0; the others follow in the tree's order. */
static void read_cpus(void)
{
    const void *tree = platform.tree;
    uint64_t own = sysreg_read(mpidr_el1) & MPIDR_AFFINITY;
    int parent = fdt_path_offset(tree, "/cpus"), node;

    platform.arch.cpu_id[0] = own;
    platform.cpu_count = 1;
    if (parent < 0)
        return;
    fdt_for_each_subnode(node, tree, parent)
    {
        const char *type = fdt_getprop(tree, node, "device_type", NULL);
        const char *method = fdt_getprop(tree, node, "enable-method", NULL);
        int length;
        const fdt32_t *reg = fdt_getprop(tree, node, "reg", &length);
        uint64_t id;

        if (!type || strcmp(type, "cpu") || !reg || length != 4 * fdt_address_cells(tree, parent) || !available(node))
            continue;
        id = read_cells(reg, length / 4) & MPIDR_AFFINITY;
        if (id != own && method && !strcmp(method, "psci") && platform.cpu_count < BULKHEAD_CPUS_MAX)
            platform.arch.cpu_id[platform.cpu_count++] = id;
    }
}

static void read_gic(void)
{
    const void *tree = platform.tree;
    int node = fdt_node_offset_by_compatible(tree, -1, "arm,gic-v3");
    struct memory_range range;
    const fdt32_t *value;
    bool edge;

    CHECK(node >= 0); /* the machine has no GICv3 */
    CHECK(host_tree_reg(node, 0, &range));
    platform.arch.gicd = range.base;
    platform.arch.gicd_size = range.size;
    value = fdt_getprop(tree, node, "#redistributor-regions", NULL);
    for (unsigned i = 0;
         i < (value ? fdt32_to_cpu(*value) : 1) && i < GICR_REGIONS_MAX && host_tree_reg(node, 1 + i, &range); i++) {
        platform.arch.gicr[i].base = range.base;
        platform.arch.gicr[i].size = range.size < GICR_BYTES_MAX ? range.size : GICR_BYTES_MAX;
        platform.arch.gicr_count = i + 1;
    }
    value = fdt_getprop(tree, node, "redistributor-stride", NULL);
    platform.arch.gicr_stride = value ? read_cells(value, 2) : 0;
    platform.arch.maintenance_intid = host_tree_interrupt(node, 0, &edge);

    node = fdt_node_offset_by_compatible(tree, -1, "arm,armv8-timer");
    CHECK(node >= 0);
    platform.arch.timer_virtual_intid = host_tree_interrupt(node, TIMER_VIRTUAL, &edge);
    platform.arch.timer_hypervisor_intid = host_tree_interrupt(node, TIMER_HYPERVISOR, &edge);
}

static int stdout_node(int chosen)
{
    const void *tree = platform.tree;
    int length;
    const char *path = fdt_getprop(tree, chosen, "stdout-path", &length), *options;

    if (!path || length < 1)
        return -1;
    options = memchr(path, ':', (size_t)length);
    return fdt_path_offset_namelen(tree, path, options ? (int)(options - path) : length - 1);
}

static void read_chosen(void)
{
    const void *tree = platform.tree;
    int chosen = fdt_path_offset(tree, "/chosen"), length, node;
    const fdt32_t *start, *end;
    struct memory_range range;

    if (chosen < 0)
        return;
    node = stdout_node(chosen);
    if (node >= 0 && !fdt_node_check_compatible(tree, node, "arm,pl011") && host_tree_reg(node, 0, &range))
        platform.uart = range.base;
    start = fdt_getprop(tree, chosen, "linux,initrd-start", &length);
    if (!start)
        return;
    range.base = hpa(read_cells(start, length / 4));
    end = fdt_getprop(tree, chosen, "linux,initrd-end", &length);
    range.size = end ? read_cells(end, length / 4) - range.base.value : 0;
    if (!in_ram(range))
        return;
    platform.bundle = range;
    reserve(range);
}

void host_tree_read(struct hpa base)
{
    struct memory_range range;
    int node;

    platform.tree = kernel_map_blocks(base, TREE_BYTES_MAX);
    CHECK(!fdt_check_header(platform.tree) && fdt_totalsize(platform.tree) <= TREE_BYTES_MAX);
    read_parents();
    read_memory();
    read_cpus();
    read_gic();
    read_chosen();
    node = fdt_node_offset_by_compatible(platform.tree, -1, "arm,pl031");
    if (node >= 0 && host_tree_reg(node, 0, &range))
        platform.clock = range.base;
    platform.persistent = (struct memory_range){hpa(CONFIG_LOG_BASE), CONFIG_LOG_SIZE};
    reserve(platform.persistent);
    platform.kernel = kernel_memory();
    reserve(platform.kernel);
}

void host_tree_close(void)
{
    kernel_unmap_blocks(platform.tree, TREE_BYTES_MAX);
    platform.tree = NULL;
}
