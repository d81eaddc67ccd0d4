// SPDX-License-Identifier: Apache-2.0
/* What EL2 sets up on a CPU once, and the registers of a vCPU that starts. */
#include <arch/boot.h>
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
