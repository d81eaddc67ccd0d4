// SPDX-License-Identifier: Apache-2.0
/* ACPI 6.5, chapter 5; Arm DEN 0049E (IORT); PCI Firmware 3.3 (MCFG); SPCR 4. Each length is checked against the
 * table's own, and that against a limit. */
#include "acpi_tree.h"

#include <libfdt.h>
#include <string.h>

#define TABLES_MAX 64u
#define TABLE_BYTES_MAX (1u << 20)
#define HEADER_BYTES 36u
#define RSDP_BYTES 20u
#define RSDP_BYTES_2 36u
#define CPUS_MAX 512u
#define GICR_REGIONS_MAX 4u

/* MADT */
#define MADT_ENTRIES 44u
enum { MADT_GICC = 0x0b, MADT_GICD = 0x0c, MADT_GICR = 0x0e, MADT_ITS = 0x0f };
#define GICC_BYTES 76u
#define GICC_ENABLED 1u
#define GICD_SIZE 0x10000u
#define GICV2_DISTRIBUTOR_SIZE 0x1000u
#define GICV2_INTERFACE_SIZE 0x2000u
#define ITS_SIZE 0x20000u
#define ITS_ID_MAX 0xfffu
#define ITS_MAX 8u
#define REDISTRIBUTOR_SIZE 0x20000u

/* GTDT */
#define GTDT_SECURE 48u
#define GTDT_NONSECURE 56u
#define GTDT_VIRTUAL 64u
#define GTDT_HYPERVISOR 72u

/* FADT */
#define FADT_ARM_BOOT 129u
#define ARM_BOOT_PSCI 1u
#define ARM_BOOT_HVC 2u

/* SPCR */
#define SPCR_TYPE 36u
#define SPCR_ADDRESS 40u
#define SPCR_GSIV 54u
enum { SPCR_PL011 = 0x03, SPCR_SBSA_32 = 0x0d, SPCR_SBSA = 0x0e };
#define PL011_SIZE 0x1000u

/* MCFG */
#define MCFG_ENTRIES 44u
#define MCFG_ENTRY_BYTES 16u

/* IORT */
#define IORT_COUNT 36u
#define IORT_FIRST 40u
#define IORT_NODES_MAX 64u
#define IORT_MAPPINGS_MAX 64u
enum { IORT_ITS = 0, IORT_ROOT_COMPLEX = 2, IORT_SMMUV3 = 4, IORT_RESERVED = 6 };
#define IORT_NODE_BYTES 16u
#define MAPPING_BYTES 20u
#define MAPPING_SINGLE 1u
#define SMMU_SIZE 0x20000u
#define RANGE_BYTES 20u

/* TPM2 (TCG ACPI Specification 1.3, 8) */
#define TPM2_START_METHOD 48u
#define TPM2_START_TIS 6u

/* The device tree's */
#define GIC_SPI 0
#define GIC_PPI 1
#define EDGE_RISING 1
#define LEVEL_HIGH 4
#define PHANDLE_GIC 1u
#define PHANDLE_CLOCK 2u
#define PHANDLE_ITS 0x1000u   /* and its identifier */
#define PHANDLE_NODE 0x10000u /* and its offset in the IORT */
#define CLOCK_HZ 24000000u
#define PCI_SPACE_32 (2u << 24)
#define MAPS_MAX 64u
#define STREAMS_MAX 16u /* of one reserved range */
#define RANGES_MAX 16u

struct table {
    const uint8_t *data;
    uint32_t size;
};

static const struct facts *facts;
static struct table xsdt;
static void *tree;
static int trouble; /* the first error of libfdt's */
static char message[64];

/* --- Tables --- */

static uint64_t get(struct table table, uint32_t offset, uint32_t width)
{
    uint64_t value = 0;

    if (offset <= table.size && width <= table.size - offset)
        memcpy(&value, table.data + offset, width);
    return value;
}

static uint32_t get32(struct table table, uint32_t offset)
{
    return (uint32_t)get(table, offset, 4);
}

static bool sums_to_zero(struct table table)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < table.size; i++)
        sum = (uint8_t)(sum + table.data[i]);
    return sum == 0;
}

/* Size 0: it is not sound, or another one. */
static struct table open_table(uint64_t address, const char *signature)
{
    struct table table = {firmware_memory(address, HEADER_BYTES), HEADER_BYTES};
    uint32_t size;

    if (table.data == NULL || memcmp(table.data, signature, 4) != 0)
        return (struct table){NULL, 0};
    size = get32(table, 4);
    if (size < HEADER_BYTES || size > TABLE_BYTES_MAX)
        return (struct table){NULL, 0};
    table = (struct table){firmware_memory(address, size), size};
    if (table.data == NULL || !sums_to_zero(table))
        return (struct table){NULL, 0};
    return table;
}

static bool open_root(void)
{
    struct table rsdp = {firmware_memory(facts->rsdp, RSDP_BYTES_2), RSDP_BYTES};

    if (rsdp.data == NULL || memcmp(rsdp.data, "RSD PTR ", 8) != 0 || !sums_to_zero(rsdp) || get(rsdp, 15, 1) < 2)
        return false;
    rsdp.size = RSDP_BYTES_2;
    if (!sums_to_zero(rsdp))
        return false;
    xsdt = open_table(get(rsdp, 24, 8), "XSDT");
    return xsdt.size != 0;
}

/* The first sound one. */
static struct table find_table(const char *signature)
{
    struct table table = {NULL, 0};

    for (uint32_t i = 0; i < TABLES_MAX && table.size == 0 && HEADER_BYTES + 8 * (i + 1) <= xsdt.size; i++)
        table = open_table(get(xsdt, HEADER_BYTES + 8 * i, 8), signature);
    return table;
}

static const char *missing(const char *signature)
{
    static const char text[] = "ACPI: the firmware gives no sound table ";

    memcpy(message, text, sizeof(text));
    memcpy(message + sizeof(text) - 1, signature, 5);
    return message;
}

/* --- The tree. Its functions may fail for want of room only, and then acpi_tree_make() does. --- */

static void check(int error)
{
    if (error < 0 && trouble == 0)
        trouble = error;
}

static void begin(const char *name, uint64_t address)
{
    char full[48];
    uint32_t length = 0, digits = 1;

    while (name[length] != 0 && length < sizeof(full) - 18) {
        full[length] = name[length];
        length++;
    }
    full[length++] = '@';
    while (digits < 16 && address >> 4 * digits != 0)
        digits++;
    while (digits-- > 0)
        full[length++] = "0123456789abcdef"[address >> 4 * digits & 15];
    full[length] = 0;
    check(fdt_begin_node(tree, full));
}

static void begin_plain(const char *name)
{
    check(fdt_begin_node(tree, name));
}

static void end(void)
{
    check(fdt_end_node(tree));
}

static void put_cells(const char *name, const uint32_t *value, uint32_t count)
{
    uint8_t *to;

    check(fdt_property_placeholder(tree, name, (int)(4 * count), (void **)&to));
    for (uint32_t i = 0; trouble == 0 && i < count; i++)
        fdt32_st(to + 4 * i, value[i]);
}

static void put_cell(const char *name, uint32_t value)
{
    put_cells(name, &value, 1);
}

static void put_text(const char *name, const char *text)
{
    check(fdt_property(tree, name, text, (int)strlen(text) + 1));
}

static void put_flag(const char *name)
{
    check(fdt_property(tree, name, "", 0));
}

static void put_regs(const char *name, const struct region *region, uint32_t count)
{
    uint32_t value[4 * REGIONS_MAX];

    for (uint32_t i = 0; i < count; i++) {
        value[4 * i] = (uint32_t)(region[i].base >> 32);
        value[4 * i + 1] = (uint32_t)region[i].base;
        value[4 * i + 2] = (uint32_t)(region[i].size >> 32);
        value[4 * i + 3] = (uint32_t)region[i].size;
    }
    put_cells(name, value, 4 * count);
}

static void put_reg(uint64_t base, uint64_t size)
{
    put_regs("reg", &(struct region){base, size}, 1);
}

static bool is_ppi(uint32_t gsiv)
{
    return gsiv >= 16 && gsiv < 32;
}

static bool is_spi(uint32_t gsiv)
{
    return gsiv >= 32 && gsiv < 1020;
}

/* --- MADT --- */

/* The next entry of a type behind `at` (0: the first); its length is at least `least`. 0: none. */
static uint32_t next_entry(struct table madt, uint32_t at, uint32_t type, uint32_t least)
{
    uint32_t length = at == 0 ? 0 : (uint32_t)get(madt, at + 1, 1);

    for (at = at == 0 ? MADT_ENTRIES : at + length; at + 2 <= madt.size; at += length) {
        length = (uint32_t)get(madt, at + 1, 1);
        if (length < 2 || length > madt.size - at)
            return 0;
        if (get(madt, at, 1) == type && length >= least)
            return at;
    }
    return 0;
}

static const char *put_cpus(struct table madt)
{
    uint32_t count = 0;

    begin_plain("cpus");
    put_cell("#address-cells", 2);
    put_cell("#size-cells", 0);
    for (uint32_t at = 0; (at = next_entry(madt, at, MADT_GICC, GICC_BYTES)) != 0 && count < CPUS_MAX;) {
        uint64_t id = get(madt, at + 68, 8);

        if (!(get32(madt, at + 12) & GICC_ENABLED))
            continue;
        begin("cpu", id);
        put_text("device_type", "cpu");
        put_text("compatible", "arm,armv8");
        put_cells("reg", (uint32_t[]){(uint32_t)(id >> 32), (uint32_t)id}, 2);
        put_text("enable-method", "psci");
        end();
        count++;
    }
    end();
    return count != 0 ? NULL : "ACPI: the MADT has no CPU that is enabled";
}

/* Redistributors: regions, or one frame for each CPU; those that lie one behind the other are one region. */
static uint32_t find_redistributors(struct table madt, struct region *region)
{
    uint32_t count = 0;

    for (uint32_t at = 0; (at = next_entry(madt, at, MADT_GICR, 16)) != 0 && count < GICR_REGIONS_MAX;)
        region[count++] = (struct region){get(madt, at + 4, 8), get32(madt, at + 12)};
    if (count != 0)
        return count;
    for (uint32_t at = 0; (at = next_entry(madt, at, MADT_GICC, GICC_BYTES)) != 0;) {
        uint64_t base = get(madt, at + 60, 8);
        struct region *last = count != 0 ? &region[count - 1] : NULL;

        if (base == 0 || !(get32(madt, at + 12) & GICC_ENABLED))
            continue;
        if (last != NULL && base - (last->base + last->size) <= REDISTRIBUTOR_SIZE)
            last->size = base + REDISTRIBUTOR_SIZE - last->base;
        else if (count < GICR_REGIONS_MAX)
            region[count++] = (struct region){base, REDISTRIBUTOR_SIZE};
    }
    return count;
}

static void begin_gic(const char *compatible, const struct region *region, uint32_t count, uint32_t maintenance)
{
    begin("interrupt-controller", region[0].base);
    put_text("compatible", compatible);
    put_flag("interrupt-controller");
    put_cell("#interrupt-cells", 3);
    put_cell("#address-cells", 2);
    put_cell("#size-cells", 2);
    put_flag("ranges");
    put_cell("phandle", PHANDLE_GIC);
    put_regs("reg", region, count);
    if (is_ppi(maintenance))
        put_cells("interrupts", (uint32_t[]){GIC_PPI, maintenance - 16, LEVEL_HIGH}, 3);
}

static const char *put_gicv2(struct table madt, uint32_t gicd, uint32_t gicc)
{
    const struct region region[] = {{get(madt, gicd + 8, 8), GICV2_DISTRIBUTOR_SIZE},
                                    {get(madt, gicc + 32, 8), GICV2_INTERFACE_SIZE},
                                    {get(madt, gicc + 48, 8), GICV2_INTERFACE_SIZE},
                                    {get(madt, gicc + 40, 8), GICV2_INTERFACE_SIZE}};

    if (region[1].base == 0 || region[2].base == 0 || region[3].base == 0)
        return "ACPI: the MADT has no virtual CPU interface of the GICv2 (GICC, GICH, GICV)";
    begin_gic("arm,gic-400", region, 4, get32(madt, gicc + 56));
    end();
    return NULL;
}

static const char *put_gicv3(struct table madt, uint32_t gicd, uint32_t gicc)
{
    struct region region[1 + GICR_REGIONS_MAX] = {{get(madt, gicd + 8, 8), GICD_SIZE}};
    uint32_t count = find_redistributors(madt, region + 1);

    if (count == 0)
        return "ACPI: the MADT has no GICv3 redistributor";
    begin_gic("arm,gic-v3", region, 1 + count, get32(madt, gicc + 56));
    put_cell("#redistributor-regions", count);
    count = 0;
    for (uint32_t at = 0; (at = next_entry(madt, at, MADT_ITS, 16)) != 0 && count < ITS_MAX; count++) {
        if (get32(madt, at + 4) > ITS_ID_MAX)
            continue;
        begin("its", get(madt, at + 8, 8));
        put_text("compatible", "arm,gic-v3-its");
        put_flag("msi-controller");
        put_cell("#msi-cells", 1);
        put_cell("phandle", PHANDLE_ITS + get32(madt, at + 4));
        put_reg(get(madt, at + 8, 8), ITS_SIZE);
        end();
    }
    end();
    return NULL;
}

static const char *put_gic(struct table madt)
{
    uint32_t gicd = next_entry(madt, 0, MADT_GICD, 24), gicc = next_entry(madt, 0, MADT_GICC, GICC_BYTES);
    uint64_t version = get(madt, gicd + 20, 1);

    if (gicd == 0 || gicc == 0)
        return "ACPI: the MADT has no GIC distributor";
    if ((version == 1 || version == 2) != facts->wants_gicv2)
        return facts->wants_gicv2 ? "ACPI: the machine has no GICv2, for which this kernel is built (GIC_V2)"
                                  : "ACPI: the machine has a GICv2, and this kernel is built for a GICv3 (GIC_V3)";
    return facts->wants_gicv2 ? put_gicv2(madt, gicd, gicc) : put_gicv3(madt, gicd, gicc);
}

static bool has_its(struct table madt, uint32_t identifier)
{
    for (uint32_t at = 0; (at = next_entry(madt, at, MADT_ITS, 16)) != 0;)
        if (get32(madt, at + 4) == identifier)
            return identifier <= ITS_ID_MAX;
    return false;
}

/* --- Timers, PSCI --- */

static const char *put_timer(struct table gtdt)
{
    static const uint8_t place[] = {GTDT_SECURE, GTDT_NONSECURE, GTDT_VIRTUAL, GTDT_HYPERVISOR};
    uint32_t value[12];

    for (uint32_t i = 0; i < 4; i++) {
        uint32_t gsiv = get32(gtdt, place[i]);

        if (i >= 2 && !is_ppi(gsiv))
            return "ACPI: the GTDT has no interrupt of the virtual or the EL2 timer";
        value[3 * i] = GIC_PPI;
        value[3 * i + 1] = is_ppi(gsiv) ? gsiv - 16 : 0;
        value[3 * i + 2] = LEVEL_HIGH;
    }
    begin_plain("timer");
    put_text("compatible", "arm,armv8-timer");
    put_cells("interrupts", value, 12);
    end();
    return NULL;
}

static const char *put_psci(struct table fadt)
{
    uint32_t flags = (uint32_t)get(fadt, FADT_ARM_BOOT, 2);

    if (!(flags & ARM_BOOT_PSCI))
        return "ACPI: the FADT has no PSCI, by which CPUs are started";
    if (flags & ARM_BOOT_HVC)
        return "ACPI: the FADT wants PSCI by HVC: the firmware keeps EL2 for itself";
    begin_plain("psci");
    put_text("compatible", "arm,psci-1.0");
    put_text("method", "smc");
    end();
    return NULL;
}

/* --- IORT --- */

static struct table iort;

/* The node at an offset, cut to its own length; size 0: there is none. */
static struct table iort_node(uint32_t offset)
{
    uint32_t length = (uint32_t)get(iort, offset + 1, 2);

    if (offset < HEADER_BYTES || offset >= iort.size || length < IORT_NODE_BYTES || length > iort.size - offset)
        return (struct table){NULL, 0};
    return (struct table){iort.data + offset, length};
}

static uint32_t node_type(struct table node)
{
    return node.size != 0 ? node.data[0] : 0xff;
}

/* The next node's offset (0: the first one's); 0: there is none. `count`: how many were passed. */
static uint32_t next_node(uint32_t offset, uint32_t *count)
{
    struct table node = iort_node(offset);

    if (offset == 0)
        *count = 0;
    else if (++*count >= IORT_NODES_MAX || node.size == 0)
        return 0;
    offset = offset == 0 ? get32(iort, IORT_FIRST) : offset + node.size;
    return *count < get32(iort, IORT_COUNT) && iort_node(offset).size != 0 ? offset : 0;
}

struct mapping {
    uint32_t first, last, output, reference; /* `first` and all up to `last` are `output` and up of the node there */
    bool single;
};

/* Number `index` of a node's; false: it has no more. */
static bool read_mapping(struct table node, uint32_t index, struct mapping *mapping)
{
    uint64_t at = get32(node, 12) + (uint64_t)MAPPING_BYTES * index;
    uint32_t count;

    if (index >= get32(node, 8) || index >= IORT_MAPPINGS_MAX || at < IORT_NODE_BYTES || at + MAPPING_BYTES > node.size)
        return false;
    mapping->single = get32(node, (uint32_t)at + 16) & MAPPING_SINGLE;
    mapping->first = mapping->single ? 0 : get32(node, (uint32_t)at);
    count = mapping->single ? 0 : get32(node, (uint32_t)at + 4); /* and one more */
    mapping->last = count > UINT32_MAX - mapping->first ? UINT32_MAX : mapping->first + count;
    mapping->output = get32(node, (uint32_t)at + 8);
    mapping->reference = get32(node, (uint32_t)at + 12);
    return true;
}

/* PCI requesters: entries of iommu-map and msi-map. */
struct maps {
    uint32_t cells[4 * MAPS_MAX], count;
};
static struct maps streams, messages;

static void add_map(struct maps *maps, uint32_t first, uint32_t phandle, uint32_t output, uint32_t last)
{
    uint32_t *cells = &maps->cells[4 * maps->count];

    if (last > 0xffff)
        last = 0xffff;
    if (first > last)
        return;
    if (maps->count == MAPS_MAX) {
        trouble = -FDT_ERR_NOSPACE;
        return;
    }
    cells[0] = first;
    cells[1] = phandle;
    cells[2] = output;
    cells[3] = last - first + 1;
    maps->count++;
}

/* `first` to `last` are devices `output` and up of an ITS group. */
static void add_messages(struct table madt, uint32_t first, uint32_t last, uint32_t output, struct table group)
{
    if (get32(group, 16) > 0 && has_its(madt, get32(group, 20)))
        add_map(&messages, first, PHANDLE_ITS + get32(group, 20), output, last);
}

/* Streams of an SMMU go on as devices of ITSs. */
static void add_translated(struct table madt, const struct mapping *from, struct table smmu)
{
    struct mapping to;

    for (uint32_t i = 0; read_mapping(smmu, i, &to); i++) {
        uint64_t last = (uint64_t)from->output + (from->last - from->first);
        uint32_t low = to.first > from->output ? to.first : from->output,
                 high = last < to.last ? (uint32_t)last : to.last;
        struct table group = iort_node(to.reference);

        if (!to.single && low <= high && node_type(group) == IORT_ITS)
            add_messages(madt, from->first + (low - from->output), from->first + (high - from->output),
                         to.output + (low - to.first), group);
    }
}

static void read_root_complex(struct table madt, struct table node)
{
    struct mapping mapping;

    if (get32(node, 28) != 0) /* the kernel drives segment 0 */
        return;
    for (uint32_t i = 0; read_mapping(node, i, &mapping); i++) {
        struct table to = iort_node(mapping.reference);

        if (node_type(to) == IORT_ITS) {
            add_messages(madt, mapping.first, mapping.last, mapping.output, to);
        } else if (node_type(to) == IORT_SMMUV3) {
            add_map(&streams, mapping.first, PHANDLE_NODE + mapping.reference, mapping.output, mapping.last);
            add_translated(madt, &mapping, to);
        } else if (to.size != 0) { /* an SMMU of another kind: its devices' messages are found, it is not driven */
            add_translated(madt, &mapping, to);
        }
    }
}

static void put_smmu(struct table node, uint32_t offset)
{
    uint32_t event = get32(node, 44), error = get32(node, 52), value[6];

    begin("iommu", get(node, 16, 8));
    put_text("compatible", "arm,smmu-v3");
    put_reg(get(node, 16, 8), SMMU_SIZE);
    put_cell("#iommu-cells", 1);
    put_cell("phandle", PHANDLE_NODE + offset);
    if (is_spi(event) && is_spi(error)) {
        for (uint32_t i = 0; i < 2; i++) {
            value[3 * i] = GIC_SPI;
            value[3 * i + 1] = (i == 0 ? event : error) - 32;
            value[3 * i + 2] = EDGE_RISING;
        }
        put_cells("interrupts", value, 6);
        check(fdt_property(tree, "interrupt-names", "eventq\0gerror", 14));
    }
    end();
}

/* A node that stands for the streams of a reserved range; false: an SMMU of another kind translates them. */
static bool put_streams(struct table node, uint32_t offset)
{
    uint32_t value[2 * STREAMS_MAX], count = 0;
    struct mapping mapping;

    for (uint32_t i = 0; read_mapping(node, i, &mapping); i++)
        for (uint32_t id = 0; id <= mapping.last - mapping.first && count < STREAMS_MAX &&
                              node_type(iort_node(mapping.reference)) == IORT_SMMUV3;
             id++) {
            value[2 * count] = PHANDLE_NODE + mapping.reference;
            value[2 * count++ + 1] = mapping.output + id;
        }
    if (count == 0)
        return false;
    begin("streams", offset);
    put_cell("phandle", PHANDLE_NODE + offset);
    put_cells("iommus", value, 2 * count);
    end();
    return true;
}

/* Memory that firmware claims for devices. */
static void put_reserved(void)
{
    uint32_t passed, ranges = 0;

    for (uint32_t at = 0; (at = next_node(at, &passed)) != 0;) {
        struct table node = iort_node(at);
        uint64_t range = get32(node, 24);

        if (node_type(node) != IORT_RESERVED || !put_streams(node, at))
            continue;
        for (uint32_t i = 0; i < get32(node, 20) && range + RANGE_BYTES <= node.size && ranges < RANGES_MAX; i++) {
            uint64_t base = get(node, (uint32_t)range, 8), size = get(node, (uint32_t)range + 8, 8);

            begin("iommu-reserved", base);
            put_cells("iommu-addresses",
                      (uint32_t[]){PHANDLE_NODE + at, (uint32_t)(base >> 32), (uint32_t)base, (uint32_t)(size >> 32),
                                   (uint32_t)size},
                      5);
            end();
            ranges++;
            range += RANGE_BYTES;
        }
    }
}

static void put_iort(struct table madt)
{
    uint32_t passed;

    iort = find_table("IORT");
    streams.count = messages.count = 0;
    for (uint32_t at = 0; (at = next_node(at, &passed)) != 0;)
        if (node_type(iort_node(at)) == IORT_SMMUV3)
            put_smmu(iort_node(at), at);
        else if (node_type(iort_node(at)) == IORT_ROOT_COMPLEX)
            read_root_complex(madt, iort_node(at));
    put_reserved();
}

/* --- PCI, and what the board's folder knows --- */

static bool has_compatible(const struct board_device *device, const char *name)
{
    size_t length = strlen(name);

    return memcmp(device->compatible, name, length) == 0 &&
           (device->compatible[length] == 0 || device->compatible[length] == ';');
}

/* The host of segment 0. Where BARs may be, AML says, and so does the board's folder: below 4 GiB, as CPUs have it. The
 * firmware has placed them. */
static void put_pci(void)
{
    struct table mcfg = find_table("MCFG");

    for (uint32_t at = MCFG_ENTRIES; at + MCFG_ENTRY_BYTES <= mcfg.size; at += MCFG_ENTRY_BYTES) {
        uint64_t base = get(mcfg, at, 8), last = get(mcfg, at + 11, 1);

        if (get(mcfg, at + 8, 2) != 0 || get(mcfg, at + 10, 1) != 0)
            continue;
        begin("pcie", base);
        put_text("compatible", "pci-host-ecam-generic");
        put_text("device_type", "pci");
        put_reg(base, (last + 1) << 20);
        put_cell("#address-cells", 3);
        put_cell("#size-cells", 2);
        put_cells("bus-range", (uint32_t[]){0, (uint32_t)last}, 2);
        for (uint32_t i = 0; i < facts->device_count; i++)
            if (has_compatible(&facts->device[i], "pci-host-ecam-generic"))
                put_cells("ranges",
                          (uint32_t[]){PCI_SPACE_32, 0, (uint32_t)facts->device[i].base, 0,
                                       (uint32_t)facts->device[i].base, 0, (uint32_t)facts->device[i].size},
                          7);
        put_flag("dma-coherent");
        if (streams.count != 0)
            put_cells("iommu-map", streams.cells, 4 * streams.count);
        if (messages.count != 0)
            put_cells("msi-map", messages.cells, 4 * messages.count);
        end();
        return;
    }
}

static void put_device(const struct board_device *device, bool is_console)
{
    char compatible[sizeof(device->compatible)];
    uint32_t value[3 * BOARD_LINES_MAX], count = 0;

    memcpy(compatible, device->compatible, sizeof(compatible));
    for (char *at = compatible; *at != 0; at++)
        if (*at == ';')
            *at = 0;
    begin_plain(device->name);
    check(fdt_property(tree, "compatible", compatible, (int)strlen(device->compatible) + 1));
    put_reg(device->base, device->size);
    for (; count < BOARD_LINES_MAX && device->line[count] >= 0; count++) {
        value[3 * count] = GIC_SPI;
        value[3 * count + 1] = (uint32_t)device->line[count];
        value[3 * count + 2] = LEVEL_HIGH;
    }
    if (count != 0)
        put_cells("interrupts", value, 3 * count);
    if (is_console || has_compatible(device, "arm,pl011")) {
        put_cells("clocks", (uint32_t[]){PHANDLE_CLOCK, PHANDLE_CLOCK}, 2);
        check(fdt_property(tree, "clock-names", "uartclk\0apb_pclk", 17));
    }
    end();
}

/* By its name in the board's folder, where it has one. */
static struct board_device find_console_device(void)
{
    struct table spcr = find_table("SPCR");
    uint64_t type = get(spcr, SPCR_TYPE, 1), base = get(spcr, SPCR_ADDRESS + 4, 8);
    uint32_t line = get32(spcr, SPCR_GSIV);
    struct board_device device = {"serial", "arm,pl011;arm,primecell", base, PL011_SIZE, {-1}, true};

    if ((type != SPCR_PL011 && type != SPCR_SBSA && type != SPCR_SBSA_32) || get(spcr, SPCR_ADDRESS, 1) != 0)
        return (struct board_device){0};
    for (uint32_t i = 0; i < facts->device_count; i++)
        if (facts->device[i].base == base)
            return facts->device[i];
    if (is_spi(line)) {
        device.line[0] = (int32_t)line - 32;
        device.line[1] = -1;
    }
    return device;
}

static void put_chosen(const struct board_device *console)
{
    uint64_t start = facts->bundle.base, behind = start + facts->bundle.size;
    char path[1 + sizeof(console->name)] = "/";

    begin_plain("chosen");
    if (console->base != 0) {
        memcpy(path + 1, console->name, sizeof(console->name));
        put_text("stdout-path", path);
    }
    put_cells("linux,initrd-start", (uint32_t[]){(uint32_t)(start >> 32), (uint32_t)start}, 2);
    put_cells("linux,initrd-end", (uint32_t[]){(uint32_t)(behind >> 32), (uint32_t)behind}, 2);
    if (facts->slot[0] != 0)
        put_text("bulkhead,slot", facts->slot);
    put_cell("linux,pci-probe-only", 1); /* the numbers of buses are those that IORT means */
    if (facts->seeded)
        check(fdt_property(tree, "rng-seed", facts->seed, sizeof(facts->seed)));
    end();
}

/* A TPM, of which a table tells that it is there, and AML where. */
static bool is_there(const struct board_device *device)
{
    return has_compatible(device, "tcg,tpm-tis-mmio") && get32(find_table("TPM2"), TPM2_START_METHOD) == TPM2_START_TIS;
}

static void put_devices(const struct board_device *console)
{
    begin_plain("clock");
    put_text("compatible", "fixed-clock");
    put_cell("#clock-cells", 0);
    put_cell("clock-frequency", CLOCK_HZ);
    put_cell("phandle", PHANDLE_CLOCK);
    end();
    if (console->base != 0)
        put_device(console, true);
    for (uint32_t i = 0; i < facts->device_count; i++)
        if ((facts->device[i].in_aml || is_there(&facts->device[i])) && facts->device[i].base != console->base)
            put_device(&facts->device[i], false);
}

const char *acpi_tree_make(void *at, uint32_t room, const struct facts *given)
{
    struct table madt, gtdt, fadt;
    struct board_device console;
    const char *problem;

    facts = given;
    tree = at;
    trouble = 0;
    if (!open_root())
        return "ACPI: the firmware gives no sound root table (RSDP, XSDT)";
    madt = find_table("APIC");
    gtdt = find_table("GTDT");
    fadt = find_table("FACP");
    if (madt.size == 0 || gtdt.size == 0 || fadt.size == 0)
        return missing(madt.size == 0 ? "APIC" : gtdt.size == 0 ? "GTDT" : "FACP");
    console = find_console_device();
    check(fdt_create(tree, (int)room));
    check(fdt_add_reservemap_entry(tree, (uint64_t)(uintptr_t)tree, room));
    check(fdt_finish_reservemap(tree));
    begin_plain("");
    put_cell("#address-cells", 2);
    put_cell("#size-cells", 2);
    put_cell("interrupt-parent", PHANDLE_GIC);
    put_chosen(&console);
    begin("memory", facts->ram_count != 0 ? facts->ram[0].base : 0);
    put_text("device_type", "memory");
    put_regs("reg", facts->ram, facts->ram_count);
    end();
    if ((problem = put_cpus(madt)) != NULL || (problem = put_psci(fadt)) != NULL ||
        (problem = put_timer(gtdt)) != NULL || (problem = put_gic(madt)) != NULL)
        return problem;
    put_devices(&console);
    put_iort(madt);
    put_pci();
    end();
    check(fdt_finish(tree));
    return trouble == 0 ? NULL : "ACPI: the machine is larger than was thought of";
}
