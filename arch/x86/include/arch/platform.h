/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about a PC, from ACPI's static tables (boot/x86/acpi.c) and CPUID. Const after boot. */
#ifndef ARCH_PLATFORM_H
#define ARCH_PLATFORM_H

#include <arch/x86/time_scale.h>
#include <bulkhead/limits.h>
#include <core/address.h>

#define IOAPICS_MAX 8
#define ISA_LINES 16

struct arch_platform {
    uint32_t apic_id[BULKHEAD_CPUS_MAX]; /* x2APIC IDs; the boot CPU first */
    struct {
        struct hpa base;
        uint32_t first; /* global system interrupt of its first pin */
        uint32_t pins;
        uint8_t id;
        uint16_t requester; /* by which an IOMMU that remaps interrupts knows it */
    } ioapic[IOAPICS_MAX];
    uint32_t ioapic_count;
    struct {
        uint32_t line; /* global system interrupt of an ISA interrupt */
        bool level, low;
    } isa[ISA_LINES];
    uint16_t reset_port;     /* 0: none; or else: */
    struct hpa reset_memory; /* 0: none */
    uint8_t reset_value;
    uint16_t sleep_port[2]; /* PM1a and PM1b control; 0: none */
    uint8_t sleep_type[2];  /* SLP_TYP of S5 for each */
    bool can_sleep;         /* S5 is known */
    uint16_t serial_port;   /* the kernel's own output; 0: none */
    uint64_t tsc_hz;
    struct time_scale tsc_scale;
    uint64_t apic_counts_per_ns; /* by TIMER_DIVIDE; as in struct time_scale */
    bool tsc_deadline;
    uint64_t apic_hz;       /* of APIC timers, undivided; 0: not known, and not used */
    uint64_t guest_apic_hz; /* of guests' */
    uint64_t wall_origin_s; /* UNIX time at time_ns() 0; 0: the machine has no clock */
    uint64_t init_count;    /* TSC when the other CPUs were sent INITs */
};

#endif
