// SPDX-License-Identifier: Apache-2.0
/* The device tree that the UEFI loader makes of ACPI's tables (boot/efi/arm64/acpi_tree.c): of those that QEMU's virt
 * has with two CPUs, an ITS and an SMMU: tests/fuzz/corpus/acpi_tree/virt, behind its first byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <boot/efi/arm64/acpi_tree.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#define ROOT 0x40000000u
#define TABLES 0x1000u /* offset of the XSDT */
#define ROOM 65536

static const struct board_device devices[] = {
    {"pl011@9000000", "arm,pl011;arm,primecell", 0x9000000, 0x1000, {1, -1}, false},
    {"pcie@10000000", "pci-host-ecam-generic", 0x10000000, 0x2eff0000, {3, 4, 5, 6}, false},
    {"pl031@9010000", "arm,pl031;arm,primecell", 0x9010000, 0x1000, {2, -1}, true},
};
static uint8_t memory[0x4000], tree[ROOM];
static struct facts facts;

const uint8_t *firmware_memory(uint64_t address, uint64_t size)
{
    return address >= ROOT && address - ROOT < sizeof(memory) && size <= sizeof(memory) - (address - ROOT)
               ? memory + (address - ROOT)
               : NULL;
}

static void repair(uint8_t *bytes, size_t size, size_t place)
{
    bytes[place] = 0;
    for (size_t i = 0; i < size; i++)
        if (i != place)
            bytes[place] = (uint8_t)(bytes[place] - bytes[i]);
}

static uint32_t get32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, 4);
    return value;
}

static void put32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, 4);
}

static uint8_t *table(const char *signature)
{
    uint8_t *xsdt = memory + TABLES;

    for (uint32_t at = 36; at < get32(xsdt + 4); at += 8)
        if (memcmp(memory + (get32(xsdt + at) - ROOT), signature, 4) == 0)
            return memory + (get32(xsdt + at) - ROOT);
    fail_msg("no %s", signature);
    return NULL;
}

static void seal(uint8_t *changed)
{
    repair(changed, get32(changed + 4), 9);
}

/* The first entry of a type in the MADT. */
static uint32_t entry(const uint8_t *madt, uint8_t type)
{
    uint32_t at = 44;

    while (madt[at] != type)
        at += madt[at + 1];
    return at;
}

static int setup(void **state)
{
    FILE *file = fopen("tests/fuzz/corpus/acpi_tree/virt", "rb");
    uint64_t tables = ROOT + TABLES;

    (void)state;
    memset(memory, 0, sizeof(memory));
    assert_non_null(file);
    assert_int_not_equal(fgetc(file), EOF);
    assert_true(fread(memory + TABLES, 1, sizeof(memory) - TABLES, file) > 1000);
    fclose(file);
    memcpy(memory, "RSD PTR ", 8);
    memory[15] = 2;
    memcpy(memory + 24, &tables, 8);
    repair(memory, 20, 8);
    repair(memory, 36, 32);
    facts = (struct facts){.rsdp = ROOT,
                           .ram = {{0x40000000, 0x10000000}, {0x60000000, 0x1000}},
                           .ram_count = 2,
                           .bundle = {0x41000000, 0x1234},
                           .slot = "b",
                           .device = devices,
                           .device_count = 3};
    return 0;
}

static const char *make(void)
{
    const char *problem = acpi_tree_make(tree, ROOM, &facts);

    if (problem == NULL)
        assert_int_equal(fdt_check_full(tree, ROOM), 0);
    return problem;
}

static uint32_t cell(const char *path, const char *name, int index)
{
    int length, node = fdt_path_offset(tree, path);
    const fdt32_t *value = fdt_getprop(tree, node, name, &length);

    if (node < 0 || value == NULL || length < 4 * (index + 1))
        fail_msg("%s has no %s[%d]", path, name, index);
    return fdt32_ld(value + index);
}

static void assert_cells(const char *path, const char *name, const uint32_t *expected, int count)
{
    int length;

    fdt_getprop(tree, fdt_path_offset(tree, path), name, &length);
    assert_int_equal(length, 4 * count);
    for (int i = 0; i < count; i++)
        assert_int_equal(cell(path, name, i), expected[i]);
}
#define ASSERT_CELLS(path, name, ...)                                                                                  \
    assert_cells(path, name, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void test_virt(void **state)
{
    uint32_t smmu, its;

    (void)state;
    assert_null(make());
    assert_string_equal(fdt_getprop(tree, fdt_path_offset(tree, "/chosen"), "stdout-path", NULL), "/pl011@9000000");
    ASSERT_CELLS("/chosen", "linux,initrd-start", 0, 0x41000000);
    ASSERT_CELLS("/chosen", "linux,initrd-end", 0, 0x41001234);
    assert_string_equal(fdt_getprop(tree, fdt_path_offset(tree, "/chosen"), "bulkhead,slot", NULL), "b");
    ASSERT_CELLS("/memory@40000000", "reg", 0, 0x40000000, 0, 0x10000000, 0, 0x60000000, 0, 0x1000);
    ASSERT_CELLS("/cpus/cpu@0", "reg", 0, 0);
    ASSERT_CELLS("/cpus/cpu@1", "reg", 0, 1);
    ASSERT_CELLS("/interrupt-controller@8000000", "reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000);
    ASSERT_CELLS("/interrupt-controller@8000000", "interrupts", 1, 9, 4);
    ASSERT_CELLS("/timer", "interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
    ASSERT_CELLS("/pl011@9000000", "interrupts", 0, 1, 4);
    ASSERT_CELLS("/pl031@9010000", "reg", 0, 0x9010000, 0, 0x1000);
    assert_string_equal(fdt_getprop(tree, fdt_path_offset(tree, "/psci"), "method", NULL), "smc");
    ASSERT_CELLS("/pcie@4010000000", "reg", 0x40, 0x10000000, 0, 0x10000000);
    ASSERT_CELLS("/pcie@4010000000", "ranges", 0x2000000, 0, 0x10000000, 0, 0x10000000, 0, 0x2eff0000);
    its = cell("/interrupt-controller@8000000/its@8080000", "phandle", 0);
    smmu = cell("/iommu@9050000", "phandle", 0);
    ASSERT_CELLS("/pcie@4010000000", "iommu-map", 0, smmu, 0, 0x100);
    ASSERT_CELLS("/pcie@4010000000", "msi-map", 0, its, 0, 0x100, 0x100, its, 0x100, 0xff00);
    ASSERT_CELLS("/iommu@9050000", "interrupts", 0, 74, 1, 0, 77, 1);
    assert_int_equal(fdt_path_offset(tree, "/virtio_mmio@a000000"), -FDT_ERR_NOTFOUND);
}

/* Without ITS, SMMU and PCI it is a machine all the same; without MADT, GTDT and FADT it is none. */
static void test_missing(void **state)
{
    static const struct {
        char signature[5];
        const char *problem;
    } cases[] = {
        {"IORT", NULL}, {"MCFG", NULL}, {"SPCR", NULL}, {"APIC", "APIC"}, {"GTDT", "GTDT"}, {"FACP", "FACP"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *problem;

        setup(state);
        table(cases[i].signature)[20] ^= 1; /* its checksum is wrong now */
        problem = make();
        if (cases[i].problem == NULL)
            assert_null(problem);
        else
            assert_non_null(strstr(problem, cases[i].problem));
    }
    setup(state);
    memory[24] ^= 1;
    assert_non_null(strstr(make(), "RSDP"));
}

/* What the kernel cannot run on is said in one line. */
static void test_refusals(void **state)
{
    uint8_t *madt, *fadt = table("FACP"), *gtdt = table("GTDT");

    fadt[129] |= 2;
    seal(fadt);
    assert_non_null(strstr(make(), "HVC"));
    fadt[129] = 0;
    seal(fadt);
    assert_non_null(strstr(make(), "no PSCI"));
    setup(state);
    put32(gtdt + 72, 0);
    seal(gtdt);
    assert_non_null(strstr(make(), "GTDT"));
    setup(state);
    madt = table("APIC");
    madt[entry(madt, 0x0c) + 20] = 2;
    seal(madt);
    assert_non_null(strstr(make(), "has a GICv2"));
    facts.wants_gicv2 = true;
    assert_non_null(strstr(make(), "virtual CPU interface"));
    madt[entry(madt, 0x0c) + 20] = 3;
    seal(madt);
    assert_non_null(strstr(make(), "has no GICv2"));
    setup(state);
    assert_non_null(strstr(acpi_tree_make(tree, 1024, &facts), "larger"));
}

static void test_gicv2(void **state)
{
    uint8_t *madt = table("APIC"), *cpu = madt + entry(madt, 0x0b);

    (void)state;
    madt[entry(madt, 0x0c) + 20] = 2;
    put32(cpu + 32, 0x8010000);
    put32(cpu + 40, 0x8040000);
    put32(cpu + 48, 0x8030000);
    seal(madt);
    facts.wants_gicv2 = true;
    assert_null(make());
    assert_string_equal(fdt_getprop(tree, fdt_path_offset(tree, "/interrupt-controller@8000000"), "compatible", NULL),
                        "arm,gic-400");
    ASSERT_CELLS("/interrupt-controller@8000000", "reg", 0, 0x8000000, 0, 0x1000, 0, 0x8010000, 0, 0x2000, 0, 0x8030000,
                 0, 0x2000, 0, 0x8040000, 0, 0x2000);
    ASSERT_CELLS("/interrupt-controller@8000000", "interrupts", 1, 9, 4);
}

/* Each CPU with its own frame, and one that is off. */
static void test_redistributors_of_cpus(void **state)
{
    uint8_t *madt = table("APIC");
    uint32_t cpu = 0;

    (void)state;
    for (uint32_t at = 44; at < get32(madt + 4); at += madt[at + 1]) {
        if (madt[at] == 0x0e)
            madt[at] = 0x7f;
        if (madt[at] == 0x0b)
            put32(madt + at + 60, 0x80a0000 + 0x20000 * cpu++);
    }
    seal(madt);
    assert_null(make());
    ASSERT_CELLS("/interrupt-controller@8000000", "reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0x40000);
    for (uint32_t at = 44, seen = 0; at < get32(madt + 4); at += madt[at + 1])
        if (madt[at] == 0x0b && seen++ == 1)
            put32(madt + at + 12, 0);
    seal(madt);
    assert_null(make());
    assert_int_equal(fdt_path_offset(tree, "/cpus/cpu@1"), -FDT_ERR_NOTFOUND);
    ASSERT_CELLS("/interrupt-controller@8000000", "reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0x20000);
}

/* Requesters go through the SMMU's own mappings to the ITS: part of them, and moved. */
static void test_iort_is_composed(void **state)
{
    uint8_t *iort = table("IORT");
    uint32_t its = 0;

    (void)state;
    for (uint32_t i = 0, at = get32(iort + 40); i < get32(iort + 36); i++, at += iort[at + 1] | iort[at + 2] << 8) {
        uint8_t *mapping = iort + at + get32(iort + at + 12);

        if (iort[at] == 2) { /* requesters 0x100-0x1ff are streams 0x1000-0x10ff */
            put32(mapping, 0x100);
            put32(mapping + 4, 0xff);
            put32(mapping + 8, 0x1000);
        } else if (iort[at] == 4) { /* streams 0x1080-0x20ff are devices 0x80-... */
            put32(mapping, 0x1080);
            put32(mapping + 4, 0x107f);
            put32(mapping + 8, 0x80);
        }
    }
    seal(iort);
    assert_null(make());
    its = cell("/interrupt-controller@8000000/its@8080000", "phandle", 0);
    ASSERT_CELLS("/pcie@4010000000", "iommu-map", 0x100, cell("/iommu@9050000", "phandle", 0), 0x1000, 0x100);
    ASSERT_CELLS("/pcie@4010000000", "msi-map", 0x180, its, 0x80, 0x80, 0x100, its, 0x100, 0xff00);
}

/* A reserved range of two streams: what the kernel reads as iommu-addresses of a device with these iommus. */
static void test_reserved_ranges(void **state)
{
    uint8_t *iort = table("IORT");
    uint32_t smmu = 0, end = get32(iort + 4);
    uint8_t *node = iort + end;
    char path[32];

    (void)state;
    iort = memory + 0x3000; /* where there is room */
    memcpy(iort, table("IORT"), end);
    put32(memory + TABLES + 36 + 8 * 5, ROOT + 0x3000);
    seal(memory + TABLES);
    for (uint32_t i = 0, at = get32(iort + 40); i < get32(iort + 36); i++, at += iort[at + 1] | iort[at + 2] << 8)
        if (iort[at] == 4)
            smmu = at;
    node = iort + end;
    node[0] = 6;
    node[1] = 28 + 20 + 20;
    put32(node + 8, 1);   /* one mapping, */
    put32(node + 12, 48); /* there: two streams from 0x300 on */
    put32(node + 20, 1);  /* one range, */
    put32(node + 24, 28); /* there */
    put32(node + 28, 0x50000000);
    put32(node + 36, 0x20000);
    put32(node + 48 + 4, 1);
    put32(node + 48 + 8, 0x300);
    put32(node + 48 + 12, smmu);
    put32(iort + 4, end + node[1]);
    put32(iort + 36, get32(iort + 36) + 1);
    seal(iort);
    assert_null(make());
    snprintf(path, sizeof(path), "/streams@%x", end);
    ASSERT_CELLS(path, "iommus", cell("/iommu@9050000", "phandle", 0), 0x300, cell("/iommu@9050000", "phandle", 0),
                 0x301);
    ASSERT_CELLS("/iommu-reserved@50000000", "iommu-addresses", cell(path, "phandle", 0), 0, 0x50000000, 0, 0x20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_virt, setup),
        cmocka_unit_test_setup(test_missing, setup),
        cmocka_unit_test_setup(test_refusals, setup),
        cmocka_unit_test_setup(test_gicv2, setup),
        cmocka_unit_test_setup(test_redistributors_of_cpus, setup),
        cmocka_unit_test_setup(test_iort_is_composed, setup),
        cmocka_unit_test_setup(test_reserved_ranges, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
