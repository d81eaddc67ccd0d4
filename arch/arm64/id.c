// SPDX-License-Identifier: Apache-2.0
/*
 * ID registers, filtered. A field that is shown is one whose feature a guest can use without the kernel's help: its
 * state lives in registers that belong to EL1 and that vcpu_reset() resets. Numbers are Arm ARM D19.2 (AArch64) and
 * G8.2 (AArch32).
 */
#include <arch/id.h>
#include <arch/stage2.h>
#include <arch/sysreg.h>

/* PFR0: EL0, EL1, FP, AdvSIMD, GIC, DIT, CSV2, CSV3. EL2 and EL3 are not there. */
#define PFR0 0xff0f00000fff00ffull
/* PFR1: BT, SSBS, CSV2_frac */
#define PFR1 0x0000000f000000ffull
/* DFR0: the debug version; the fewest breakpoints and watchpoints, for which RAZ/WI registers stand */
#define DFR0 0x000000000000000full
#define DFR0_FEWEST (1ull << 12 | 1ull << 20)
/* ISAR0: all but TME */
#define ISAR0 0xfffffffff0ffffffull
/* ISAR1: all but LS64, XS */
#define ISAR1 0x00ffffffffffffffull
/* ISAR2: WFxT, RPRES, GPA3, APA3, BC, PAC_frac, CLRBHB, PRFMSLC, RPRFM, CSSC */
#define ISAR2 0x00ff0f00fff0ffffull
/* MMFR0: ASIDs, endianness, granules */
#define MMFR0 0x00000000ffff0ff0ull
/* MMFR1: HAFDBS, HPDS, PAN, XNX, ETS, AFP, nTLBPA */
#define MMFR1 0x000ff0f0f0f0f00full
/* MMFR2: CnP, UAO, LSM, VARange, CCIDX, AT, TTL, BBM, E0PD */
#define MMFR2 0xf0ff000f00ff0fffull

/* ID_PFR0.. to MVFR2: AArch32 at EL0 has no traps of its own to hide but RAS, AMU and debug. */
static uint64_t aarch32_register(unsigned number)
{
    switch (number) {
    case 0x10:
        return sysreg_read(id_pfr0_el1) & 0xffff;
    case 0x11:
        return sysreg_read(id_pfr1_el1) & ~0xf000f0f0ull; /* security, virtualization, GIC fields of AArch32's EL1 */
    case 0x14:
        return sysreg_read(id_mmfr0_el1);
    case 0x15:
        return sysreg_read(id_mmfr1_el1);
    case 0x16:
        return sysreg_read(id_mmfr2_el1);
    case 0x17:
        return sysreg_read(id_mmfr3_el1);
    case 0x20:
        return sysreg_read(id_isar0_el1);
    case 0x21:
        return sysreg_read(id_isar1_el1);
    case 0x22:
        return sysreg_read(id_isar2_el1);
    case 0x23:
        return sysreg_read(id_isar3_el1);
    case 0x24:
        return sysreg_read(id_isar4_el1);
    case 0x25:
        return sysreg_read(id_isar5_el1);
    case 0x26:
        return sysreg_read(id_mmfr4_el1);
    case 0x27:
        return sysreg_read(s3_0_c0_c2_7); /* ID_ISAR6 */
    case 0x30:
        return sysreg_read(mvfr0_el1);
    case 0x31:
        return sysreg_read(mvfr1_el1);
    case 0x32:
        return sysreg_read(mvfr2_el1);
    case 0x34:
        return sysreg_read(s3_0_c0_c3_4) & 0xff; /* ID_PFR2: CSV3, SSBS */
    default:
        return 0;
    }
}

uint64_t id_register(unsigned crm, unsigned op2)
{
    switch (crm << 4 | op2) {
    case 0x40:
        return sysreg_read(id_aa64pfr0_el1) & PFR0;
    case 0x41:
        return sysreg_read(id_aa64pfr1_el1) & PFR1;
    case 0x50:
        return (sysreg_read(id_aa64dfr0_el1) & DFR0) | DFR0_FEWEST;
    case 0x60:
        return sysreg_read(id_aa64isar0_el1) & ISAR0;
    case 0x61:
        return sysreg_read(id_aa64isar1_el1) & ISAR1;
    case 0x62:
        return sysreg_read(s3_0_c0_c6_2) & ISAR2;
    case 0x70:
        return (sysreg_read(id_aa64mmfr0_el1) & MMFR0) | stage2_parange();
    case 0x71:
        return sysreg_read(id_aa64mmfr1_el1) & MMFR1;
    case 0x72:
        return sysreg_read(s3_0_c0_c7_2) & MMFR2;
    default:
        return aarch32_register(crm << 4 | op2);
    }
}
