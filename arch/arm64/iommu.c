// SPDX-License-Identifier: Apache-2.0
/* The machine's SMMUs, and which streams of which unit its devices are: PCI functions by `iommu-map`, others by
 * `iommus`. */
#include <arch/iommu.h>

#include <arch/gic.h>
#include <arch/host_tree.h>
#include <arch/its.h>
#include <arch/stage2.h>
#include <core/arch.h>
#include <core/log.h>
#include <devices/iommu/smmuv3.h>

#define MAPS_MAX 64
#define PLATFORM_DEVICE 0x10000u /* requester of the first stream that is not a PCI function's */

/* `count` requesters from `first` on are streams of a unit. */
static struct map {
    uint32_t first, count, stream;
    struct smmuv3 *unit;
} maps[MAPS_MAX];
static uint32_t map_count, platform_streams;
static struct {
    struct smmuv3 *unit;
    int node;
    uint32_t intid; /* of the event queue; 0: none */
} units[SMMUV3_UNITS_MAX];
static uint32_t unit_count;

void arch_iommu_block(void)
{
    struct memory_range range;

    for (int node = -1; (node = host_tree_find("arm,smmu-v3", node)) >= 0;) {
        CHECK(unit_count < SMMUV3_UNITS_MAX && host_tree_regs(node, &range, 1));
        units[unit_count].node = node;
        units[unit_count].unit = smmuv3_take(unit_count, range.base);
        unit_count++;
    }
}

static struct smmuv3 *unit_of(uint32_t phandle)
{
    int node = host_tree_phandle(phandle);

    for (uint32_t i = 0; i < unit_count; i++)
        if (units[i].node == node && !smmuv3_trouble(units[i].unit))
            return units[i].unit;
    return NULL;
}

static void add_map(struct map map)
{
    if (!map.unit)
        return;
    CHECK(map_count < MAPS_MAX);
    maps[map_count++] = map;
}

static const struct map *map_of(uint32_t requester)
{
    for (uint32_t i = 0; i < map_count; i++)
        if (requester - maps[i].first < maps[i].count)
            return &maps[i];
    return NULL;
}

static uint32_t stream_of(const struct map *map, uint32_t requester)
{
    return map->stream + (requester - map->first);
}

uint32_t arch_iommu_requester(int node, unsigned index)
{
    uint32_t phandle = host_tree_cell(node, "iommus", 2 * index),
             stream = host_tree_cell(node, "iommus", 2 * index + 1);
    struct smmuv3 *unit = unit_of(phandle);

    if (!unit || stream == HOST_TREE_NONE)
        return IOMMU_NONE;
    for (uint32_t i = 0; i < map_count; i++)
        if (maps[i].unit == unit && stream - maps[i].stream < maps[i].count)
            return maps[i].first + (stream - maps[i].stream);
    add_map((struct map){PLATFORM_DEVICE + platform_streams, 1, stream, unit});
    return PLATFORM_DEVICE + platform_streams++;
}

/* --- For devices/iommu/iommu.c --- */

static bool covers(uint32_t requester)
{
    const struct map *map = map_of(requester);

    return map && smmuv3_prepare(map->unit, stream_of(map, requester));
}

/* Messages are writes to the ITS, which knows who writes. */
static void create(struct iommu_space *space)
{
    struct its_doorbell doorbell = its_doorbell();

    space->root = stage2_new_root();
    space->root_hpa = kernel_hpa(space->root).value;
    if (doorbell.page.value)
        stage2_map_in(space->root, doorbell.seen_at, doorbell.page, PAGE_SIZE, STAGE2_WRITE | STAGE2_DEVICE);
}

static void map(struct iommu_space *space, struct ipa ipa, struct hpa hpa, uint64_t size, uint32_t rights)
{
    stage2_map_in(space->root, ipa, hpa, size, rights);
}

static void attach(uint32_t requester, const struct iommu_space *space)
{
    const struct map *map = map_of(requester);

    CHECK(map);
    smmuv3_attach(map->unit, stream_of(map, requester), space);
}

static void invalidate(const struct iommu_space *space)
{
    for (uint32_t i = 0; i < unit_count; i++)
        if (!smmuv3_trouble(units[i].unit))
            smmuv3_invalidate(units[i].unit, space);
}

static void refused(const struct smmuv3 *unit, uint32_t stream, uint64_t address, bool write)
{
    for (uint32_t i = 0; i < map_count; i++)
        if (maps[i].unit == unit && stream - maps[i].stream < maps[i].count) {
            iommu_fault(maps[i].first + (stream - maps[i].stream), address,
                        write ? IOMMU_REFUSED_WRITE : IOMMU_REFUSED_READ);
            return;
        }
}

static void poll_faults(void)
{
    for (uint32_t i = 0; i < unit_count; i++)
        smmuv3_poll(units[i].unit, refused);
}

static void listen(bool on)
{
    for (uint32_t i = 0; i < unit_count; i++)
        if (!smmuv3_listen(units[i].unit, on) && on && units[i].intid)
            gic_set_pending(0, units[i].intid, true);
}

static const struct iommu_ops ops = {
    .name = "SMMUv3",
    .covers = covers,
    .create = create,
    .map = map,
    .attach = attach,
    .invalidate = invalidate,
    .poll_faults = poll_faults,
    .listen = listen,
};

static void read_pci_map(void)
{
    int node = host_tree_find("pci-host-ecam-generic", -1);

    for (unsigned i = 0; node >= 0 && host_tree_cell(node, "iommu-map", 4 * i + 3) != HOST_TREE_NONE; i++)
        add_map((struct map){.first = host_tree_cell(node, "iommu-map", 4 * i),
                             .count = host_tree_cell(node, "iommu-map", 4 * i + 3),
                             .stream = host_tree_cell(node, "iommu-map", 4 * i + 2),
                             .unit = unit_of(host_tree_cell(node, "iommu-map", 4 * i + 1))});
}

static uint64_t cells(int node, const char *name, unsigned index)
{
    return (uint64_t)host_tree_cell(node, name, index) << 32 | host_tree_cell(node, name, index + 1);
}

/* Memory that firmware claims for devices: a reserved region's `iommu-addresses`, each device, address, size. */
static void read_regions(void)
{
    static const char name[] = "iommu-addresses";

    for (int node = -1; (node = host_tree_with(name, node)) >= 0;)
        for (unsigned i = 0; host_tree_cell(node, name, i + 4) != HOST_TREE_NONE; i += 5) {
            int device = host_tree_phandle(host_tree_cell(node, name, i));
            uint32_t requester;

            for (unsigned j = 0; device >= 0 && (requester = arch_iommu_requester(device, j)) != IOMMU_NONE; j++)
                iommu_reserve(requester, hpa(cells(node, name, i + 1)), cells(node, name, i + 3));
        }
}

struct iommu arch_iommu_find(void)
{
    bool works = false;

    for (uint32_t i = 0; i < unit_count; i++) {
        const char *trouble = smmuv3_trouble(units[i].unit);

        if (trouble) {
            log_line("SMMU %s: %s: all devices behind it are blocked.", host_tree_name(units[i].node), trouble);
            continue;
        }
        works = true;
        if (host_tree_interrupts(units[i].node, &units[i].intid, 1)) /* the event queue's is the first */
            gic_claim(units[i].intid, iommu_fault_interrupt);
    }
    read_pci_map();
    read_regions();
    return (struct iommu){.ops = works ? &ops : NULL, .address_bits = stage2_bits()};
}
