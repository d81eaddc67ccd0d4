/* SPDX-License-Identifier: Apache-2.0 */
/* AMD's IOMMUs as ACPI's IVRS tells of them (AMD I/O Virtualization Technology Specification, 48882, chapter 5). */
#ifndef ARCH_IVRS_H
#define ARCH_IVRS_H

#include <core/address.h>

#define IVRS_UNITS_MAX 8
#define IVRS_RANGES_MAX 128
#define IVRS_MEMORY_MAX 8
#define IVRS_IOAPICS_MAX 8

struct ivrs_range { /* requesters that a unit has */
    uint16_t first, last;
    uint16_t alias; /* what their requests say instead; 0: their own */
};

struct ivrs {
    uint32_t unit_count, range_count, ioapic_count, memory_count;
    struct {
        struct hpa base;    /* of its registers */
        uint16_t requester; /* its own, as a PCI function */
        uint8_t flags;      /* how firmware wants it set up (5.2.2.2) */
    } unit[IVRS_UNITS_MAX];
    struct ivrs_range range[IVRS_RANGES_MAX];
    struct {
        uint8_t id; /* as the MADT has it */
        uint16_t requester;
    } ioapic[IVRS_IOAPICS_MAX];
    struct { /* memory that firmware claims for requesters */
        uint16_t first, last;
        struct hpa base;
        uint64_t size;
    } memory[IVRS_MEMORY_MAX];
    unsigned physical_bits;
    bool damaged; /* something did not fit: not to be used */
};
extern struct ivrs ivrs; /* no unit: the machine has none */

#endif
