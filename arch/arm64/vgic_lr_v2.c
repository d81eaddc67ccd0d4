/* SPDX-License-Identifier: Apache-2.0 */
/* GICv2's virtual CPU interface: list registers and what else of it is the hypervisor's (Arm IHI 0048, chapter 5). */
#include "vgic.h"

#include <arch/stage2.h>
#include <arch/sysreg.h>
#include <core/arch.h>

enum gich_word { /* offset / 4 */
                 GICH_HCR = 0x00 / 4,
                 GICH_VTR = 0x04 / 4,
                 GICH_VMCR = 0x08 / 4,
                 GICH_EISR0 = 0x20 / 4,
                 GICH_APR = 0xf0 / 4,
                 GICH_LR = 0x100 / 4,
};
#define GICH_HCR_EN 1u
#define GICH_HCR_UIE 2u
#define GICV_BYTES 0x2000u
#define SGIS 0xffffu

/*
 * State [29:28], priority [27:23], physical INTID or, where not linked, the request to tell the end [19:10], linked
 * [31]. Guests of a GICv2 without security states have their interrupts in group 0: Grp1 [30] stays clear.
 */
uint64_t vgic_lr_read(uint32_t index)
{
    uint64_t lr = gic_hypervisor[GICH_LR + index];

    return (lr >> 28 & 3) << 62 | (lr >> 31) << 61 | (lr >> 23 & 31) << 3 << LR_PRIORITY_SHIFT |
           (lr >> 10 & 0x3ff) << LR_PHYSICAL_SHIFT | (lr & 0x3ff);
}

void vgic_lr_write(uint32_t index, uint64_t value)
{
    gic_hypervisor[GICH_LR + index] =
        (uint32_t)((value >> 62) << 28 | (value >> 61 & 1) << 31 | (value >> (LR_PRIORITY_SHIFT + 3) & 31) << 23 |
                   (value >> LR_PHYSICAL_SHIFT & 0x3ff) << 10 | (value & 0x3ff));
}

uint32_t vgic_lr_all(void)
{
    uint32_t count = (gic_hypervisor[GICH_VTR] & 63) + 1;

    return (2u << ((count < VGIC_LRS_MAX ? count : VGIC_LRS_MAX) - 1)) - 1;
}

void vgic_lr_underflow(bool wanted)
{
    gic_hypervisor[GICH_HCR] = wanted ? GICH_HCR_EN | GICH_HCR_UIE : GICH_HCR_EN;
}

void vgic_maintenance(struct vcpu *vcpu)
{
    vgic_maintain(vcpu, gic_hypervisor[GICH_EISR0] & vgic_lr_all());
}

void vgic_reset_vcpu(struct vcpu *vcpu)
{
    vgic_reset_private(vcpu);
    vcpu->arch.vgic.own.enabled = SGIS; /* for good */
    sysreg_write(cntv_ctl_el0, 0);
    gic_hypervisor[GICH_VMCR] = 0;
    gic_hypervisor[GICH_APR] = 0;
    vgic_lr_underflow(false);
    cpu_request(vcpu->cpu, CPU_REQUEST_INTERRUPTS); /* shared interrupts that came meanwhile stand in the inbox */
}

void vgic_map_interface(struct domain *domain, struct ipa at)
{
    stage2_map(domain, at, platform.arch.gicv, GICV_BYTES, STAGE2_READ | STAGE2_WRITE | STAGE2_DEVICE);
}
