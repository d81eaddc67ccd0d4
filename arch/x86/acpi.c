// SPDX-License-Identifier: Apache-2.0
/*
 * The machine's facts from ACPI's static tables (ACPI 6.5, chapter 5; PCI Firmware 3.3 for the MCFG; HPET 1.0a). No
 * AML is run: of the DSDT only the sleep type of S5 is looked for. Firmware's tables are input like any other: every
 * length is checked against the table's own, and that against a limit.
 */
#include <arch/acpi.h>
#include <arch/boot.h>
#include <arch/dmar.h>
#include <arch/ivrs.h>
#include <core/arch.h>
#include <string.h>

#define TABLES_MAX 64
#define TABLE_BYTES_MAX 65536u
#define DSDT_BYTES_MAX (16u * 1024 * 1024)
#define HEADER_BYTES 36u

/* RSDP */
#define RSDP_BYTES 20u
#define RSDP_REVISION 15
#define RSDP_RSDT 16
#define RSDP_XSDT 24
#define BIOS_BASE 0xe0000u
#define BIOS_BYTES 0x20000u
#define EBDA_POINTER 0x40eu
#define EBDA_BYTES 1024u

/* MADT */
#define MADT_ENTRIES 44u
enum { MADT_APIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_X2APIC = 9 };
#define APIC_ENABLED 1u

/* FADT */
#define FADT_DSDT 40u
#define FADT_PM1A_CONTROL 64u
#define FADT_PM1B_CONTROL 68u
#define FADT_PM_TIMER 76u
#define FADT_BOOT_ARCHITECTURE 109u
#define FADT_FLAGS 112u
#define FADT_RESET_REGISTER 116u
#define FADT_RESET_VALUE 128u
#define FADT_X_DSDT 140u
#define BOOT_NO_CLOCK (1u << 5)
#define FLAG_TIMER_32 (1u << 8)
#define FLAG_RESET (1u << 10)
#define SPACE_MEMORY 0
#define SPACE_PORT 1

uint64_t acpi_get(struct acpi_table table, uint32_t offset, uint32_t width)
{
    uint64_t value = 0;

    if (offset <= table.size && width <= table.size - offset)
        memcpy(&value, table.data + offset, width);
    return value;
}

static bool sums_to_zero(struct acpi_table table)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < table.size; i++)
        sum = (uint8_t)(sum + table.data[i]);
    return sum == 0;
}

static bool is_table(struct hpa base, const char *signature)
{
    return base.value && !memcmp(kernel_map_memory(base, HEADER_BYTES), signature, 4);
}

/* Size 0: it is not sound. */
static struct acpi_table map_table(struct hpa base)
{
    struct acpi_table table = {kernel_map_memory(base, HEADER_BYTES), HEADER_BYTES};
    uint32_t size = (uint32_t)acpi_get(table, 4, 4);

    if (size < HEADER_BYTES || size > TABLE_BYTES_MAX)
        return (struct acpi_table){NULL, 0};
    table = (struct acpi_table){kernel_map_memory(base, size), size};
    if (!sums_to_zero(table))
        table.size = 0;
    return table;
}

/* --- The root --- */

static bool find_in(struct hpa base, uint32_t size)
{
    const uint8_t *area = kernel_map_memory(base, size);

    for (uint32_t at = 0; at + RSDP_BYTES <= size; at += 16) {
        if (memcmp(area + at, "RSD PTR ", 8) || !sums_to_zero((struct acpi_table){area + at, RSDP_BYTES}))
            continue;
        platform.arch.rsdp = hpa(base.value + at);
        return true;
    }
    return false;
}

static bool find_root(void)
{
    uint16_t segment;

    if (platform.arch.rsdp.value) /* the loader has said */
        return find_in(platform.arch.rsdp, RSDP_BYTES);
    memcpy(&segment, kernel_map_memory(hpa(EBDA_POINTER), sizeof(segment)), sizeof(segment));
    return (segment >= 0x4000 && segment < 0xa000 && find_in(hpa(segment * 16ull), EBDA_BYTES)) ||
           find_in(hpa(BIOS_BASE), BIOS_BYTES);
}

/* --- Tables --- */

static void add_cpu(uint32_t id, uint32_t flags)
{
    if ((flags & APIC_ENABLED) && id != platform.arch.apic_id[0] && platform.cpu_count < BULKHEAD_CPUS_MAX)
        platform.arch.apic_id[platform.cpu_count++] = id;
}

static void read_override(struct acpi_table madt, uint32_t at)
{
    uint32_t source = (uint32_t)acpi_get(madt, at + 3, 1), flags = (uint32_t)acpi_get(madt, at + 8, 2);

    if (source >= ISA_LINES)
        return;
    platform.arch.isa[source].line = (uint32_t)acpi_get(madt, at + 4, 4);
    platform.arch.isa[source].low = (flags & 3) == 3;
    platform.arch.isa[source].level = (flags >> 2 & 3) == 3;
}

static void read_madt(struct acpi_table madt)
{
    uint32_t length;

    for (uint32_t at = MADT_ENTRIES; at + 2 <= madt.size; at += length) {
        length = (uint32_t)acpi_get(madt, at + 1, 1);
        if (length < 2 || length > madt.size - at)
            return;
        switch (acpi_get(madt, at, 1)) {
        case MADT_APIC:
            add_cpu((uint32_t)acpi_get(madt, at + 3, 1), (uint32_t)acpi_get(madt, at + 4, 4));
            break;
        case MADT_X2APIC:
            add_cpu((uint32_t)acpi_get(madt, at + 4, 4), (uint32_t)acpi_get(madt, at + 8, 4));
            break;
        case MADT_IOAPIC:
            if (platform.arch.ioapic_count < IOAPICS_MAX) {
                platform.arch.ioapic[platform.arch.ioapic_count].id = (uint8_t)acpi_get(madt, at + 2, 1);
                platform.arch.ioapic[platform.arch.ioapic_count].base = hpa(acpi_get(madt, at + 4, 4));
                platform.arch.ioapic[platform.arch.ioapic_count++].first = (uint32_t)acpi_get(madt, at + 8, 4);
            }
            break;
        case MADT_OVERRIDE:
            read_override(madt, at);
            break;
        }
    }
}

/* An element of S5's package: ZeroOp, OneOp or a byte. Its size; 0: something else. */
static uint32_t read_element(struct acpi_table dsdt, uint32_t at, uint8_t *value)
{
    uint64_t opcode = acpi_get(dsdt, at, 1);

    *value = (uint8_t)(opcode == 0x0a ? acpi_get(dsdt, at + 1, 1) : opcode);
    return at >= dsdt.size ? 0 : opcode == 0x0a ? 2 : opcode <= 1;
}

/* Name (_S5_, Package {a, b, ...}) is NameOp, name, PackageOp, length (1 to 4 bytes), number of elements, elements. */
static void read_sleep_type(struct acpi_table dsdt)
{
    uint32_t at = HEADER_BYTES, size;

    while (at + 8 <= dsdt.size && memcmp(dsdt.data + at, "_S5_\x12", 5))
        at++;
    if (at + 8 > dsdt.size)
        return;
    at += 5;
    at += 1 + (uint32_t)(acpi_get(dsdt, at, 1) >> 6) + 1;
    size = read_element(dsdt, at, &platform.arch.sleep_type[0]);
    platform.arch.can_sleep =
        size && read_element(dsdt, at + size, &platform.arch.sleep_type[1]) && platform.arch.sleep_port[0];
}

static void read_dsdt(struct hpa base)
{
    struct acpi_table dsdt = {.size = HEADER_BYTES};

    if (!is_table(base, "DSDT"))
        return;
    dsdt.data = kernel_map_memory(base, HEADER_BYTES);
    dsdt.size = (uint32_t)acpi_get(dsdt, 4, 4);
    if (dsdt.size < HEADER_BYTES || dsdt.size > DSDT_BYTES_MAX)
        return;
    dsdt.data = kernel_map_blocks(base, dsdt.size);
    read_sleep_type(dsdt);
    kernel_unmap_blocks(dsdt.data, dsdt.size);
}

static void read_fadt(struct acpi_table fadt)
{
    uint32_t flags = (uint32_t)acpi_get(fadt, FADT_FLAGS, 4);
    uint64_t dsdt = acpi_get(fadt, FADT_X_DSDT, 8), reset = acpi_get(fadt, FADT_RESET_REGISTER + 4, 8);

    platform.arch.pm_timer_port = (uint16_t)acpi_get(fadt, FADT_PM_TIMER, 4);
    platform.arch.pm_timer_32 = flags & FLAG_TIMER_32;
    platform.arch.sleep_port[0] = (uint16_t)acpi_get(fadt, FADT_PM1A_CONTROL, 4);
    platform.arch.sleep_port[1] = (uint16_t)acpi_get(fadt, FADT_PM1B_CONTROL, 4);
    if (acpi_get(fadt, FADT_BOOT_ARCHITECTURE, 2) & BOOT_NO_CLOCK)
        platform.arch.clock_port = 0;
    platform.arch.reset_value = (uint8_t)acpi_get(fadt, FADT_RESET_VALUE, 1);
    if ((flags & FLAG_RESET) && acpi_get(fadt, FADT_RESET_REGISTER, 1) == SPACE_PORT)
        platform.arch.reset_port = (uint16_t)reset;
    else if ((flags & FLAG_RESET) && acpi_get(fadt, FADT_RESET_REGISTER, 1) == SPACE_MEMORY && reset)
        platform.arch.reset_memory = kernel_map_device(hpa(reset), 1);
    read_dsdt(hpa(dsdt ? dsdt : acpi_get(fadt, FADT_DSDT, 4)));
}

/* Segment 0's. */
static void read_mcfg(struct acpi_table mcfg)
{
    for (uint32_t at = 44; at + 16 <= mcfg.size; at += 16) {
        uint8_t first = (uint8_t)acpi_get(mcfg, at + 10, 1), last = (uint8_t)acpi_get(mcfg, at + 11, 1);

        if (acpi_get(mcfg, at + 8, 2) || first)
            continue;
        platform.pci.ecam = hpa(acpi_get(mcfg, at, 8));
        platform.pci.bus_last = last;
        platform.pci.assigned = true;
    }
}

static void read_hpet(struct acpi_table hpet)
{
    if (acpi_get(hpet, 40, 1) == SPACE_MEMORY)
        platform.arch.hpet = hpa(acpi_get(hpet, 44, 8));
}

static struct reader {
    char signature[5];
    void (*read)(struct acpi_table table);
    bool done; /* one of each, so that what is mapped stays bounded */
} readers[] = {{"APIC", read_madt, false},
               {"FACP", read_fadt, false},
               {"MCFG", read_mcfg, false},
               {"HPET", read_hpet, false},
               {"DMAR", dmar_read, false},
               {"IVRS", ivrs_read, false}};

static void read_table(struct hpa base)
{
    const uint8_t *header = base.value ? kernel_map_memory(base, HEADER_BYTES) : NULL;

    for (unsigned i = 0; header && i < sizeof(readers) / sizeof(readers[0]); i++) {
        struct reader *reader = &readers[i];

        if (reader->done || memcmp(header, reader->signature, 4))
            continue;
        reader->done = true;
        reader->read(map_table(base));
    }
}

const char *acpi_read(void)
{
    struct acpi_table rsdp, root;
    uint32_t width = 4;
    struct hpa base;

    for (uint32_t i = 0; i < ISA_LINES; i++)
        platform.arch.isa[i].line = i;
    for (unsigned i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
        readers[i].done = false;
    if (!find_root())
        return "its firmware has no ACPI tables";
    rsdp = (struct acpi_table){kernel_map_memory(platform.arch.rsdp, HEADER_BYTES), HEADER_BYTES};
    base = hpa(acpi_get(rsdp, RSDP_RSDT, 4));
    if (acpi_get(rsdp, RSDP_REVISION, 1) >= 2 && acpi_get(rsdp, RSDP_XSDT, 8)) {
        base = hpa(acpi_get(rsdp, RSDP_XSDT, 8));
        width = 8;
    }
    if (!is_table(base, width == 8 ? "XSDT" : "RSDT"))
        return "its ACPI tables are damaged";
    root = map_table(base);
    for (uint32_t i = 0; i < TABLES_MAX && HEADER_BYTES + (i + 1) * width <= root.size; i++)
        read_table(hpa(acpi_get(root, HEADER_BYTES + i * width, width)));
    return platform.arch.ioapic_count ? NULL : "its ACPI tables name no IOAPIC";
}
