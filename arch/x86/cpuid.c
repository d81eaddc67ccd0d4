// SPDX-License-Identifier: Apache-2.0
/*
 * CPUID for guests: what the CPU has, of what the tables here allow; what neither the guest's own state nor a kernel's
 * emulation stands behind is hidden. Words as in the SDM (volume 2, CPUID) and the AMD APM (volume 3, appendix E).
 */
#include "guest_cpu.h"
#include "vendor.h"

#include <arch/cpu.h>
#include <core/platform.h>

#define BIT(n) (1u << (n))

/* Leaf 1 */
#define FEATURES_1C_PASSED                                                                                             \
    (BIT(0) /* SSE3 */ | BIT(1) /* PCLMULQDQ */ | BIT(9) /* SSSE3 */ | BIT(12) /* FMA */ | BIT(13) /* CX16 */ |        \
     BIT(17) /* PCID */ | BIT(19) | BIT(20) /* SSE4 */ | BIT(22) /* MOVBE */ | BIT(23) /* POPCNT */ |                  \
     BIT(25) /* AES */ | BIT(26) /* XSAVE */ | BIT(28) /* AVX */ | BIT(29) /* F16C */ | BIT(30) /* RDRAND */)
#define FEATURES_1C_GIVEN (BIT(21) /* x2APIC */ | BIT(31) /* hypervisor */)
#define FEATURES_1C_TSC_DEADLINE BIT(24)
#define FEATURES_1C_OSXSAVE BIT(27)
/* FPU, VME, DE, PSE, TSC, MSR, PAE, CX8, APIC; SEP, PGE, CMOV, PAT, PSE-36, CLFSH, MMX, FXSR, SSE, SSE2 */
#define FEATURES_1D_PASSED 0x078bab7fu
#define FEATURES_1D_APIC BIT(9)
#define FEATURES_1D_HTT BIT(28)

/* Leaf 7: FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, INVPCID, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA; AVX-512 */
#define FEATURES_7B_PASSED                                                                                             \
    (BIT(0) | BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(9) | BIT(10) | BIT(18) | BIT(19) | BIT(20) | BIT(23) | BIT(24) | \
     BIT(29))
#define FEATURES_7B_AVX512 (BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31))
/* UMIP, GFNI, VAES, VPCLMULQDQ, RDPID; AVX-512 */
#define FEATURES_7C_PASSED (BIT(2) | BIT(8) | BIT(9) | BIT(10) | BIT(22))
#define FEATURES_7C_AVX512 (BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14))
/* FSRM, MD_CLEAR, SERIALIZE, IBRS and IBPB, STIBP, ARCH_CAPABILITIES, SSBD */
#define FEATURES_7D_PASSED (BIT(4) | BIT(10) | BIT(14) | BIT(26) | BIT(27) | BIT(29) | BIT(31))

/* Leaf 80000001: LAHF, CR8 in legacy mode, ABM, SSE4A, misaligned SSE, PREFETCHW, XOP, FMA4, TBM */
#define FEATURES_81C_PASSED (BIT(0) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(16) | BIT(21))
#define FEATURES_81C_CMP_LEGACY BIT(1)
/* SYSCALL, NX, MMX extensions, FXSR_OPT, 1 GiB pages, RDTSCP, LM, 3DNow; and, on AMD, leaf 1 again */
#define FEATURES_81D_PASSED (BIT(11) | BIT(20) | BIT(22) | BIT(25) | BIT(26) | BIT(27) | BIT(29) | BIT(30) | BIT(31))
#define FEATURES_81D_SAME 0x0183f3ffu
/* CLZERO, XSAVE of error pointers, IBPB, IBRS, STIBP, SSBD; SSB_NO, BTC_NO, IBPB_RET */
#define FEATURES_88B_PASSED (BIT(0) | BIT(2) | BIT(12) | BIT(14) | BIT(15) | BIT(24) | BIT(26) | BIT(29) | BIT(30))
/* No nested data breakpoints, LFENCE serializes, VERW_CLEAR, null selectors clear the base; IBPB_BRTYPE, SRSO_NO */
#define FEATURES_821A_PASSED (BIT(0) | BIT(2) | BIT(5) | BIT(6) | BIT(28) | BIT(29))

#define VIRTUAL_BITS 48u
#define HIGHEST_BASIC 0xdu
#define HIGHEST_EXTENDED 0x80000021u
#define HYPERVISOR 0x40000000u
#define HYPERVISOR_END 0x40000100u

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool has_avx512(void)
{
    return xstate_components() >> 5 & 1;
}

/* Bits that an APIC ID needs. */
static uint32_t id_bits(const struct vcpu *vcpu)
{
    uint32_t count = vcpu->domain->vcpu_count;

    return count > 1 ? 32 - (uint32_t)__builtin_clz(count - 1) : 0;
}

static uint64_t guest_cr4(struct vcpu *vcpu)
{
    struct guest_state state;

    vendor->state(vcpu, &state);
    return state.cr4;
}

/* It is always emulated. But where the CPU has none, Linux better counts down, if it is lent that timer (lent_timer.c). */
static bool has_tsc_deadline(const struct vcpu *vcpu)
{
    enum load_protocol protocol = vcpu->domain->arch.start.protocol;

    return platform.arch.tsc_deadline || apic_virtualization != NULL || (protocol != LOAD_LINUX && protocol != LOAD_PVH);
}

static struct cpuid features(struct vcpu *vcpu, struct cpuid r)
{
    uint32_t count = vcpu->domain->vcpu_count;

    r.ebx = (r.ebx & 0xff00) | count << 16 | vcpu->index << 24;
    r.ecx = (r.ecx & FEATURES_1C_PASSED) | FEATURES_1C_GIVEN | (has_tsc_deadline(vcpu) ? FEATURES_1C_TSC_DEADLINE : 0);
    if ((r.ecx & BIT(26)) && (guest_cr4(vcpu) & CR4_OSXSAVE))
        r.ecx |= FEATURES_1C_OSXSAVE;
    r.edx = (r.edx & FEATURES_1D_PASSED) | FEATURES_1D_APIC | (count > 1 ? FEATURES_1D_HTT : 0);
    return r;
}

static struct cpuid structured_features(struct cpuid r, uint32_t subleaf)
{
    bool wide = has_avx512();

    if (subleaf == 1) /* AVX-VNNI, AVX512-BF16 */
        return (struct cpuid){.eax = r.eax & (BIT(4) | (wide ? BIT(5) : 0))};
    if (subleaf == 2) /* more bits of SPEC_CTRL, and MCDT_NO */
        return (struct cpuid){.edx = r.edx & 0x3f};
    if (subleaf > 2)
        return (struct cpuid){0};
    return (struct cpuid){
        .eax = least(r.eax, 2),
        .ebx = r.ebx & (FEATURES_7B_PASSED | (wide ? FEATURES_7B_AVX512 : 0)),
        .ecx = r.ecx & (FEATURES_7C_PASSED | (wide ? FEATURES_7C_AVX512 : 0)),
        .edx = r.edx & FEATURES_7D_PASSED,
    };
}

/* One thread a core, all in one package. */
static struct cpuid topology(const struct vcpu *vcpu, uint32_t subleaf)
{
    struct cpuid r = {.ecx = subleaf, .edx = vcpu->index};

    if (subleaf == 0) {
        r.ebx = 1;
        r.ecx |= 1 << 8; /* threads */
    } else if (subleaf == 1) {
        r.eax = id_bits(vcpu);
        r.ebx = vcpu->domain->vcpu_count;
        r.ecx |= 2 << 8; /* cores */
    }
    return r;
}

/* Where the last of the components that guests may have ends in the standard format. */
static uint32_t xstate_size(uint64_t components)
{
    uint32_t size = 576;

    for (uint32_t i = 2; i < 63; i++)
        if (components >> i & 1) {
            struct cpuid r = cpuid(0xd, i);

            size = r.eax + r.ebx > size ? r.eax + r.ebx : size;
        }
    return size;
}

static struct cpuid xstate(struct cpuid r, uint32_t subleaf)
{
    uint64_t components = xstate_components();

    if (components == 0)
        return (struct cpuid){0};
    if (subleaf == 0) /* ebx: by XCR0, which is the guest's */
        return (struct cpuid){(uint32_t)components, r.ebx, xstate_size(components), (uint32_t)(components >> 32)};
    if (subleaf == 1) /* XSAVEOPT, XSAVEC, XGETBV with ECX = 1 */
        return (struct cpuid){.eax = r.eax & 7, .ebx = r.eax & BIT(1) ? r.ebx : 0};
    if (subleaf > 62 || !(components >> subleaf & 1))
        return (struct cpuid){0};
    return (struct cpuid){r.eax, r.ebx, r.ecx & BIT(1), 0};
}

static struct cpuid basic(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r = cpuid(leaf, subleaf);

    switch (leaf) {
    case 0:
        r.eax = least(r.eax, HIGHEST_BASIC);
        return r;
    case 1:
        return features(vcpu, r);
    case 2: /* caches */
        return r;
    case 4: /* caches: of one core each */
        r.eax &= 0x3fff;
        return r;
    case 6: /* the APIC timer always runs */
        return (struct cpuid){.eax = BIT(2)};
    case 7:
        return structured_features(r, subleaf);
    case 0xb:
        return topology(vcpu, subleaf);
    case 0xd:
        return xstate(r, subleaf);
    default:
        return (struct cpuid){0};
    }
}

static struct cpuid extended(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r = cpuid(leaf, subleaf), first = cpuid(0x80000000, 0);
    uint32_t count = vcpu->domain->vcpu_count;
    bool amd = first.ebx == 0x68747541; /* "Auth"enticAMD; Intel's leaf says nothing here */

    switch (leaf) {
    case 0x80000000:
        r.eax = least(r.eax, HIGHEST_EXTENDED);
        return r;
    case 0x80000001:
        r.ebx = 0;
        r.ecx = (r.ecx & FEATURES_81C_PASSED) | (amd && count > 1 ? FEATURES_81C_CMP_LEGACY : 0);
        r.edx = (r.edx & (FEATURES_81D_PASSED | (amd ? FEATURES_1D_PASSED & FEATURES_81D_SAME : 0)));
        if (amd)
            r.edx |= FEATURES_1D_APIC;
        return r;
    case 0x80000002: /* its name; caches and TLBs */
    case 0x80000003:
    case 0x80000004:
    case 0x80000005:
    case 0x80000006:
    case 0x80000019:
        return r;
    case 0x80000007: /* the TSC is invariant */
        return (struct cpuid){.edx = hyperv_tsc_invariant(vcpu) ? r.edx & BIT(8) : 0};
    case 0x80000008:
        r.eax = (r.eax & 0xff) | VIRTUAL_BITS << 8; /* without LA57 */
        return (struct cpuid){r.eax, r.ebx & FEATURES_88B_PASSED, amd ? (count - 1) | id_bits(vcpu) << 12 : 0, 0};
    case 0x80000021:
        return (struct cpuid){.eax = r.eax & FEATURES_821A_PASSED};
    default:
        return (struct cpuid){0};
    }
}

struct cpuid guest_cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    if (leaf >= HYPERVISOR && leaf < HYPERVISOR_END)
        return hyperv_cpuid(vcpu, leaf);
    if (leaf <= HIGHEST_BASIC && leaf <= cpuid(0, 0).eax)
        return basic(vcpu, leaf, subleaf);
    if (leaf >= 0x80000000 && leaf <= HIGHEST_EXTENDED && leaf <= cpuid(0x80000000, 0).eax)
        return extended(vcpu, leaf, subleaf);
    return (struct cpuid){0};
}
