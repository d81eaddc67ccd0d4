/* SPDX-License-Identifier: Apache-2.0 */
/* GICv3's virtual CPU interface: list registers and what else of it is the hypervisor's (Arm IHI 0069, chapter 6). */
#include "vgic.h"

#include <arch/sysreg.h>

#define LR_CASES(DO)                                                                                                   \
    DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)

uint64_t vgic_lr_read(uint32_t index)
{
    switch (index) {
#define READ(n)                                                                                                        \
    case n:                                                                                                            \
        return sysreg_read(ich_lr##n##_el2);
        LR_CASES(READ)
    default:
        return 0;
    }
}

void vgic_lr_write(uint32_t index, uint64_t value)
{
    switch (index) {
#define WRITE(n)                                                                                                       \
    case n:                                                                                                            \
        sysreg_write(ich_lr##n##_el2, value);                                                                          \
        break;
        LR_CASES(WRITE)
    default:
        break;
    }
}

uint32_t vgic_lr_all(void)
{
    return (2u << (sysreg_read(ich_vtr_el2) & 15)) - 1; /* ListRegs: their number less one, at most 16 */
}

#define ICH_HCR_EN 1u
#define ICH_HCR_UIE 2u

void vgic_lr_underflow(bool wanted)
{
    sysreg_write(ich_hcr_el2, wanted ? ICH_HCR_EN | ICH_HCR_UIE : ICH_HCR_EN);
}

void vgic_maintenance(struct vcpu *vcpu)
{
    vgic_maintain(vcpu, (uint32_t)sysreg_read(ich_eisr_el2) & vgic_lr_all());
}

void vgic_reset_vcpu(struct vcpu *vcpu)
{
    vgic_reset_private(vcpu);
    sysreg_write(cntv_ctl_el0, 0);
    sysreg_write(ich_vmcr_el2, 0);
    /* Active priorities: how many registers there are depends on ICH_VTR_EL2.PREbits; more than that are undefined. */
    uint64_t bits = field(sysreg_read(ich_vtr_el2), 26, 3) + 1;

    sysreg_write(ich_ap1r0_el2, 0);
    sysreg_write(ich_ap0r0_el2, 0);
    if (bits >= 6) {
        sysreg_write(ich_ap1r1_el2, 0);
        sysreg_write(ich_ap0r1_el2, 0);
    }
    if (bits >= 7) {
        sysreg_write(ich_ap1r2_el2, 0);
        sysreg_write(ich_ap1r3_el2, 0);
        sysreg_write(ich_ap0r2_el2, 0);
        sysreg_write(ich_ap0r3_el2, 0);
    }
    vgic_lr_underflow(false);
    cpu_request(vcpu->cpu, CPU_REQUEST_INTERRUPTS); /* shared interrupts that came meanwhile stand in the inbox */
}
