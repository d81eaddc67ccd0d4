// SPDX-License-Identifier: Apache-2.0
/*
 * See avic.h. Any CPU, and any vCPU's instruction, may set a bit in a page's IRR at any time; the rest of the page is
 * its own CPU's. A domain's table tells the hardware who takes IPIs and who runs: to these it rings, for others it
 * exits. A vCPU counts as running from its entry on but while it waits in HLT. Between exit and entry a bell is not
 * heard, and need not be: the entry looks at IRR. To a vCPU that is parked the same happens, and its reset clears the
 * page.
 *
 * A level's EOI exits by its bit in TMR. The CPU's timer cannot be lent: its registers are the page's as well.
 */
#include "avic.h"

#include "exit.h"
#include "vendor.h"
#include "vmcb.h"

#include <arch/apic.h>
#include <arch/vlapic.h>
#include <core/arch.h>
#include <core/memory.h>
#include <string.h>

#define APIC_BAR 0xfee00000u
#define APIC_ICR_HIGH 0x831u /* of the page only: the ICR's upper half, which VMX has beside the lower */
#define ICR_BUSY 0x1000u
#define ICR_SHORTHAND 0xc0000u

/* Physical APIC ID table */
#define ENTRIES 512u
#define ENTRY_HOST_ID 0xfffull /* the kernel's doorbell has fewer bits: */
#define DOORBELL_ID_MAX 0xffu
#define ENTRY_RUNNING (1ull << 62)
#define ENTRY_VALID (1ull << 63)

/* MSRs 0x800 + n that do not exit: reads (all but of the current count), writes of TPR, EOI, ICR and IPIs to self. */
#define READS (VLAPIC_READABLE & ~(1ull << 0x39))
#define WRITES (1ull << 0x08 | 1ull << 0x0b | 1ull << 0x30 | 1ull << 0x3f)

/* EXITINFO */
#define ACCESS_WRITE (1ull << 32)
#define ACCESS_REGISTER(access) ((uint32_t)(access) >> 4 & 0xff)
enum { IPI_TYPE, IPI_NOT_RUNNING, IPI_TARGET, IPI_PAGE, IPI_VECTOR };
#define RDMSR_BYTES 2u

#define VINTR_INTERCEPT (1u << (SVM_VINTR & 31))

/* A page a domain, entry n for vCPU n; one more, of zeros: no logical destinations but x2APIC's. */
static uint64_t *tables;
static uint64_t all_exit, few_exit; /* MSR bitmaps */

void svm_exit(struct vcpu *vcpu);
void svm_avic_enter(struct vcpu *vcpu);

static uint64_t *entry_of(const struct vcpu *vcpu)
{
    return &tables[vcpu->domain->index * ENTRIES + vcpu->index];
}

static uint32_t *reg(const struct vcpu *vcpu, uint32_t msr)
{
    return &vcpu->arch.vlapic.page[VLAPIC_REGISTER(msr)];
}

void avic_init(const uint8_t *msr_bitmap)
{
    uint8_t *bitmap = memory_pages(2);

    tables = memory_pages(partition_count + 1);
    memcpy(bitmap, msr_bitmap, 2 * PAGE_SIZE);
    for (uint32_t n = 0; n < 64; n++)
        bitmap[(0x800 + n) / 4] &= (uint8_t) ~((READS >> n & 1) << n % 4 * 2 | (WRITES >> n & 1) << (n % 4 * 2 + 1));
    few_exit = kernel_hpa(bitmap).value;
    all_exit = kernel_hpa(msr_bitmap).value;
}

/* The domain's first vCPU starts before the others: whatever they were is over. */
void avic_reset(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->arch.control;
    uint64_t *table = &tables[vcpu->domain->index * ENTRIES];

    if (vcpu->index == 0)
        memset(table, 0, PAGE_SIZE);
    __atomic_store_n(entry_of(vcpu), 0, __ATOMIC_SEQ_CST);
    vmcb->avic_bar = APIC_BAR;
    vmcb->avic_page = kernel_hpa(vcpu->arch.vlapic.page).value;
    vmcb->avic_logical = kernel_hpa(&tables[partition_count * ENTRIES]).value;
    vmcb->avic_physical = kernel_hpa(table).value | (vcpu->domain->vcpu_count - 1);
}

/* --- Into the guest and out of it --- */

static void prepare(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->arch.control;
    bool watched = vcpu->arch.svm.watched;
    uint64_t entry = vmcb->avic_page, id = cpus[vcpu->cpu].id;

    entry |= *reg(vcpu, X2APIC_SVR) & SVR_ENABLE ? ENTRY_VALID : 0;
    entry |= !watched && id <= ENTRY_HOST_ID ? ENTRY_RUNNING | id : 0;
    if (*entry_of(vcpu) != entry)
        __atomic_store_n(entry_of(vcpu), entry, __ATOMIC_SEQ_CST);
    *reg(vcpu, APIC_ICR_HIGH) = reg(vcpu, X2APIC_ICR)[1];
    vmcb->msrpm = watched ? all_exit : few_exit;
    vmcb->interrupt |= watched ? V_IRQ | V_IGNORE_TPR : V_AVIC | V_X2APIC;
}

void avic_enter(struct vcpu *vcpu)
{
    prepare(vcpu);
    svm_avic_enter(vcpu);
}

/* The guest's writes to TPR and CR8 are in the page. Who waits is told so before exit_halt() looks at IRR. */
void avic_exit(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->arch.control;

    if (!vcpu->arch.svm.watched) {
        vcpu->arch.vlapic.tpr = (uint8_t)*reg(vcpu, X2APIC_TPR);
        vmcb->interrupt = V_MASKING | vcpu->arch.vlapic.tpr >> 4;
        reg(vcpu, X2APIC_ICR)[1] = *reg(vcpu, APIC_ICR_HIGH);
    }
    if (vmcb->exit_code == SVM_HLT)
        __atomic_fetch_and(entry_of(vcpu), ~ENTRY_RUNNING, __ATOMIC_SEQ_CST);
    svm_exit(vcpu);
    prepare(vcpu);
}

/* --- Exits --- */

static bool runs(const struct vcpu *vcpu)
{
    return __atomic_load_n(entry_of(vcpu), __ATOMIC_SEQ_CST) & ENTRY_RUNNING;
}

/* What the hardware did not deliver at all is sent from here; what some target does not hear is in its IRR. */
void avic_incomplete_ipi(struct vcpu *vcpu, uint64_t icr, uint64_t why)
{
    struct domain *domain = vcpu->domain;
    uint32_t targets;

    count_exit(vcpu, EXIT_SGI);
    if (why >> 32 == IPI_NOT_RUNNING) {
        targets = icr & ICR_SHORTHAND ? vlapic_targets(domain, UINT32_MAX, false)
                                      : vlapic_targets(domain, (uint32_t)(icr >> 32), icr & ICR_LOGICAL);
        for (; targets != 0; targets &= targets - 1)
            if (!runs(domain->vcpu[__builtin_ctz(targets)]))
                cpu_request(domain->vcpu[__builtin_ctz(targets)]->cpu, CPU_REQUEST_INTERRUPTS);
    } else if (why >> 32 == IPI_TYPE || why >> 32 == IPI_TARGET || why >> 32 == IPI_VECTOR) {
        vlapic_msr_write(vcpu, X2APIC_ICR, icr & ~(uint64_t)ICR_BUSY);
    } else {
        exit_impossible(vcpu, SVM_INCOMPLETE_IPI);
    }
}

/* After a write, before a read. The bitmap leaves no other registers than these to the hardware. */
void avic_no_acceleration(struct vcpu *vcpu, uint64_t access, uint8_t vector)
{
    uint32_t n = ACCESS_REGISTER(access), msr = 0x800 + n;

    if (!(access & ACCESS_WRITE))
        return exit_msr_read(vcpu, RDMSR_BYTES);
    count_exit(vcpu, EXIT_SYSREG);
    if (msr == X2APIC_EOI && *reg(vcpu, X2APIC_ISR + vector / 32) >> vector % 32 & 1)
        vlapic_eoi(vcpu);
    else if (msr == X2APIC_EOI) /* the manual leaves open whether the hardware has cleared it */
        vioapic_eoi(vcpu->domain, vector);
    else if (msr == X2APIC_ICR)
        vlapic_msr_write(vcpu, msr, (*reg(vcpu, msr) & ~ICR_BUSY) | (uint64_t)reg(vcpu, msr)[1] << 32);
    else if (n < 64 && WRITES >> n & 1)
        vlapic_msr_write(vcpu, msr, *reg(vcpu, msr));
    else
        exit_impossible(vcpu, SVM_NO_ACCELERATION);
}

void avic_window(struct vcpu *vcpu)
{
    count_exit(vcpu, EXIT_OTHER);
    vcpu->arch.vlapic.taken++; /* it could be */
    vcpu->arch.svm.watched = false;
    ((struct vmcb *)vcpu->arch.control)->intercepts[0] &= ~VINTR_INTERCEPT;
}

/* --- What vlapic.c asks for --- */

static void request(struct vcpu *vcpu, uint32_t word, uint32_t vectors)
{
    __atomic_fetch_or(reg(vcpu, X2APIC_IRR + word), vectors, __ATOMIC_SEQ_CST);
}

static void post(struct vcpu *vcpu, uint32_t vector)
{
    request(vcpu, vector / 32, 1u << vector % 32);
    if (runs(vcpu) && cpus[vcpu->cpu].id <= DOORBELL_ID_MAX)
        apic_doorbell(vcpu->cpu);
    else
        cpu_request(vcpu->cpu, CPU_REQUEST_INTERRUPTS);
}

/* The hardware goes by PPR, which it computes when the guest writes TPR or EOI. */
static void service(uint32_t vector)
{
    struct vcpu *vcpu = vcpu_current();
    uint32_t tpr = *reg(vcpu, X2APIC_TPR);

    *reg(vcpu, X2APIC_PPR) = vector >> 4 > tpr >> 4 ? vector & 0xf0 : tpr;
}

static void exit_on_eoi(uint32_t word, uint32_t vectors)
{
    (void)word, (void)vectors;
}

/* There is no window with AVIC: it is off until a pretended interrupt could be taken, and all of the APIC exits. */
static void watch(struct vcpu *vcpu)
{
    vcpu->arch.svm.watched = true;
    ((struct vmcb *)vcpu->arch.control)->intercepts[0] |= VINTR_INTERCEPT;
}

const struct apic_virtualization avic = {.request = request, .service = service, .exit_on_eoi = exit_on_eoi, .watch = watch, .post = post};
