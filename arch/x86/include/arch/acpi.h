/* SPDX-License-Identifier: Apache-2.0 */
/* Firmware's tables, as their readers get them. */
#ifndef ARCH_ACPI_H
#define ARCH_ACPI_H

#include <stdint.h>

#define ACPI_HEADER_BYTES 36u

/* A table whose checksum holds, mapped for good. */
struct acpi_table {
    const uint8_t *data;
    uint32_t size;
};
/* `width` bytes, 1 to 8; fields beyond its end read as 0. */
uint64_t acpi_get(struct acpi_table table, uint32_t offset, uint32_t width);

#endif
