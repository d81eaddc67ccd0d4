// SPDX-License-Identifier: Apache-2.0
/* A unit that is overlooked would be a hole: a table that cannot be read to its end counts as unsound as a whole. */
#include <arch/dmar.h>

#include <string.h>

#define FLAGS 37u
#define FLAG_REMAPPING 1u
#define STRUCTURES 48u
enum { STRUCTURE_UNIT = 0, STRUCTURE_REGION = 1 };
#define UNIT_FLAGS 4u
#define UNIT_ALL 1u
#define UNIT_SCOPES 16u
#define REGION_SCOPES 24u
#define SCOPE_PATH 6u

struct dmar dmar;

static uint64_t get(const uint8_t *at, uint32_t width)
{
    uint64_t value = 0;

    memcpy(&value, at, width);
    return value;
}

static bool read_scope(const uint8_t *at, uint32_t size, uint32_t of)
{
    struct dmar_scope *scope = &dmar.scope[dmar.scopes];
    uint32_t hops = (size - SCOPE_PATH) / 2;

    if (size < SCOPE_PATH + 2 || hops > DMAR_PATH_MAX || dmar.scopes == DMAR_SCOPES_MAX)
        return false;
    *scope = (struct dmar_scope){(uint8_t)of, at[0], at[4], at[5], (uint8_t)hops, {0}};
    for (uint32_t i = 0; i < hops; i++)
        scope->path[i] = (uint8_t)(at[SCOPE_PATH + 2 * i] << 3 | (at[SCOPE_PATH + 2 * i + 1] & 7));
    dmar.scopes++;
    return true;
}

static bool read_scopes(const uint8_t *structure, uint32_t at, uint32_t size, uint32_t of)
{
    for (uint32_t length; at < size; at += length) {
        if (size - at < 2)
            return false;
        length = structure[at + 1];
        if (length < SCOPE_PATH || length > size - at || !read_scope(structure + at, length, of))
            return false;
    }
    return true;
}

static bool read_unit(const uint8_t *structure, uint32_t size)
{
    uint32_t index = dmar.units;

    if (size < UNIT_SCOPES || index == DMAR_UNITS_MAX)
        return false;
    dmar.unit[index].all = structure[UNIT_FLAGS] & UNIT_ALL;
    dmar.unit[index].segment = (uint16_t)get(structure + 6, 2);
    dmar.unit[index].base = hpa(get(structure + 8, 8));
    dmar.units++;
    /* What hangs there of another segment has nobody: all of it stays blocked. */
    return dmar.unit[index].segment != 0 || read_scopes(structure, UNIT_SCOPES, size, index);
}

static bool read_region(const uint8_t *structure, uint32_t size)
{
    uint32_t index = dmar.regions;
    uint64_t base, last;

    if (size < REGION_SCOPES || index == DMAR_REGIONS_MAX)
        return false;
    base = get(structure + 8, 8);
    last = get(structure + 16, 8);
    if (get(structure + 6, 2) != 0)
        return true;
    if (last < base)
        return false;
    dmar.region[index].base = hpa(base);
    dmar.region[index].size = last - base + 1;
    dmar.regions++;
    return read_scopes(structure, REGION_SCOPES, size, DMAR_UNITS_MAX + index);
}

static bool read_structures(struct acpi_table table)
{
    for (uint32_t at = STRUCTURES, length; at < table.size; at += length) {
        uint64_t type;
        bool sound = true;

        type = acpi_get(table, at, 2);
        length = (uint32_t)acpi_get(table, at + 2, 2);
        if (length < 4 || length > table.size - at)
            return false;
        if (type == STRUCTURE_UNIT)
            sound = read_unit(table.data + at, length);
        else if (type == STRUCTURE_REGION)
            sound = read_region(table.data + at, length);
        if (!sound)
            return false;
    }
    return true;
}

void dmar_read(struct acpi_table table)
{
    dmar = (struct dmar){0};
    dmar.unsound = table.size < STRUCTURES || !read_structures(table);
    dmar.remapping = acpi_get(table, FLAGS, 1) & FLAG_REMAPPING;
}
