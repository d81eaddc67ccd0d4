/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about an arm64 machine, from its device tree (host_tree.c). Const after boot. */
#ifndef ARCH_PLATFORM_H
#define ARCH_PLATFORM_H

#include <bulkhead/limits.h>
#include <core/address.h>
#include <stdbool.h>

#define MPIDR_AFFINITY 0xff00ffffffull
#define GICR_REGIONS_MAX 4

struct arch_platform {
    struct hpa gicd;
    uint64_t gicd_size;
    struct {
        struct hpa base;
        uint64_t size;
    } gicr[GICR_REGIONS_MAX];
    uint32_t gicr_count;
    uint64_t gicr_stride;               /* 0: as GICR_TYPER says */
    struct hpa gicc, gich, gicv;        /* GICv2: CPU interface, list registers, guests' CPU interface */
    uint32_t maintenance_intid;         /* the vGIC's maintenance interrupt, a PPI; 0: none given */
    uint32_t timer_virtual_intid;       /* 27 */
    uint32_t timer_hypervisor_intid;    /* CNTHP: 26 */
    uint64_t cpu_id[BULKHEAD_CPUS_MAX]; /* MPIDR affinity; the boot CPU first */
    uint64_t cpu_release[BULKHEAD_CPUS_MAX]; /* where the firmware's loop takes an entry address from; 0: by PSCI */
    bool psci;
};

#endif
