// SPDX-License-Identifier: Apache-2.0
/* What EL2 sets up on a CPU once, and the registers of a vCPU that starts. */
#include <arch/boot.h>
#include <arch/layout.h>
#include <arch/stage2.h>
#include <arch/sysreg.h>
#include <arch/vgic.h>
#include <core/arch.h>
#include <core/interrupt.h>

#define HCR_GUEST                                                                                                      \
    (HCR_RW | HCR_VM | HCR_SWIO | HCR_IMO | HCR_FMO | HCR_AMO | HCR_TSC | HCR_TIDCP | HCR_TACR | HCR_TID3 | HCR_TERR | \
     HCR_TLOR)
#define CPTR_GUEST                                                                                                     \
    (0x33ffull /* RES1, SVE and SME trap */ | 1ull << 20 /* trace */ | 1ull << 30 /* activity monitors */)
#define MDCR_GUEST                                                                                                     \
    (1ull << 5 /* TPMCR */ | 1ull << 6 /* TPM */ | 7ull << 9 /* TDA, TDOSA, TDRA */ | 1ull << 19 /* TTRF */)
#define CNTHCTL_GUEST 1ull /* the physical counter may be read; the physical timer traps */
#define SCTLR_EL1_RESET 0x30d00800ull
#define SPSR_RESET 0x3c5ull /* EL1h; D, A, I, F masked */

static bool has_pointer_authentication(void)
{
    return (sysreg_read(id_aa64isar1_el1) & 0xff000ff0) || (sysreg_read(s3_0_c0_c6_2) & 0xff00);
}

static bool has_fine_grained_traps(void)
{
    return field(sysreg_read(id_aa64mmfr0_el1), 56, 4);
}

static bool has_extended_hcr(void)
{
    return field(sysreg_read(id_aa64mmfr1_el1), 40, 4);
}

void cpu_setup(void)
{
    sysreg_write(vbar_el2, (uint64_t)vectors);
    sysreg_write(hcr_el2, HCR_GUEST | (has_pointer_authentication() ? HCR_API | HCR_APK : 0));
    sysreg_write(cptr_el2, CPTR_GUEST);
    sysreg_write(mdcr_el2, MDCR_GUEST | (sysreg_read(mdcr_el2) & 0x1f));
    sysreg_write(hstr_el2, 0);
    sysreg_write(cnthctl_el2, CNTHCTL_GUEST);
    sysreg_write(vtcr_el2, stage2_vtcr());
    sysreg_write(vpidr_el2, sysreg_read(midr_el1));
    sysreg_write(vttbr_el2, 0);
    if (has_extended_hcr())
        sysreg_write(s3_4_c1_c2_2, 0); /* HCRX_EL2: none of the later extensions */
    if (has_fine_grained_traps()) {
        sysreg_write(s3_4_c1_c1_4, 0); /* HFGRTR_EL2, HFGWTR_EL2, HFGITR_EL2, HDFGRTR_EL2, HDFGWTR_EL2, HAFGRTR_EL2: */
        sysreg_write(s3_4_c1_c1_5, 0); /* nothing more traps than what HCR_EL2 and MDCR_EL2 say */
        sysreg_write(s3_4_c1_c1_6, 0);
        sysreg_write(s3_4_c3_c1_4, 0);
        sysreg_write(s3_4_c3_c1_5, 0);
    }
    isb();
    asm volatile("tlbi alle1\n\tdsb nsh\n\tisb" ::: "memory");
}

static void reset_system_registers(void)
{
    sysreg_write(sctlr_el1, SCTLR_EL1_RESET);
    sysreg_write(tcr_el1, 0);
    sysreg_write(ttbr0_el1, 0);
    sysreg_write(ttbr1_el1, 0);
    sysreg_write(mair_el1, 0);
    sysreg_write(amair_el1, 0);
    sysreg_write(vbar_el1, 0);
    sysreg_write(cpacr_el1, 0);
    sysreg_write(contextidr_el1, 0);
    sysreg_write(afsr0_el1, 0);
    sysreg_write(afsr1_el1, 0);
    sysreg_write(esr_el1, 0);
    sysreg_write(far_el1, 0);
    sysreg_write(par_el1, 0);
    sysreg_write(elr_el1, 0);
    sysreg_write(spsr_el1, 0);
    sysreg_write(sp_el0, 0);
    sysreg_write(sp_el1, 0);
    sysreg_write(tpidr_el0, 0);
    sysreg_write(tpidrro_el0, 0);
    sysreg_write(tpidr_el1, 0);
    sysreg_write(csselr_el1, 0);
    sysreg_write(mdscr_el1, 0);
    sysreg_write(cntkctl_el1, 0);
    if (has_pointer_authentication()) {
        /* APIA, APIB, APDA, APDB, APGA keys, low and high halves. */
        sysreg_write(s3_0_c2_c1_0, 0);
        sysreg_write(s3_0_c2_c1_1, 0);
        sysreg_write(s3_0_c2_c1_2, 0);
        sysreg_write(s3_0_c2_c1_3, 0);
        sysreg_write(s3_0_c2_c2_0, 0);
        sysreg_write(s3_0_c2_c2_1, 0);
        sysreg_write(s3_0_c2_c2_2, 0);
        sysreg_write(s3_0_c2_c2_3, 0);
        sysreg_write(s3_0_c2_c3_0, 0);
        sysreg_write(s3_0_c2_c3_1, 0);
    }
}

void vcpu_reset(struct vcpu *vcpu, uint64_t entry, uint64_t context)
{
    struct domain *domain = vcpu->domain;

    for (unsigned i = 0; i < 31; i++)
        vcpu->arch.x[i] = 0;
    vcpu->arch.x[0] = context;
    sysreg_write(elr_el2, entry);
    sysreg_write(spsr_el2, SPSR_RESET);
    sysreg_write(vmpidr_el2, 1ull << 31 | vcpu->index);
    sysreg_write(cntvoff_el2, domain->arch.counter_offset);
    if (sysreg_read(vttbr_el2) != domain->arch.vttbr)
        sysreg_write(vttbr_el2, domain->arch.vttbr);
    reset_system_registers();
    fp_reset();
    vgic_reset_vcpu(vcpu);
    isb();
    /* Nothing that the last run translated or fetched, not even by the MMU-off regime. */
    stage2_invalidate(domain);
}

void cpu_registers(uint64_t x[31], uint64_t *sp)
{
    asm volatile("stp x0, x1, [%0]\n\tstp x2, x3, [%0, #16]\n\tstp x4, x5, [%0, #32]\n\tstp x6, x7, [%0, #48]\n\t"
                 "stp x8, x9, [%0, #64]\n\tstp x10, x11, [%0, #80]\n\tstp x12, x13, [%0, #96]\n\t"
                 "stp x14, x15, [%0, #112]\n\tstp x16, x17, [%0, #128]\n\tstp x18, x19, [%0, #144]\n\t"
                 "stp x20, x21, [%0, #160]\n\tstp x22, x23, [%0, #176]\n\tstp x24, x25, [%0, #192]\n\t"
                 "stp x26, x27, [%0, #208]\n\tstp x28, x29, [%0, #224]\n\tstr x30, [%0, #240]" ::"r"(x)
                 : "memory");
    *sp = (uint64_t)__builtin_frame_address(0);
}

void cpu_fault_registers(uint64_t *pc, uint64_t *spsr, uint64_t *esr, uint64_t *far)
{
    *pc = sysreg_read(elr_el2);
    *spsr = sysreg_read(spsr_el2);
    *esr = sysreg_read(esr_el2);
    *far = sysreg_read(far_el2);
}

uint64_t cpu_stack_size(void)
{
    return EL2_STACK_SIZE;
}
