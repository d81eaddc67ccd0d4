/* SPDX-License-Identifier: Apache-2.0 */
/* Intel's DMA remapping units, as ACPI's DMAR table tells of them (VT-d specification, chapter 8). Const after boot. */
#ifndef ARCH_DMAR_H
#define ARCH_DMAR_H

#include <core/address.h>

#define DMAR_UNITS_MAX 8
#define DMAR_REGIONS_MAX 8
#define DMAR_SCOPES_MAX 64
#define DMAR_PATH_MAX 4

enum dmar_scope_type { DMAR_ENDPOINT = 1, DMAR_BRIDGE = 2, DMAR_IOAPIC = 3, DMAR_HPET = 4, DMAR_NAMESPACE = 5 };

struct dmar_scope {
    uint8_t of; /* a unit, or DMAR_UNITS_MAX + a region */
    uint8_t type;
    uint8_t id; /* IOAPIC: as in the MADT */
    uint8_t bus;
    uint8_t hops;
    uint8_t path[DMAR_PATH_MAX]; /* device << 3 | function: from that bus on, through bridges */
};

struct dmar {
    struct {
        struct hpa base;
        uint16_t segment;
        bool all; /* has every device of the segment that no other unit has */
    } unit[DMAR_UNITS_MAX];
    uint32_t units;
    struct {
        struct hpa base;
        uint64_t size;
    } region[DMAR_REGIONS_MAX]; /* of segment 0 */
    uint32_t regions;
    struct dmar_scope scope[DMAR_SCOPES_MAX];
    uint32_t scopes;
    bool remapping; /* of interrupts: firmware does not object */
    bool unsound;   /* it has more than there is room for, or is damaged: not to be trusted */
};
extern struct dmar dmar;

#endif
