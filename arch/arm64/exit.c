/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's exit was for, by ESR_EL2 (Arm ARM D19.2.40). */
#include "exit.h"

#include <arch/gic.h>
#include <arch/sysreg.h>
#include <core/deadline.h>
#include <core/hypercall.h>
#include <core/log.h>
#include <core/mmio.h>

enum exception_class {
    EC_WFX = 0x01,
    EC_HVC64 = 0x16,
    EC_SMC64 = 0x17,
    EC_SYSREG = 0x18,
    EC_INSTRUCTION_ABORT = 0x20,
    EC_DATA_ABORT = 0x24,
};

/* ISS of a data abort */
#define ISS_FSC_TYPE(esr) ((esr) >> 2 & 15)
#define FSC_TRANSLATION 1
#define FSC_PERMISSION 3
#define ISS_WRITE (1u << 6)
#define ISS_ON_WALK (1u << 7)
#define ISS_CACHE (1u << 8) /* a cache maintenance instruction */
#define ISS_SF (1u << 15)
#define ISS_SSE (1u << 21)
#define ISS_VALID (1u << 24)

#define RETRY_NS 1000000u /* how long at most before a guest repeats an access that has to wait */

static inline void skip_instruction(void)
{
    sysreg_write(elr_el2, sysreg_read(elr_el2) + 4);
}

static void wake_up(struct deadline *deadline)
{
    (void)deadline;
}

/* The guest's access has to wait for something that another CPU does, which interrupts this one when it is done. */
static __attribute__((noinline)) void wait_and_retry(struct vcpu *vcpu)
{
    static struct deadline retry[BULKHEAD_CPUS_MAX];

    retry[vcpu->cpu].expired = wake_up;
    deadline_set(&retry[vcpu->cpu], time_ns() + RETRY_NS);
    cpu_wait();
}

/*
 * The page of a permission fault: HPFAR_EL2 need not hold it (Arm ARM D19.2.63), so the guest's own stage 1 is asked.
 * False: it has no translation any more, the guest may try again.
 */
static bool translate(uint64_t far, uint64_t *page)
{
    uint64_t saved = sysreg_read(par_el1), result;

    if ((sysreg_read(spsr_el2) & 15) == 0)
        asm volatile("at s1e0r, %0\n\tisb" ::"r"(far));
    else
        asm volatile("at s1e1r, %0\n\tisb" ::"r"(far));
    result = sysreg_read(par_el1);
    sysreg_write(par_el1, saved);
    *page = result & 0x000ffffffffff000ull;
    return !(result & 1);
}

static __attribute__((noinline)) uint64_t extend(uint64_t value, uint64_t esr, uint32_t width)
{
    uint32_t unused = 64 - 8 * width;

    value = (uint64_t)((int64_t)(value << unused) >> unused);
    return esr & ISS_SF ? value : (uint32_t)value;
}

static __attribute__((noinline)) void data_abort(struct vcpu *vcpu, uint64_t esr)
{
    uint64_t far = sysreg_read(far_el2), page;
    uint32_t type = ISS_FSC_TYPE(esr), target = esr >> 16 & 31, size = esr >> 22 & 3;
    struct mmio_access access;

    if (esr & ISS_ON_WALK)
        return inject_abort(vcpu, esr);
    if (type == FSC_TRANSLATION)
        page = sysreg_read(hpfar_el2) >> 4 << 12;
    else if (type != FSC_PERMISSION)
        return inject_abort(vcpu, esr);
    else if (!translate(far, &page))
        return;

    const struct mmio_region *region = mmio_find(vcpu->domain, ipa(page));

    if (region == NULL)
        return inject_abort(vcpu, esr);
    if (!(esr & ISS_VALID)) {
        if (esr & ISS_CACHE) /* registers have no cache */
            return skip_instruction();
        return inject_abort(vcpu, esr);
    }
    access.offset = page - region->base + (far & 0xfff);
    access.width = (uint8_t)(1u << size);
    access.write = esr & ISS_WRITE;
    access.value = 0;
    if ((far & 0xfff) + access.width > PAGE_SIZE) /* registers lie in one page, and regions end with one */
        return inject_abort(vcpu, esr);
    if (access.write && target != 31)
        access.value = vcpu->arch.x[target] & UINT64_MAX >> (64 - (8u << size));
    count_exit(vcpu, region->kind);

    switch (region->access(vcpu, region->device, &access)) {
    case MMIO_DONE:
        if (!access.write && target != 31)
            vcpu->arch.x[target] = esr & ISS_SSE ? extend(access.value, esr, access.width) : access.value;
        return skip_instruction();
    case MMIO_RETRY:
        return wait_and_retry(vcpu);
    default:
        return inject_abort(vcpu, esr);
    }
}

void exit_sync(struct vcpu *vcpu)
{
    uint64_t esr = sysreg_read(esr_el2);
    uint32_t class = esr >> 26 & 63;

    if (class == EC_DATA_ABORT)
        return data_abort(vcpu, esr);
    switch (class) {
    case EC_HVC64:
        if ((esr & 0xffff) == 0)
            return hypercall(vcpu, vcpu->arch.x);
        count_exit(vcpu, EXIT_HYPERCALL);
        vcpu->arch.x[0] = UINT64_MAX;
        return;
    case EC_SYSREG:
        return sysreg_trap(vcpu, esr);
    case EC_SMC64: /* the conduit is HVC: here is nobody */
        count_exit(vcpu, EXIT_SMC);
        vcpu->arch.x[0] = UINT64_MAX;
        return skip_instruction();
    case EC_INSTRUCTION_ABORT:
        return inject_abort(vcpu, esr);
    case EC_WFX:
        count_exit(vcpu, EXIT_WFI);
        return skip_instruction();
    default:
        return inject_undefined(vcpu);
    }
}

static bool runs(const struct vcpu *vcpu)
{
    return __atomic_load_n(&vcpu->domain->state, __ATOMIC_ACQUIRE) == DOMAIN_RUNNING &&
           __atomic_load_n(&vcpu->power, __ATOMIC_ACQUIRE) == VCPU_ON;
}

void exit_irq(struct vcpu *vcpu)
{
    if (gic_interrupt(vcpu) && !runs(vcpu))
        vcpu_park(vcpu);
}

/* A guest's access that failed late, or a device's: recorded; the memory behind it is the guest's own. */
void exit_serror(struct vcpu *vcpu)
{
    uint64_t count = ++vcpu->status->exits[EXIT_OTHER];

    if ((count & (count - 1)) == 0)
        log_line("%s: SError on vCPU %u, syndrome %lx, the %lu.", vcpu->domain->config->name, vcpu->index,
                 sysreg_read(esr_el2), count);
}
