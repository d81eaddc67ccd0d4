/* SPDX-License-Identifier: Apache-2.0 */
/* See arch/hyperv.h; sections are those of the TLFS, version 6.0b. */
#include "vendor.h"

#include <arch/apic.h>
#include <arch/cpu.h>
#include <arch/stage2.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/memory.h>
#include <core/platform.h>
#include <string.h>

enum hyperv_msr {
    MSR_GUEST_OS_ID = 0x40000000,
    MSR_HYPERCALL = 0x40000001,
    MSR_VP_INDEX = 0x40000002,
    MSR_TIME_REF_COUNT = 0x40000020,
    MSR_REFERENCE_TSC = 0x40000021,
    MSR_TSC_FREQUENCY = 0x40000022,
    MSR_APIC_FREQUENCY = 0x40000023,
    MSR_EOI = 0x40000070,
    MSR_ICR = 0x40000071,
    MSR_TPR = 0x40000072,
    MSR_VP_ASSIST_PAGE = 0x40000073,
    MSR_TSC_INVARIANT_CONTROL = 0x40000118,
};
#define PAGE_ENABLED 1u
#define HYPERCALL_LOCKED 2u

/* 2.4: what leaf 0x40000003 and 0x40000004 say */
#define FEATURE_TIME_REF_COUNT (1u << 1)
#define FEATURE_APIC_MSRS (1u << 4) /* and the assist page */
#define FEATURE_HYPERCALL (1u << 5)
#define FEATURE_VP_INDEX (1u << 6)
#define FEATURE_REFERENCE_TSC (1u << 9)
#define FEATURE_FREQUENCIES (1u << 11)
#define FEATURE_TSC_INVARIANT (1u << 15)
#define FEATURE_FREQUENCIES_EDX (1u << 8)
#define LEAF_HINTS 0x40000004u
#define HINT_APIC_MSRS (1u << 3)
#define HINT_RELAXED_TIMING (1u << 5)
#define HINT_X2APIC (1u << 8)
#define SPINLOCKS_NEVER UINT32_MAX /* no hypercall for a spin lock that is held long */
#define VPS_MAX BULKHEAD_CPUS_MAX

#define REFERENCE_HZ 10000000u /* 100 ns */

/* 12.7: reference time = (TSC * scale >> 64) + offset */
struct hyperv_reference_tsc {
    uint32_t sequence; /* 0: not valid */
    uint32_t reserved;
    uint64_t scale;
    int64_t offset;
};

/* 3.13: what guests call for a hypercall. There are none: mov eax, HV_STATUS_INVALID_HYPERCALL_CODE; ret. */
static const uint8_t hypercall_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE))) = {0xb8, 2, 0, 0, 0, 0xc3};

static bool has_interface(const struct domain *domain)
{
    return domain->arch.hyperv.time != NULL;
}

struct cpuid hyperv_cpuid(const struct vcpu *vcpu, uint32_t leaf)
{
    static const struct cpuid leaves[] = {
        {0x40000005, 0x7263694d, 0x666f736f, 0x76482074}, /* "Microsoft Hv" */
        {0x31237648, 0, 0, 0},                            /* "Hv#1" */
        {0, 0, 0, 0},                                     /* version */
        {FEATURE_TIME_REF_COUNT | FEATURE_APIC_MSRS | FEATURE_HYPERCALL | FEATURE_VP_INDEX | FEATURE_REFERENCE_TSC |
             FEATURE_FREQUENCIES | FEATURE_TSC_INVARIANT,
         0, 0, FEATURE_FREQUENCIES_EDX},
        {HINT_APIC_MSRS | HINT_RELAXED_TIMING | HINT_X2APIC, SPINLOCKS_NEVER, 0, 0},
        {VPS_MAX, VPS_MAX, 0, 0},
    };
    uint32_t index = leaf - 0x40000000;
    struct cpuid r;

    if (!has_interface(vcpu->domain) || index >= sizeof(leaves) / sizeof(leaves[0]))
        return (struct cpuid){0};
    r = leaves[index];
    if (leaf == LEAF_HINTS && apic_virtualization != NULL) /* where the APIC's own EOI does not exit */
        r.eax &= ~HINT_APIC_MSRS;
    return r;
}

bool hyperv_tsc_invariant(const struct vcpu *vcpu)
{
    return !has_interface(vcpu->domain) || (vcpu->domain->arch.hyperv.tsc_invariant & 1);
}

/* --- Pages over the guest's memory --- */

static struct ipa page_of(uint64_t msr_value)
{
    return ipa(msr_value & ~(PAGE_SIZE - 1));
}

/* What the register held, and what it gets. False: the page is not in the guest's memory. */
static bool move_page(struct domain *domain, uint64_t old, uint64_t new, const void *page, uint32_t rights)
{
    if (old & PAGE_ENABLED)
        stage2_overlay(domain, page_of(old), hpa(0), 0);
    return !(new &PAGE_ENABLED) || stage2_overlay(domain, page_of(new), kernel_hpa(page), rights);
}

static bool set_domain_page(struct domain *domain, uint64_t *msr, uint64_t value, const void *page, uint32_t rights)
{
    bool moved;

    spinlock_acquire(&domain->arch.hyperv.lock);
    moved = move_page(domain, *msr, value, page, rights);
    *msr = moved ? value : 0;
    spinlock_release(&domain->arch.hyperv.lock);
    return moved;
}

static bool set_assist_page(struct vcpu *vcpu, uint64_t value)
{
    struct hyperv_vcpu *hyperv = &vcpu->arch.hyperv;
    bool moved;

    vlapic_set_assist(vcpu, NULL);
    memset(hyperv->assist_page, 0, PAGE_SIZE);
    spinlock_acquire(&vcpu->domain->arch.hyperv.lock);
    moved = move_page(vcpu->domain, hyperv->assist, value, hyperv->assist_page, STAGE2_READ | STAGE2_WRITE);
    spinlock_release(&vcpu->domain->arch.hyperv.lock);
    hyperv->assist = moved ? value : 0;
    if (hyperv->assist & PAGE_ENABLED)
        vlapic_set_assist(vcpu, hyperv->assist_page);
    return moved;
}

/* --- Registers --- */

static uint64_t reference_time(const struct domain *domain)
{
    return (uint64_t)((unsigned __int128)timer_guest_count(domain) * domain->arch.hyperv.time->scale >> 64);
}

bool hyperv_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    const struct hyperv_domain *hyperv = &vcpu->domain->arch.hyperv;

    if (!has_interface(vcpu->domain))
        return false;
    switch (msr) {
    case MSR_GUEST_OS_ID:
        *value = hyperv->guest_os_id;
        return true;
    case MSR_HYPERCALL:
        *value = hyperv->hypercall;
        return true;
    case MSR_VP_INDEX:
        *value = vcpu->index;
        return true;
    case MSR_TIME_REF_COUNT:
        *value = reference_time(vcpu->domain);
        return true;
    case MSR_REFERENCE_TSC:
        *value = hyperv->reference_tsc;
        return true;
    case MSR_TSC_FREQUENCY:
        *value = platform.arch.tsc_hz;
        return true;
    case MSR_APIC_FREQUENCY:
        *value = platform.arch.guest_apic_hz;
        return true;
    case MSR_ICR:
        if (!vlapic_msr_read(vcpu, X2APIC_ICR, value))
            return false;
        *value = (*value & UINT32_MAX) | *value >> 32 << 56;
        return true;
    case MSR_TPR:
        return vlapic_msr_read(vcpu, X2APIC_TPR, value);
    case MSR_VP_ASSIST_PAGE:
        *value = vcpu->arch.hyperv.assist;
        return true;
    case MSR_TSC_INVARIANT_CONTROL:
        *value = hyperv->tsc_invariant;
        return true;
    default:
        return false;
    }
}

static bool set_hypercall(struct domain *domain, uint64_t value)
{
    struct hyperv_domain *hyperv = &domain->arch.hyperv;

    if (hyperv->hypercall & HYPERCALL_LOCKED)
        return true;
    if (hyperv->guest_os_id == 0) /* 3.13: cannot be enabled before the guest has said what it is */
        value &= ~(uint64_t)PAGE_ENABLED;
    return set_domain_page(domain, &hyperv->hypercall, value, hypercall_page, STAGE2_READ | STAGE2_EXECUTE);
}

static bool set_guest_os_id(struct domain *domain, uint64_t value)
{
    domain->arch.hyperv.guest_os_id = value;
    return value != 0 || set_hypercall(domain, 0);
}

/* The 8-bit destination of an xAPIC, whose 0xff is everybody. */
static bool send_ipi(struct vcpu *vcpu, uint64_t value)
{
    uint64_t destination = value >> 56;

    return vlapic_msr_write(vcpu, X2APIC_ICR,
                            (value & UINT32_MAX) | (destination == 0xff ? UINT32_MAX : destination) << 32);
}

bool hyperv_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    struct domain *domain = vcpu->domain;
    struct hyperv_domain *hyperv = &domain->arch.hyperv;

    if (!has_interface(domain))
        return false;
    switch (msr) {
    case MSR_GUEST_OS_ID:
        return set_guest_os_id(domain, value);
    case MSR_HYPERCALL:
        return set_hypercall(domain, value);
    case MSR_REFERENCE_TSC:
        return set_domain_page(domain, &hyperv->reference_tsc, value, hyperv->time, STAGE2_READ);
    case MSR_EOI:
        vlapic_eoi(vcpu);
        return true;
    case MSR_ICR:
        return send_ipi(vcpu, value);
    case MSR_TPR:
        return vlapic_msr_write(vcpu, X2APIC_TPR, value);
    case MSR_VP_ASSIST_PAGE:
        return set_assist_page(vcpu, value);
    case MSR_TSC_INVARIANT_CONTROL:
        hyperv->tsc_invariant = value;
        return value <= 1;
    default:
        return false;
    }
}

/* --- Life --- */

void hyperv_init(struct domain *domain)
{
    struct hyperv_reference_tsc *time;

    time = memory_pages(1);
    time->sequence = 1;
    time->scale = divide128(REFERENCE_HZ, 0, platform.arch.tsc_hz);
    domain->arch.hyperv.time = time;
    for (uint32_t i = 0; i < domain->vcpu_count; i++)
        domain->vcpu[i]->arch.hyperv.assist_page = memory_pages(1);
}

void hyperv_reset_vcpu(struct vcpu *vcpu)
{
    if (has_interface(vcpu->domain))
        set_assist_page(vcpu, 0);
}

void hyperv_reset(struct domain *domain)
{
    struct hyperv_domain *hyperv = &domain->arch.hyperv;

    if (!has_interface(domain))
        return;
    set_domain_page(domain, &hyperv->hypercall, 0, NULL, 0);
    set_domain_page(domain, &hyperv->reference_tsc, 0, NULL, 0);
    for (uint32_t i = 0; i < domain->vcpu_count; i++) {
        move_page(domain, domain->vcpu[i]->arch.hyperv.assist, 0, NULL, 0);
        domain->vcpu[i]->arch.hyperv.assist = 0;
    }
    hyperv->guest_os_id = hyperv->tsc_invariant = 0;
    stage2_overlay_reset(domain);
}
