// SPDX-License-Identifier: Apache-2.0
/*
 * MSRs for guests. Those that hold nobody else's state are the guest's own and do not exit; the APIC's, the Hyper-V
 * interface's and the vendor's have their files; of the rest there is a short table. Any other gives #GP.
 */
#include "guest_cpu.h"
#include "vendor.h"

#include <arch/cpu.h>
#include <arch/layout.h>
#include <arch/timer.h>

#define MSR_PLATFORM_ID 0x17u
#define MSR_FEATURE_CONTROL 0x3au
#define MSR_SPEC_CTRL 0x48u
#define MSR_PRED_CMD 0x49u
#define MSR_MICROCODE 0x8bu
#define MSR_ARCH_CAPABILITIES 0x10au
#define MSR_FLUSH_CMD 0x10bu
#define MSR_MISC_ENABLE 0x1a0u
#define MSR_SYSCFG 0xc0010010u
#define MSR_HWCR 0xc0010015u
#define MSR_NORTHBRIDGE 0xc001001fu
#define MSR_INT_PENDING 0xc0010055u
#define MSR_LOADSTORE 0xc0011020u
#define MSR_DATA_CACHE 0xc0011022u
#define MSR_BUS_UNIT 0xc0011023u
#define MSR_DECODE 0xc0011029u

#define FEATURE_CONTROL_LOCKED 1u
#define MISC_ENABLE_NO_TRACES (1u << 11 | 1u << 12) /* neither BTS nor PEBS */
#define MISC_ENABLE_FAST_STRINGS 1u
#define HWCR_TSC_AT_P0 (1u << 24)
#define DECODE_LFENCE_SERIALIZES 2u
/*
 * Of ARCH_CAPABILITIES, what says which flaws the CPU has or has not, and which a guest's own instructions help against;
 * not what stands for another MSR: TSX_CTRL, MCU, DOITM, FB_CLEAR_CTRL, XAPIC_DISABLE, GDS_CTRL, ...
 */
#define CAPABILITIES_PASSED 0x400000001d1ae17full
#define PRED_CMD_IBPB 1u
#define FLUSH_CMD_L1D 1u

#define SPEC_CTRL_FEATURES (1u << 26 | 1u << 27 | 1u << 31)     /* CPUID 7 edx */
#define AMD_SPEC_CTRL_FEATURES (1u << 14 | 1u << 15 | 1u << 24) /* CPUID 80000008 ebx */
#define AMD_IBPB (1u << 12)
#define L1D_FLUSH (1u << 28)
#define ARCH_CAPABILITIES (1u << 29)

static bool has_spec_ctrl(void)
{
    return cpuid(7, 0).edx & SPEC_CTRL_FEATURES || cpuid(0x80000008, 0).ebx & AMD_SPEC_CTRL_FEATURES;
}

static bool has_ibpb(void)
{
    return cpuid(7, 0).edx & 1u << 26 || cpuid(0x80000008, 0).ebx & AMD_IBPB;
}

static bool has_tsc_aux(void)
{
    return cpuid(0x80000001, 0).edx & 1u << 27 || cpuid(7, 0).ecx & 1u << 22;
}

const uint32_t *msr_guests_own(void)
{
    static uint32_t list[16] = {
        MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_STAR,    MSR_LSTAR,
        MSR_CSTAR,       MSR_SFMASK,       MSR_FS_BASE,      MSR_GS_BASE, MSR_KERNEL_GS_BASE,
    };
    unsigned count = 10;

    if (has_tsc_aux())
        list[count++] = MSR_TSC_AUX;
    if (has_spec_ctrl())
        list[count++] = MSR_SPEC_CTRL;
    if (has_ibpb())
        list[count++] = MSR_PRED_CMD;
    return list;
}

void guest_msr_reset(void)
{
    uint16_t selector = SELECTOR_DATA;

    for (const uint32_t *msr = msr_guests_own(); *msr != 0; msr++)
        msr_write(*msr, *msr == MSR_PRED_CMD ? PRED_CMD_IBPB : 0);
    if (cpuid(7, 0).edx & L1D_FLUSH)
        msr_write(MSR_FLUSH_CMD, FLUSH_CMD_L1D);
    __asm__ volatile("verw %0" ::"m"(selector) : "cc"); /* MD_CLEAR, VERW_CLEAR: buffers of loads and stores */
}

/* MSRs that say what kind of CPU this is. Writes that stock kernels make at boot change nothing. */
static const struct constant {
    uint32_t msr;
    bool amd, writable;
    uint32_t value;
} constants[] = {
    {MSR_PLATFORM_ID, false, false, 0},
    {MSR_FEATURE_CONTROL, false, false, FEATURE_CONTROL_LOCKED},
    {MSR_MICROCODE, false, true, 0},
    {MSR_MISC_ENABLE, false, true, MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_NO_TRACES},
    {MSR_MICROCODE, true, false, 0},
    {MSR_SYSCFG, true, false, 0},
    {MSR_HWCR, true, true, HWCR_TSC_AT_P0},
    {MSR_NORTHBRIDGE, true, false, 0},
    {MSR_INT_PENDING, true, false, 0},
    {MSR_LOADSTORE, true, true, 0},
    {MSR_DATA_CACHE, true, true, 0},
    {MSR_BUS_UNIT, true, true, 0},
    {MSR_DECODE, true, true, DECODE_LFENCE_SERIALIZES},
};

static const struct constant *find(uint32_t msr)
{
    bool amd = vendor == &svm;

    for (unsigned i = 0; i < sizeof(constants) / sizeof(*constants); i++)
        if (constants[i].msr == msr && constants[i].amd == amd)
            return &constants[i];
    return NULL;
}

static bool is_apic(uint32_t msr)
{
    return msr >> 8 == 0x8 || msr == MSR_TSC_DEADLINE || msr == MSR_APIC_BASE;
}

static bool is_hypervisor(uint32_t msr)
{
    return msr - 0x40000000u < 0x200;
}

bool guest_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    const struct constant *constant;

    if (is_apic(msr))
        return vlapic_msr_read(vcpu, msr, value);
    if (is_hypervisor(msr))
        return hyperv_msr_read(vcpu, msr, value);
    switch (msr) {
    case MSR_TSC:
        *value = timer_count() + vcpu->arch.tsc_offset;
        return true;
    case MSR_ARCH_CAPABILITIES:
        if (!(cpuid(7, 0).edx & ARCH_CAPABILITIES))
            return false;
        *value = msr_read(msr) & CAPABILITIES_PASSED;
        return true;
    default:
        if (vendor->msr_read(vcpu, msr, value))
            return true;
        constant = find(msr);
        if (constant != NULL)
            *value = constant->value;
        return constant != NULL;
    }
}

bool guest_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    const struct constant *constant;

    if (is_apic(msr))
        return vlapic_msr_write(vcpu, msr, value);
    if (is_hypervisor(msr))
        return hyperv_msr_write(vcpu, msr, value);
    if (vendor->msr_write(vcpu, msr, value))
        return true;
    constant = find(msr);
    return constant != NULL && constant->writable;
}
