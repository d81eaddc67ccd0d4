/* SPDX-License-Identifier: Apache-2.0 */
/* Firmware's tables, as their readers get them. */
#ifndef BOOT_X86_ACPI_H
#define BOOT_X86_ACPI_H

#pragma GCC visibility push(hidden) /* at a fixed distance: nobody fills in a table of their addresses */
#include <arch/dmar.h>
#include <arch/ivrs.h>
#include <core/platform.h>
#pragma GCC visibility pop

#define ACPI_HEADER_BYTES 36u

/* A table whose checksum holds. */
struct acpi_table {
    const uint8_t *data;
    uint32_t size;
};

/* What only the stage uses. */
struct facts {
    uint64_t rsdp; /* 0: the loader did not say */
    uint64_t hpet; /* 0: none, and so on */
    uint16_t pm_timer_port;
    bool pm_timer_32;    /* else it has 24 bits */
    uint16_t clock_port; /* the CMOS clock's index port */
};
extern struct facts facts __attribute__((visibility("hidden")));

/* `size` bytes of what firmware says is memory; NULL: it does not. */
const uint8_t *firmware_memory(uint64_t address, uint64_t size);

/* `width` bytes, 1 to 8; fields beyond its end read as 0. */
uint64_t acpi_get(struct acpi_table table, uint32_t offset, uint32_t width);

/* Into facts, `platform`, dmar and ivrs. NULL, or why the machine cannot be used. */
const char *acpi_read(void);
void dmar_read(struct acpi_table table);
void ivrs_read(struct acpi_table table);

#endif
