// SPDX-License-Identifier: Apache-2.0
/* The input is a DMAR table, whose checksum held. */
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
    dmar_read((struct acpi_table){data, (uint32_t)size});
    if (dmar.units > DMAR_UNITS_MAX || dmar.regions > DMAR_REGIONS_MAX || dmar.scopes > DMAR_SCOPES_MAX)
        abort();
    for (uint32_t i = 0; i < dmar.scopes; i++)
        if (dmar.scope[i].hops == 0 || dmar.scope[i].hops > DMAR_PATH_MAX)
            abort();
    return 0;
}
