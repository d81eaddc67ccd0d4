// SPDX-License-Identifier: Apache-2.0
/* AMD's IVRS of any bytes; its header, which acpi.c has checked, is put in front of them. */
#include <boot/x86/acpi.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

uint64_t acpi_get(struct acpi_table table, uint32_t offset, uint32_t width)
{
    uint64_t value = 0;

    if (offset <= table.size && width <= table.size - offset)
        memcpy(&value, table.data + offset, width);
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *table;

    if (size > 65536 - ACPI_HEADER_BYTES)
        return 0;
    table = calloc(1, size + ACPI_HEADER_BYTES);
    memcpy(table + ACPI_HEADER_BYTES, data, size);
    ivrs_read((struct acpi_table){table, (uint32_t)size + ACPI_HEADER_BYTES});
    free(table);
    if (ivrs.unit_count > IVRS_UNITS_MAX || ivrs.range_count > IVRS_RANGES_MAX ||
        ivrs.ioapic_count > IVRS_IOAPICS_MAX || ivrs.memory_count > IVRS_MEMORY_MAX)
        abort();
    for (uint32_t i = 0; i < ivrs.range_count; i++)
        if (ivrs.range[i].last < ivrs.range[i].first)
            abort();
    return 0;
}
