// SPDX-License-Identifier: Apache-2.0
/* Input of the firmware's: every length is checked against what is left of the table, and counts against their limit.
 */
#include "acpi.h"

#define IVRS_INFORMATION 36u
#define IVRS_BLOCKS 48u
#define BLOCK_HEADER 24u /* IVHD of type 10h */
#define BLOCK_HEADER_LONG 40u
#define MEMORY_BYTES 32u
#define FUNCTIONS 0x10000u

enum block {
    BLOCK_UNIT = 0x10,
    BLOCK_UNIT_LONG = 0x11,
    BLOCK_UNIT_NAMES = 0x40,
    MEMORY_ALL = 0x20,
    MEMORY_ONE,
    MEMORY_RANGE
};

/* Device entries: the upper two bits say how long one is. */
enum entry {
    ENTRY_ALL = 1,
    ENTRY_ONE,
    ENTRY_START,
    ENTRY_END,
    ENTRY_ALIAS = 66,
    ENTRY_ALIAS_START,
    ENTRY_ONE_LONG = 70,
    ENTRY_START_LONG,
    ENTRY_SPECIAL,
    ENTRY_NAMED = 240,
};
#define ENTRY_NAMED_BYTES 22u
#define SPECIAL_IOAPIC 1

struct ivrs ivrs;

/* Each of these is false where something does not fit. */
static bool add_range(struct ivrs_range range)
{
    if (range.last < range.first || ivrs.range_count == IVRS_RANGES_MAX)
        return false;
    ivrs.range[ivrs.range_count++] = range;
    return true;
}

static bool add_special(struct acpi_table table, uint32_t at)
{
    if (acpi_get(table, at + 7, 1) != SPECIAL_IOAPIC)
        return true;
    if (ivrs.ioapic_count == IVRS_IOAPICS_MAX)
        return false;
    ivrs.ioapic[ivrs.ioapic_count].id = (uint8_t)acpi_get(table, at + 4, 1);
    ivrs.ioapic[ivrs.ioapic_count++].requester = (uint16_t)acpi_get(table, at + 5, 2);
    return true;
}

/* `open` is a range of which only the start has been read; its last is 0 then. */
static bool read_entry(struct acpi_table table, uint32_t at, struct ivrs_range *open)
{
    uint16_t requester = (uint16_t)acpi_get(table, at + 1, 2), alias = (uint16_t)acpi_get(table, at + 5, 2);
    uint8_t kind = (uint8_t)acpi_get(table, at, 1);

    switch (kind) {
    case ENTRY_ALL:
        return add_range((struct ivrs_range){0, FUNCTIONS - 1, 0});
    case ENTRY_ONE:
    case ENTRY_ONE_LONG:
    case ENTRY_ALIAS:
        return add_range((struct ivrs_range){requester, requester, kind == ENTRY_ALIAS ? alias : 0});
    case ENTRY_START:
    case ENTRY_START_LONG:
    case ENTRY_ALIAS_START:
        *open = (struct ivrs_range){requester, 0, kind == ENTRY_ALIAS_START ? alias : 0};
        return true;
    case ENTRY_END:
        open->last = requester;
        return add_range(*open);
    case ENTRY_SPECIAL:
        return add_special(table, at);
    }
    return true;
}

static uint32_t entry_size(struct acpi_table table, uint32_t at)
{
    uint8_t kind = (uint8_t)acpi_get(table, at, 1);

    return kind == ENTRY_NAMED ? ENTRY_NAMED_BYTES + (uint32_t)acpi_get(table, at + 21, 1) : 4u << (kind >> 6);
}

/* A unit has a block of each type that firmware knows; they say the same, newer ones more. */
static bool read_unit(struct acpi_table block, uint32_t header)
{
    struct hpa base = hpa(acpi_get(block, 8, 8));
    struct ivrs_range open = {FUNCTIONS - 1, 0, 0};
    uint32_t size;

    if (base.value == 0 || base.value & (PAGE_SIZE - 1) || acpi_get(block, 16, 2) != 0) /* segment 0 only */
        return false;
    for (uint32_t i = 0; i < ivrs.unit_count; i++)
        if (ivrs.unit[i].base.value == base.value)
            return true;
    if (ivrs.unit_count == IVRS_UNITS_MAX)
        return false;
    ivrs.unit[ivrs.unit_count].base = base;
    ivrs.unit[ivrs.unit_count].flags = (uint8_t)acpi_get(block, 1, 1);
    ivrs.unit[ivrs.unit_count++].requester = (uint16_t)acpi_get(block, 4, 2);
    for (uint32_t at = header; at < block.size; at += size) {
        size = entry_size(block, at);
        if (size > block.size - at || !read_entry(block, at, &open))
            return false;
    }
    return true;
}

/* Exclusion ranges are mapped 1:1 like unity ranges: nothing may pass untranslated. */
static bool read_memory(struct acpi_table block, uint8_t kind)
{
    uint16_t first = kind == MEMORY_ALL ? 0 : (uint16_t)acpi_get(block, 4, 2);
    uint16_t last = kind == MEMORY_ALL ? FUNCTIONS - 1 : kind == MEMORY_ONE ? first : (uint16_t)acpi_get(block, 6, 2);
    uint64_t base = acpi_get(block, 16, 8), size = acpi_get(block, 24, 8);

    if (block.size < MEMORY_BYTES || size == 0 || base + size < base || last < first ||
        ivrs.memory_count == IVRS_MEMORY_MAX)
        return false;
    ivrs.memory[ivrs.memory_count].first = first;
    ivrs.memory[ivrs.memory_count].last = last;
    ivrs.memory[ivrs.memory_count].base = hpa(base);
    ivrs.memory[ivrs.memory_count++].size = size;
    return true;
}

static bool read_block(struct acpi_table block, uint8_t kind, uint8_t unit_kind)
{
    if (kind >= MEMORY_ALL && kind <= MEMORY_RANGE && unit_kind == BLOCK_UNIT)
        return read_memory(block, kind); /* in the last pass, once */
    return kind != unit_kind || read_unit(block, kind == BLOCK_UNIT ? BLOCK_HEADER : BLOCK_HEADER_LONG);
}

static bool read_blocks(struct acpi_table table, uint8_t unit_kind)
{
    for (uint32_t at = IVRS_BLOCKS, size; at + 4 <= table.size; at += size) {
        size = (uint32_t)acpi_get(table, at + 2, 2);
        if (size < 4 || size > table.size - at ||
            !read_block((struct acpi_table){table.data + at, size}, (uint8_t)acpi_get(table, at, 1), unit_kind))
            return false;
    }
    return true;
}

void ivrs_read(struct acpi_table table)
{
    ivrs = (struct ivrs){.physical_bits = acpi_get(table, IVRS_INFORMATION, 4) >> 8 & 0x7f};
    ivrs.damaged = !read_blocks(table, BLOCK_UNIT_NAMES) || !read_blocks(table, BLOCK_UNIT_LONG) ||
                   !read_blocks(table, BLOCK_UNIT);
}
