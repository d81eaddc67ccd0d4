/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions that the kernel has a guest take, as the architecture would (Arm ARM, AArch64.TakeException). */
#include "exit.h"

#include <arch/sysreg.h>

#define PSR_FLAGS 0xf0000000u /* N, Z, C, V: an exception leaves them */
#define PSR_DIT (1u << 24)
#define PSR_PAN (1u << 22)
#define PSR_SSBS (1u << 12)
#define PSR_AARCH32 (1u << 4)
#define PSR_MODE 0xfu
#define PSR_EL0 0x0u
#define PSR_EL1T 0x4u
#define SCTLR_SPAN (1ull << 23)
#define SCTLR_DSSBS (1ull << 44)

#define ESR_IL (1ull << 25)
#define EC_UNKNOWN 0x00ull
#define EC_INSTRUCTION_ABORT 0x20ull /* from a lower level; + 1: from EL1 itself */
#define EC_DATA_ABORT 0x24ull
#define FSC_EXTERNAL 0x10ull
#define FSC_EXTERNAL_ON_WALK 0x14ull /* + level */
#define ISS_WRITE (1ull << 6)
#define ISS_ON_WALK (1ull << 7)

static void take_exception(uint64_t esr)
{
    uint64_t from = sysreg_read(spsr_el2), control = sysreg_read(sctlr_el1), offset;
    uint64_t to = SPSR_EL1H_MASKED | (from & (PSR_FLAGS | PSR_DIT | PSR_PAN));

    if (from & PSR_AARCH32)
        offset = 0x600;
    else if ((from & PSR_MODE) == PSR_EL0)
        offset = 0x400;
    else
        offset = (from & PSR_MODE) == PSR_EL1T ? 0x000 : 0x200;
    if (field(sysreg_read(id_aa64mmfr1_el1), 20, 4) != 0 && !(control & SCTLR_SPAN))
        to |= PSR_PAN;
    if (control & SCTLR_DSSBS)
        to |= PSR_SSBS;

    sysreg_write(esr_el1, esr);
    sysreg_write(elr_el1, sysreg_read(elr_el2));
    sysreg_write(spsr_el1, from);
    sysreg_write(elr_el2, sysreg_read(vbar_el1) + offset);
    sysreg_write(spsr_el2, to);
}

void inject_undefined(struct vcpu *vcpu)
{
    count_exit(vcpu, EXIT_UNDEFINED_INJECTED);
    take_exception(EC_UNKNOWN << 26 | ESR_IL);
}

void inject_abort(struct vcpu *vcpu, uint64_t esr)
{
    bool from_el0 =
        (sysreg_read(spsr_el2) & (PSR_MODE | PSR_AARCH32)) == PSR_EL0 || (sysreg_read(spsr_el2) & PSR_AARCH32);
    bool data = field(esr, 26, 6) == EC_DATA_ABORT;
    uint64_t class = (data ? EC_DATA_ABORT : EC_INSTRUCTION_ABORT) + (from_el0 ? 0 : 1);
    uint64_t status = esr & ISS_ON_WALK ? FSC_EXTERNAL_ON_WALK + (esr & 3) : FSC_EXTERNAL;

    count_exit(vcpu, EXIT_ABORT_INJECTED);
    sysreg_write(far_el1, sysreg_read(far_el2));
    take_exception(class << 26 | (esr & ESR_IL) | (data ? esr & ISS_WRITE : 0) | status);
}
