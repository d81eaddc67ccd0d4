// SPDX-License-Identifier: Apache-2.0
/* A unit that is overlooked would be a hole: a table that cannot be read to its end counts as unsound as a whole. */
#include "acpi.h"

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

static bool read_scope(struct acpi_table table, uint32_t of)
{
    struct dmar_scope *scope = &dmar.scope[dmar.scopes];
    uint32_t hops = (table.size - SCOPE_PATH) / 2;

    if (hops == 0 || hops > DMAR_PATH_MAX || dmar.scopes == DMAR_SCOPES_MAX)
        return false;
    *scope = (struct dmar_scope){(uint8_t)of, table.data[0], table.data[4], table.data[5], (uint8_t)hops, {0}};
    for (uint32_t i = 0; i < hops; i++)
        scope->path[i] = (uint8_t)(table.data[SCOPE_PATH + 2 * i] << 3 | (table.data[SCOPE_PATH + 2 * i + 1] & 7));
    dmar.scopes++;
    return true;
}

static bool read_scopes(struct acpi_table structure, uint32_t at, uint32_t of)
{
    for (uint32_t length; at < structure.size; at += length) {
        length = (uint32_t)acpi_get(structure, at + 1, 1);
        if (length < SCOPE_PATH || length > structure.size - at ||
            !read_scope((struct acpi_table){structure.data + at, length}, of))
            return false;
    }
    return true;
}

static bool read_unit(struct acpi_table structure)
{
    uint32_t index = dmar.units;

    if (structure.size < UNIT_SCOPES || index == DMAR_UNITS_MAX)
        return false;
    dmar.unit[index].all = structure.data[UNIT_FLAGS] & UNIT_ALL;
    dmar.unit[index].segment = (uint16_t)acpi_get(structure, 6, 2);
    dmar.unit[index].base = hpa(acpi_get(structure, 8, 8));
    dmar.units++;
    /* What hangs there of another segment has nobody: all of it stays blocked. */
    return dmar.unit[index].segment != 0 || read_scopes(structure, UNIT_SCOPES, index);
}

static bool read_region(struct acpi_table structure)
{
    uint64_t base = acpi_get(structure, 8, 8), last = acpi_get(structure, 16, 8);
    uint32_t index = dmar.regions;

    if (structure.size < REGION_SCOPES || index == DMAR_REGIONS_MAX)
        return false;
    if (acpi_get(structure, 6, 2) != 0)
        return true;
    if (last < base)
        return false;
    dmar.region[index].base = hpa(base);
    dmar.region[index].size = last - base + 1;
    dmar.regions++;
    return read_scopes(structure, REGION_SCOPES, DMAR_UNITS_MAX + index);
}

static bool read_structures(struct acpi_table table)
{
    for (uint32_t at = STRUCTURES, length; at < table.size; at += length) {
        uint64_t type = acpi_get(table, at, 2);
        struct acpi_table structure = {table.data + at, (uint32_t)acpi_get(table, at + 2, 2)};

        length = structure.size;
        if (length < 4 || length > table.size - at)
            return false;
        if ((type == STRUCTURE_UNIT && !read_unit(structure)) || (type == STRUCTURE_REGION && !read_region(structure)))
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
