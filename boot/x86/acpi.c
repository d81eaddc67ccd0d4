// SPDX-License-Identifier: Apache-2.0
/*
 * The machine's facts from ACPI's static tables (ACPI 6.5, chapter 5; PCI Firmware 3.3 for the MCFG; HPET 1.0a). No
 * AML is run: of the DSDT only the sleep type of S5 is looked for. Firmware's tables are input like any other: every
 * length is checked against the table's own, and that against a limit.
 */
#include "acpi.h"

#include <string.h>

#define TABLES_MAX 64
#define TABLE_BYTES_MAX 65536u
#define DSDT_BYTES_MAX (16u * 1024 * 1024)

/* RSDP */
#define RSDP_BYTES 20u
#define RSDP_BYTES_LONG 36u
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

static bool is_table(uint64_t base, const char *signature)
{
    const uint8_t *header = base ? firmware_memory(base, ACPI_HEADER_BYTES) : NULL;

    return header != NULL && !memcmp(header, signature, 4);
}

/* Size 0: there is none, or not all of it, or it is larger than `limit`. */
static struct acpi_table find_table(uint64_t base, uint32_t limit)
{
    struct acpi_table table = {firmware_memory(base, ACPI_HEADER_BYTES), ACPI_HEADER_BYTES};

    if (table.data == NULL)
        return (struct acpi_table){NULL, 0};
    table.size = (uint32_t)acpi_get(table, 4, 4);
    if (table.size < ACPI_HEADER_BYTES || table.size > limit)
        return (struct acpi_table){NULL, 0};
    table.data = firmware_memory(base, table.size);
    return table.data != NULL ? table : (struct acpi_table){NULL, 0};
}

/* Size 0: it is not sound. */
static struct acpi_table find_sound_table(uint64_t base)
{
    struct acpi_table table = find_table(base, TABLE_BYTES_MAX);

    return sums_to_zero(table) ? table : (struct acpi_table){NULL, 0};
}

/* --- The root --- */

static bool find_in(uint64_t base, uint32_t size)
{
    const uint8_t *area = firmware_memory(base, size);

    for (uint32_t at = 0; area != NULL && at + RSDP_BYTES <= size; at += 16) {
        if (memcmp(area + at, "RSD PTR ", 8) || !sums_to_zero((struct acpi_table){area + at, RSDP_BYTES}))
            continue;
        facts.rsdp = base + at;
        return true;
    }
    return false;
}

static bool find_root(void)
{
    const uint8_t *pointer;
    uint16_t segment = 0;

    if (facts.rsdp) /* the loader has said */
        return find_in(facts.rsdp, RSDP_BYTES);
    pointer = firmware_memory(EBDA_POINTER, sizeof(segment));
    if (pointer != NULL)
        memcpy(&segment, pointer, sizeof(segment));
    return (segment >= 0x4000 && segment < 0xa000 && find_in(segment * 16ull, EBDA_BYTES)) ||
           find_in(BIOS_BASE, BIOS_BYTES);
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
    uint32_t at = ACPI_HEADER_BYTES, size;

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

static void read_dsdt(uint64_t base)
{
    struct acpi_table dsdt = {NULL, 0};

    if (is_table(base, "DSDT"))
        dsdt = find_table(base, DSDT_BYTES_MAX);
    if (dsdt.size > 0)
        read_sleep_type(dsdt);
}

static void read_fadt(struct acpi_table fadt)
{
    uint32_t flags = (uint32_t)acpi_get(fadt, FADT_FLAGS, 4);
    uint64_t dsdt = acpi_get(fadt, FADT_X_DSDT, 8), reset = acpi_get(fadt, FADT_RESET_REGISTER + 4, 8);

    facts.pm_timer_port = (uint16_t)acpi_get(fadt, FADT_PM_TIMER, 4);
    facts.pm_timer_32 = flags & FLAG_TIMER_32;
    platform.arch.sleep_port[0] = (uint16_t)acpi_get(fadt, FADT_PM1A_CONTROL, 4);
    platform.arch.sleep_port[1] = (uint16_t)acpi_get(fadt, FADT_PM1B_CONTROL, 4);
    if (acpi_get(fadt, FADT_BOOT_ARCHITECTURE, 2) & BOOT_NO_CLOCK)
        facts.clock_port = 0;
    platform.arch.reset_value = (uint8_t)acpi_get(fadt, FADT_RESET_VALUE, 1);
    if ((flags & FLAG_RESET) && acpi_get(fadt, FADT_RESET_REGISTER, 1) == SPACE_PORT)
        platform.arch.reset_port = (uint16_t)reset;
    else if ((flags & FLAG_RESET) && acpi_get(fadt, FADT_RESET_REGISTER, 1) == SPACE_MEMORY && reset)
        platform.arch.reset_memory = hpa(reset);
    read_dsdt(dsdt ? dsdt : acpi_get(fadt, FADT_DSDT, 4));
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
        facts.hpet = acpi_get(hpet, 44, 8);
}

enum reader { READ_MADT, READ_FADT, READ_MCFG, READ_HPET, READ_DMAR, READ_IVRS, READERS };

/* One of each is read. */
static void read_table(uint64_t base, bool done[READERS])
{
    static const char signatures[READERS][5] = {"APIC", "FACP", "MCFG", "HPET", "DMAR", "IVRS"};
    enum reader reader = READ_MADT;

    while (reader < READERS && !is_table(base, signatures[reader]))
        reader++;
    if (reader == READERS || done[reader])
        return;
    done[reader] = true;
    switch (reader) {
    case READ_MADT:
        return read_madt(find_sound_table(base));
    case READ_FADT:
        return read_fadt(find_sound_table(base));
    case READ_MCFG:
        return read_mcfg(find_sound_table(base));
    case READ_HPET:
        return read_hpet(find_sound_table(base));
    case READ_DMAR:
        return dmar_read(find_sound_table(base));
    default:
        return ivrs_read(find_sound_table(base));
    }
}

const char *acpi_read(void)
{
    struct acpi_table rsdp, root;
    bool done[READERS] = {false};
    uint32_t width = 4;
    uint64_t base;

    for (uint32_t i = 0; i < ISA_LINES; i++)
        platform.arch.isa[i].line = i;
    if (!find_root())
        return "its firmware has no ACPI tables";
    rsdp = (struct acpi_table){firmware_memory(facts.rsdp, RSDP_BYTES_LONG), RSDP_BYTES_LONG};
    if (rsdp.data == NULL)
        return "its ACPI tables are damaged";
    base = acpi_get(rsdp, RSDP_RSDT, 4);
    if (acpi_get(rsdp, RSDP_REVISION, 1) >= 2 && acpi_get(rsdp, RSDP_XSDT, 8)) {
        base = acpi_get(rsdp, RSDP_XSDT, 8);
        width = 8;
    }
    if (!is_table(base, width == 8 ? "XSDT" : "RSDT"))
        return "its ACPI tables are damaged";
    root = find_sound_table(base);
    for (uint32_t i = 0; i < TABLES_MAX && ACPI_HEADER_BYTES + (i + 1) * width <= root.size; i++)
        read_table(acpi_get(root, ACPI_HEADER_BYTES + i * width, width), done);
    return platform.arch.ioapic_count ? NULL : "its ACPI tables name no IOAPIC";
}
