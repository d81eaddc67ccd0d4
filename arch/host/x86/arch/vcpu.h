/* SPDX-License-Identifier: Apache-2.0 */
/* The fake architecture: what the virtual APICs and nested paging need of a vCPU, and AVIC. Machine: arch/host/machine.h. */
#ifndef ARCH_VCPU_H
#define ARCH_VCPU_H

#include <arch/hyperv.h>
#include <arch/vioapic.h>
#include <arch/vlapic.h>
#include <core/address.h>

struct arch_vcpu {
    uint64_t x[16];
    bool nmi_pending, flush;
    struct vlapic vlapic;
    struct hyperv_vcpu hyperv;
    void *control;
    struct {
        bool watched;
    } svm;
};

#define STAGE2_SPARE_TABLES_MAX 16
struct arch_domain {
    uint64_t *stage2, stage2_root, *spare, *split[STAGE2_SPARE_TABLES_MAX];
    uint32_t spare_count, spare_tables;
    uint64_t counter_offset;
    uint8_t *ports;
    struct vioapic vioapic;
    struct hyperv_domain hyperv;
};

#define VCPU_CONTEXT_SIPI UINT64_MAX

struct vcpu;
struct vcpu *vcpu_current(void);

#endif
