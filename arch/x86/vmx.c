// SPDX-License-Identifier: Apache-2.0
/*
 * Intel VMX (Intel SDM volume 3, chapters 24 to 31): one VMCS a vCPU, current on its CPU for ever.
 *
 * Where the CPU has all of APIC virtualization, it delivers a vCPU's interrupts (chapter 30); else they are injected.
 * The guest writes the physical TSC deadline itself while vlapic.c lends it; the kernel's own deadline of that CPU is
 * the preemption timer's then.
 */
#include "exit.h"
#include "guest_cpu.h"
#include "vendor.h"
#include "vmcs.h"

#include <arch/apic.h>
#include <arch/boot.h>
#include <arch/cpu.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/memory.h>
#include <string.h>

#define MSR_FEATURE_CONTROL 0x3a
#define FEATURE_CONTROL_LOCKED 1ull
#define FEATURE_CONTROL_VMX 4ull
#define MSR_VMX_BASIC 0x480
#define BASIC_TRUE_CONTROLS (1ull << 55)
#define MSR_VMX_MISC 0x485
#define MISC_TIMER_SHIFT 31u
#define MSR_VMX_CR0_FIXED0 0x486
#define MSR_VMX_CR4_FIXED0 0x488
#define MSR_VMX_SECONDARY 0x48b
#define MSR_VMX_EPT_VPID 0x48c
#define MSR_VMX_PIN 0x48d /* the TRUE ones */
#define MSR_VMX_PROCESSOR 0x48e
#define MSR_VMX_EXIT 0x48f
#define MSR_VMX_ENTRY 0x490
/* 4-level walks, write-back, 2 MiB and 1 GiB pages, INVEPT and INVVPID of one context */
#define EPT_VPID_NEEDED (1ull << 6 | 1ull << 14 | 1ull << 16 | 1ull << 17 | 1ull << 20 | 1ull << 25 | 1ull << 32 | 1ull << 41)
#define EPT_POINTER (6ull | 3ull << 3)

#define RIGHTS_UNUSABLE (1u << 16)
#define DEBUGCTL_BTF 2ull
#define PENDING_DEBUG_STEP (1ull << 14)

/* Control register bits that guests only seem to write. The others of CR4 are those of features that guests may have. */
#define CR0_OWNED (CR0_NE | CR0_NW | CR0_CD)
#define CR4_GUESTS                                                                                                     \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT |      \
     CR4_UMIP | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP)

/* Exceptions that exit: those whose delivery may never end (#DB, #AC), and the machine check. */
#define EXITING_EXCEPTIONS (1u << VECTOR_DB | 1u << VECTOR_AC | 1u << VECTOR_MC)

static struct {
    uint32_t pin, processor, secondary, exit, entry;
} controls;
static uint8_t *msr_bitmap, *lent_timer_bitmap;
static uint32_t preemption_shift; /* the timer counts once in 2^n of the TSC's */

/* MSRs 0x800 + n that do not exit where the CPU virtualizes the APIC: reads (all but of the current count), writes. */
#define APIC_READS (VLAPIC_READABLE & ~(1ull << 0x39))
#define APIC_WRITES (1ull << 0x08 | 1ull << 0x0b | 1ull << 0x3f) /* TPR, EOI, IPI to self */
#define APIC_BITMAP 0x100u                                       /* where their bits are in each bitmap */

static const struct apic_virtualization vmx_apic, vmx_posting_apic;

void vmx_exit_entry(void);
void vmx_exit(struct vcpu *vcpu);
_Noreturn void vmx_enter(struct vcpu *vcpu);
_Noreturn void vmx_entry_failed(struct vcpu *vcpu);

/* --- Boot --- */
/* What of `wanted` the CPU can do, and what it must; A.3: low half what must be one, high half what may be. */
static uint32_t allowed(uint32_t msr, uint32_t wanted)
{
    uint64_t capabilities = msr_read(msr);

    return (wanted | (uint32_t)capabilities) & (uint32_t)(capabilities >> 32);
}

static bool has(uint32_t controls_found, uint32_t wanted)
{
    return (controls_found & wanted) == wanted;
}

static void find_apic_virtualization(void)
{
    const uint32_t secondary = SECONDARY_VIRTUAL_X2APIC | SECONDARY_APIC_REGISTERS | SECONDARY_VIRTUAL_INTERRUPTS;

    if (CONFIG_VMX_INTERRUPTS < 1 || !has(allowed(MSR_VMX_PROCESSOR, PROCESSOR_TPR_SHADOW), PROCESSOR_TPR_SHADOW) ||
        !has(allowed(MSR_VMX_SECONDARY, secondary), secondary))
        return;
    apic_virtualization = &vmx_apic;
    if (CONFIG_VMX_INTERRUPTS >= 2 && has(allowed(MSR_VMX_PIN, PIN_POSTED_INTERRUPTS), PIN_POSTED_INTERRUPTS)) {
        apic_virtualization = &vmx_posting_apic;
        controls.pin |= PIN_POSTED_INTERRUPTS;
    }
    controls.processor = (controls.processor & ~(PROCESSOR_CR8_LOAD | PROCESSOR_CR8_STORE)) | PROCESSOR_TPR_SHADOW;
    controls.secondary |= secondary;
}

static const char *probe(void)
{
    const uint32_t pin = PIN_INTERRUPT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;
    const uint32_t processor = PROCESSOR_TSC_OFFSET | PROCESSOR_HLT | PROCESSOR_MWAIT | PROCESSOR_RDPMC | PROCESSOR_CR8_LOAD |
                               PROCESSOR_CR8_STORE | PROCESSOR_MSR_BITMAPS | PROCESSOR_MONITOR | PROCESSOR_SECONDARY;
    const uint32_t secondary = SECONDARY_EPT | SECONDARY_VPID | SECONDARY_UNRESTRICTED | SECONDARY_WBINVD;
    const uint32_t secondary_if_present = SECONDARY_RDTSCP | SECONDARY_INVPCID | SECONDARY_ENCLS;
    const uint32_t exit = EXIT_ACKNOWLEDGE | EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER;
    const uint32_t entry = ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER;
    uint64_t feature_control = msr_read(MSR_FEATURE_CONTROL);

    if ((feature_control & FEATURE_CONTROL_LOCKED) && !(feature_control & FEATURE_CONTROL_VMX))
        return "VMX: the firmware has disabled it";
    if (!(msr_read(MSR_VMX_BASIC) & BASIC_TRUE_CONTROLS))
        return "VMX with the TRUE capability registers";
    controls.pin = allowed(MSR_VMX_PIN, pin | PIN_PREEMPTION_TIMER);
    controls.processor = allowed(MSR_VMX_PROCESSOR, processor);
    controls.exit = allowed(MSR_VMX_EXIT, exit);
    controls.entry = allowed(MSR_VMX_ENTRY, entry);
    if (!has(controls.pin, pin | PIN_PREEMPTION_TIMER) || !has(controls.processor, processor) || !has(controls.exit, exit) || !has(controls.entry, entry))
        return "VMX with virtual NMIs, preemption timer, MSR bitmaps, and PAT and EFER switched";
    controls.pin &= ~PIN_PREEMPTION_TIMER; /* while it is needed */
    controls.secondary = allowed(MSR_VMX_SECONDARY, secondary | secondary_if_present);
    if (!has(controls.secondary, secondary))
        return "VMX with EPT, VPID and unrestricted guests";
    if ((msr_read(MSR_VMX_EPT_VPID) & EPT_VPID_NEEDED) != EPT_VPID_NEEDED)
        return "EPT with 1 GiB pages, INVEPT and INVVPID";
    find_apic_virtualization();
    return NULL;
}

/* MSRs that the guest may use as it likes: the VMCS or the CPU keeps them, for nobody else. */
static void msr_allow(uint8_t *bitmap, uint32_t msr)
{
    uint32_t bit = msr & 0x1fff, offset = msr >> 31 ? 1024 : 0;

    bitmap[offset + bit / 8] &= (uint8_t) ~(1u << bit % 8);        /* reads */
    bitmap[2048 + offset + bit / 8] &= (uint8_t) ~(1u << bit % 8); /* writes */
}

static void init(void)
{
    msr_bitmap = memory_pages(1);
    memset(msr_bitmap, 0xff, PAGE_SIZE);
    for (const uint32_t *msr = msr_guests_own(); *msr != 0; msr++)
        msr_allow(msr_bitmap, *msr);
    msr_allow(msr_bitmap, MSR_EFER); /* these two are switched */
    msr_allow(msr_bitmap, MSR_PAT);
    if (apic_virtualization != NULL) {
        *(uint64_t *)(msr_bitmap + APIC_BITMAP) = ~APIC_READS;
        *(uint64_t *)(msr_bitmap + 2048 + APIC_BITMAP) = ~APIC_WRITES;
    }
    lent_timer_bitmap = memory_pages(1);
    memcpy(lent_timer_bitmap, msr_bitmap, PAGE_SIZE);
    msr_allow(lent_timer_bitmap, MSR_TSC_DEADLINE);
    preemption_shift = msr_read(MSR_VMX_MISC) & MISC_TIMER_SHIFT;
    for (uint32_t i = 0; i < platform.cpu_count; i++) {
        struct vcpu *vcpu = cpus[i].vcpu;

        vcpu->arch.control = memory_pages(2); /* the VMCS, and the region of VMXON */
        vcpu->arch.control_hpa = kernel_hpa(vcpu->arch.control).value;
        for (unsigned page = 0; page < 2; page++)
            *(uint32_t *)((uint8_t *)vcpu->arch.control + page * PAGE_SIZE) = msr_read(MSR_VMX_BASIC) & 0x7fffffff;
    }
}

static void cpu_enable(struct vcpu *vcpu)
{
    uint64_t vmcs = vcpu->arch.control_hpa, region = vmcs + PAGE_SIZE;
    bool failed;

    if (!(msr_read(MSR_FEATURE_CONTROL) & FEATURE_CONTROL_LOCKED))
        msr_write(MSR_FEATURE_CONTROL, msr_read(MSR_FEATURE_CONTROL) | FEATURE_CONTROL_VMX | FEATURE_CONTROL_LOCKED);
    control_write(cr0, control_read(cr0) | msr_read(MSR_VMX_CR0_FIXED0));
    control_write(cr4, control_read(cr4) | msr_read(MSR_VMX_CR4_FIXED0));
    asm volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region) : "memory");
    CHECK(!failed);
    asm volatile("vmclear %1" : "=@ccbe"(failed) : "m"(vmcs) : "memory");
    CHECK(!failed);
    asm volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(vmcs) : "memory");
    CHECK(!failed);
}

/* --- A start --- */
static void flush(struct vcpu *vcpu)
{
    struct {
        uint64_t context, address;
    } ept = {vmcs_read(VMCS_EPT_POINTER), 0}, vpid = {vcpu->cpu + 1, 0};

    asm volatile("invept %0, %1" ::"m"(ept), "r"(1ull) : "cc", "memory");
    asm volatile("invvpid %0, %1" ::"m"(vpid), "r"(1ull) : "cc", "memory");
    vcpu->arch.flush = false;
}

static void write_host(struct vcpu *vcpu)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) gdt, idt;

    asm volatile("sgdt %0\n\tsidt %1" : "=m"(gdt), "=m"(idt));
    vmcs_write(VMCS_HOST_CR0, control_read(cr0));
    vmcs_write(VMCS_HOST_CR3, control_read(cr3));
    vmcs_write(VMCS_HOST_CR4, control_read(cr4));
    vmcs_write(VMCS_HOST_CS_SELECTOR, SELECTOR_CODE);
    vmcs_write(VMCS_HOST_SS_SELECTOR, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_TR_SELECTOR, SELECTOR_TSS); /* must not be 0 */
    vmcs_write(VMCS_HOST_TR_BASE, cpu_task_state(vcpu));
    vmcs_write(VMCS_HOST_GDTR_BASE, gdt.base);
    vmcs_write(VMCS_HOST_IDTR_BASE, idt.base);
    vmcs_write(VMCS_HOST_PAT, msr_read(MSR_PAT));
    vmcs_write(VMCS_HOST_EFER, msr_read(MSR_EFER));
    vmcs_write(VMCS_HOST_RSP, (uint64_t)vcpu);
    vmcs_write(VMCS_HOST_RIP, (uint64_t)vmx_exit_entry);
}

static void write_apic(struct vcpu *vcpu)
{
    vmcs_write(VMCS_VIRTUAL_APIC, kernel_hpa(vcpu->arch.vlapic.page).value);
    vmcs_write(VMCS_TPR_THRESHOLD, 0);
    if (controls.pin & PIN_POSTED_INTERRUPTS) {
        vmcs_write(VMCS_POSTED_VECTOR, VECTOR_POSTED);
        vmcs_write(VMCS_POSTED_DESCRIPTOR, kernel_hpa(vcpu->arch.vlapic.posted).value);
    }
    vmcs_write(VMCS_GUEST_INTERRUPT_STATUS, 0);
    for (unsigned i = 0; i < 4; i++)
        vmcs_write(VMCS_EOI_EXITS + 2 * i, 0);
}

static void write_controls(struct vcpu *vcpu, uint64_t efer)
{
    const struct arch_domain *domain = &vcpu->domain->arch;
    uint64_t ports = domain->ports ? kernel_hpa(domain->ports).value : 0;

    vmcs_write(VMCS_PIN_CONTROLS, controls.pin);
    vmcs_write(VMCS_PROCESSOR_CONTROLS, controls.processor | (ports ? PROCESSOR_IO_BITMAPS : PROCESSOR_IO_ALL));
    vmcs_write(VMCS_SECONDARY_CONTROLS, controls.secondary);
    vmcs_write(VMCS_EXIT_CONTROLS, controls.exit);
    vmcs_write(VMCS_ENTRY_CONTROLS, controls.entry | (efer & EFER_LMA ? ENTRY_GUEST_64 : 0));
    vmcs_write(VMCS_EXCEPTION_BITMAP, EXITING_EXCEPTIONS);
    vmcs_write(VMCS_VPID, vcpu->cpu + 1);
    vmcs_write(VMCS_IO_BITMAP_A, ports);
    vmcs_write(VMCS_IO_BITMAP_B, ports + PAGE_SIZE);
    vmcs_write(VMCS_MSR_BITMAP, kernel_hpa(msr_bitmap).value);
    vmcs_write(VMCS_TSC_OFFSET, vcpu->arch.tsc_offset);
    if (controls.secondary & SECONDARY_ENCLS)
        vmcs_write(VMCS_ENCLS_BITMAP, UINT64_MAX);
    if (apic_virtualization != NULL)
        write_apic(vcpu);
    vmcs_write(VMCS_EPT_POINTER, domain->stage2_root | EPT_POINTER);
    vmcs_write(VMCS_CR0_MASK, CR0_OWNED);
    vmcs_write(VMCS_CR4_MASK, ~(uint64_t)CR4_GUESTS);
}

static void reset(struct vcpu *vcpu, const struct start_state *state)
{
    static const uint16_t zero[] = {
        VMCS_PAGE_FAULT_MASK, VMCS_PAGE_FAULT_MATCH, VMCS_CR3_TARGETS, VMCS_EXIT_MSR_STORES, VMCS_EXIT_MSR_LOADS,
        VMCS_ENTRY_MSR_LOADS, VMCS_ENTRY_EVENT, VMCS_HOST_DS_SELECTOR, VMCS_HOST_ES_SELECTOR, VMCS_HOST_FS_SELECTOR,
        VMCS_HOST_GS_SELECTOR, VMCS_HOST_FS_BASE, VMCS_HOST_GS_BASE, VMCS_HOST_SYSENTER_CS,
        VMCS_HOST_SYSENTER_ESP, VMCS_HOST_SYSENTER_EIP, VMCS_GUEST_DEBUGCTL, VMCS_GUEST_IDTR_BASE, VMCS_GUEST_RSP,
        VMCS_GUEST_PENDING_DEBUG, VMCS_GUEST_INTERRUPTIBILITY, VMCS_GUEST_ACTIVITY, VMCS_GUEST_SYSENTER_CS,
        VMCS_GUEST_SYSENTER_ESP, VMCS_GUEST_SYSENTER_EIP,
    };

    for (unsigned i = 0; i < sizeof(zero) / sizeof(*zero); i++)
        vmcs_write(zero[i], 0);
    write_host(vcpu);
    write_controls(vcpu, state->efer);
    vmcs_write(VMCS_GUEST_CR0, (state->cr0 & ~(uint64_t)(CR0_CD | CR0_NW)) | CR0_NE | CR0_ET);
    vmcs_write(VMCS_CR0_SHADOW, state->cr0 | CR0_ET);
    vmcs_write(VMCS_GUEST_CR3, state->cr3);
    vmcs_write(VMCS_GUEST_CR4, state->cr4 | CR4_VMXE | CR4_MCE);
    vmcs_write(VMCS_CR4_SHADOW, state->cr4);
    vmcs_write(VMCS_GUEST_EFER, state->efer);
    vmcs_write(VMCS_GUEST_PAT, PAT_RESET);
    vmcs_write(VMCS_GUEST_DR7, DR7_RESET);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        const struct segment *segment = &state->segment[i];

        vmcs_write(VMCS_GUEST_ES_SELECTOR + 2 * i, segment->selector);
        vmcs_write(VMCS_GUEST_ES_BASE + 2 * i, segment->base);
        vmcs_write(VMCS_GUEST_ES_LIMIT + 2 * i, segment->limit);
        vmcs_write(VMCS_GUEST_ES_RIGHTS + 2 * i, segment->access & ACCESS_PRESENT ? segment->access : RIGHTS_UNUSABLE);
    }
    vmcs_write(VMCS_GUEST_GDTR_BASE, state->gdt_base);
    vmcs_write(VMCS_GUEST_GDTR_LIMIT, state->gdt_limit);
    vmcs_write(VMCS_GUEST_IDTR_LIMIT, state->cr0 & CR0_PE ? 0 : 0xffff);
    vmcs_write(VMCS_GUEST_RIP, vcpu->arch.rip);
    vmcs_write(VMCS_GUEST_RFLAGS, RFLAGS_ONE);
    vmcs_write(VMCS_LINK_POINTER, UINT64_MAX);
    control_write(dr6, DR6_RESET);
    flush(vcpu);
}

/* --- Between exit and entry --- */
static uint8_t cpl(void)
{
    return vmcs_read(VMCS_GUEST_ES_RIGHTS + 2 * SS) >> 5 & 3;
}

static void read_state(struct vcpu *vcpu, struct guest_state *state)
{
    uint64_t cs = vmcs_read(VMCS_GUEST_ES_RIGHTS + 2 * CS), cr4_mask = vmcs_read(VMCS_CR4_MASK);

    (void)vcpu;
    state->cr0 = (vmcs_read(VMCS_GUEST_CR0) & ~(uint64_t)CR0_OWNED) | (vmcs_read(VMCS_CR0_SHADOW) & CR0_OWNED);
    state->cr3 = vmcs_read(VMCS_GUEST_CR3);
    state->cr4 = (vmcs_read(VMCS_GUEST_CR4) & ~cr4_mask) | (vmcs_read(VMCS_CR4_SHADOW) & cr4_mask);
    state->efer = vmcs_read(VMCS_GUEST_EFER);
    state->rsp = vmcs_read(VMCS_GUEST_RSP);
    state->code_base = vmcs_read(VMCS_GUEST_ES_BASE + 2 * CS);
    state->code64 = (state->efer & EFER_LMA) && (cs & 1u << 13);
    state->code32 = cs & 1u << 14;
}

/* The instruction that made the exit was carried out: what blocked interrupts until its end is over. */
static bool advanced(struct vcpu *vcpu)
{
    return vcpu->arch.rip != vmcs_read(VMCS_GUEST_RIP);
}

static bool can_take(struct vcpu *vcpu, enum event_type type)
{
    uint64_t blocked = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);

    if (vmcs_read(VMCS_ENTRY_EVENT) & INFO_VALID)
        return false;
    if (advanced(vcpu))
        blocked &= ~(uint64_t)(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS);
    if (type == EVENT_NMI)
        return blocked == 0;
    return !(blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)) && (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_IF);
}

static void enter_with(uint32_t information, int64_t error)
{
    if (error >= 0 && (vmcs_read(VMCS_GUEST_CR0) & CR0_PE)) {
        vmcs_write(VMCS_ENTRY_ERROR_CODE, (uint32_t)error);
        information |= INFO_ERROR_CODE;
    }
    vmcs_write(VMCS_ENTRY_EVENT, information | INFO_VALID);
}

static void inject(struct vcpu *vcpu, enum event_type type, uint32_t vector, int64_t error)
{
    uint64_t pending = vmcs_read(VMCS_ENTRY_EVENT);

    /* An exception for an event that could not be delivered (volume 3, 6.15, double fault; here for all of them). */
    if (type == EVENT_EXCEPTION && (pending & INFO_VALID)) {
        if ((pending & (INFO_TYPE | INFO_VECTOR)) == (EVENT_EXCEPTION << 8 | VECTOR_DF)) {
            vmcs_write(VMCS_ENTRY_EVENT, 0);
            return exit_triple_fault(vcpu);
        }
        vector = VECTOR_DF;
        error = 0;
    }
    enter_with(type << 8 | vector, error);
}

static void window(struct vcpu *vcpu, enum event_type type, uint32_t vector)
{
    (void)vcpu;
    (void)vector; /* TPR: its changes exit */
    vmcs_write(VMCS_PROCESSOR_CONTROLS, vmcs_read(VMCS_PROCESSOR_CONTROLS) |
                                            (type == EVENT_NMI ? PROCESSOR_NMI_WINDOW : PROCESSOR_INTERRUPT_WINDOW));
}

static void close_window(struct vcpu *vcpu, uint32_t which)
{
    count_exit(vcpu, EXIT_OTHER);
    vcpu->arch.vlapic.taken++; /* it could be */
    vmcs_write(VMCS_PROCESSOR_CONTROLS, vmcs_read(VMCS_PROCESSOR_CONTROLS) & ~(uint64_t)which);
}

/* --- Interrupts by the CPU --- */
/* A window, since Bochs (2.7, 3.0) delivers with the next physical interrupt what waits for IF. */
static void request(struct vcpu *vcpu, uint32_t word, uint32_t vectors)
{
    uint64_t status = vmcs_read(VMCS_GUEST_INTERRUPT_STATUS);
    uint32_t vector = word * 32 + (31 ^ (uint32_t)__builtin_clz(vectors));

    vcpu->arch.vlapic.page[VLAPIC_REGISTER(X2APIC_IRR + word)] |= vectors;
    if (vector > (status & 0xff))
        vmcs_write(VMCS_GUEST_INTERRUPT_STATUS, (status & ~0xffull) | vector);
    if (!can_take(vcpu, EVENT_EXTERNAL))
        window(vcpu, EVENT_EXTERNAL, vector);
}

static void service(uint32_t vector)
{
    vmcs_write(VMCS_GUEST_INTERRUPT_STATUS, (vmcs_read(VMCS_GUEST_INTERRUPT_STATUS) & 0xff) | vector << 8);
}

static void exit_on_eoi(uint32_t word, uint32_t vectors)
{
    enum vmcs_field field = VMCS_EOI_EXITS + 2 * (word / 2);
    uint32_t shift = word % 2 * 32;

    vmcs_write(field, (vmcs_read(field) & ~(0xffffffffull << shift)) | (uint64_t)vectors << shift);
}

static void watch(struct vcpu *vcpu)
{
    window(vcpu, EVENT_EXTERNAL, 0);
}

static void notify(struct vcpu *vcpu)
{
    apic_send(vcpu->cpu, VECTOR_POSTED);
}

static const struct apic_virtualization vmx_apic = {.request = request, .service = service, .exit_on_eoi = exit_on_eoi, .watch = watch};
static const struct apic_virtualization vmx_posting_apic = {.request = request, .service = service, .exit_on_eoi = exit_on_eoi, .watch = watch,
                                                            .post = vlapic_post, .notify = notify};

/* --- Timers --- */
static void lend_timer(struct vcpu *vcpu, bool lent)
{
    (void)vcpu;
    vmcs_write(VMCS_MSR_BITMAP, kernel_hpa(lent ? lent_timer_bitmap : msr_bitmap).value);
}

static void set_deadline(struct vcpu *vcpu, uint64_t count)
{
    vcpu->arch.vmx.deadline = count;
    vmcs_write(VMCS_PIN_CONTROLS, controls.pin | (count != 0 ? PIN_PREEMPTION_TIMER : 0));
}

/* It counts in the guest only: anew at each entry. */
static void load_preemption_timer(uint64_t deadline)
{
    uint64_t now = timer_count(), left = deadline > now ? ((deadline - now) >> preemption_shift) + 1 : 0;

    vmcs_write(VMCS_PREEMPTION_TIMER, left < UINT32_MAX ? left : UINT32_MAX);
}

static bool read_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu;
    if (msr != MSR_DEBUGCTL)
        return false;
    *value = vmcs_read(VMCS_GUEST_DEBUGCTL);
    return true;
}

static bool write_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)vcpu;
    if (msr != MSR_DEBUGCTL || value & ~DEBUGCTL_BTF) /* no branch records */
        return false;
    vmcs_write(VMCS_GUEST_DEBUGCTL, value);
    return true;
}

/* --- Exits --- */
/* The exit came while an event was being delivered: it is delivered again, unless the exit becomes an exception. */
static void redeliver(void)
{
    uint64_t event = vmcs_read(VMCS_VECTORING_EVENT), type = (event & INFO_TYPE) >> 8;

    if (!(event & INFO_VALID))
        return;
    if (type >= TYPE_SOFTWARE_INTERRUPT)
        vmcs_write(VMCS_ENTRY_LENGTH, vmcs_read(VMCS_EXIT_LENGTH));
    if (type == EVENT_NMI)
        vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint64_t)BLOCKED_BY_NMI);
    if (event & INFO_ERROR_CODE)
        vmcs_write(VMCS_ENTRY_ERROR_CODE, vmcs_read(VMCS_VECTORING_ERROR_CODE));
    vmcs_write(VMCS_ENTRY_EVENT, event & (INFO_VALID | INFO_ERROR_CODE | INFO_TYPE | INFO_VECTOR));
}

/* 28.2.3: an IRET that faulted has unblocked NMIs, though they are blocked until it is done. */
static void block_nmis_again(bool unblocked)
{
    if (unblocked && !(vmcs_read(VMCS_VECTORING_EVENT) & INFO_VALID))
        vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKED_BY_NMI);
}

static void exception(struct vcpu *vcpu)
{
    uint32_t event = (uint32_t)vmcs_read(VMCS_EXIT_EVENT), vector = event & INFO_VECTOR;
    uint64_t cause;

    if ((event & INFO_TYPE) >> 8 == EVENT_NMI) {
        asm volatile("int $2" ::: "memory"); /* its IRET unblocks NMIs */
        return exit_interrupt(vcpu);
    }
    if (vector == VECTOR_MC)
        asm volatile("int $18" ::: "memory");
    count_exit(vcpu, EXIT_OTHER);
    block_nmis_again(event & 1u << 12);
    redeliver();
    if (vector == VECTOR_DB) { /* 28.2.1: DR6 and DR7 are as before */
        cause = vmcs_read(VMCS_QUALIFICATION) & 0x600f;
        control_write(dr6, (control_read(dr6) & ~0xfull) | cause);
        vmcs_write(VMCS_GUEST_DR7, vmcs_read(VMCS_GUEST_DR7) & ~(1ull << 13));
        if ((event & INFO_TYPE) >> 8 == TYPE_PRIVILEGED_EXCEPTION) {
            vmcs_write(VMCS_ENTRY_LENGTH, vmcs_read(VMCS_EXIT_LENGTH));
            return enter_with(TYPE_PRIVILEGED_EXCEPTION << 8 | VECTOR_DB, -1);
        }
    }
    inject(vcpu, EVENT_EXCEPTION, vector, event & INFO_ERROR_CODE ? (int64_t)vmcs_read(VMCS_EXIT_ERROR_CODE) : -1);
}

/*
 * Bits that the guest only seems to write: they go to the shadow, and the guest repeats the instruction, of which the
 * CPU then checks and does the rest.
 */
static void control_register(struct vcpu *vcpu)
{
    uint64_t qualification = vmcs_read(VMCS_QUALIFICATION), value, next = vcpu->arch.rip + vmcs_read(VMCS_EXIT_LENGTH);
    uint32_t which = qualification & 15, from = qualification >> 8 & 15;

    count_exit(vcpu, EXIT_SYSREG);
    if (which == 8 && (qualification & 0x30)) {
        vcpu->arch.x[from] = vcpu->arch.vlapic.tpr >> 4;
        if (from == RSP)
            vmcs_write(VMCS_GUEST_RSP, vcpu->arch.x[from]);
        vcpu->arch.rip = next;
        return;
    }
    value = from == RSP ? vmcs_read(VMCS_GUEST_RSP) : vcpu->arch.x[from];
    if (!(vmcs_read(VMCS_ENTRY_CONTROLS) & ENTRY_GUEST_64))
        value = (uint32_t)value;
    if (which == 8) {
        if (value > 15)
            return inject_general_protection(vcpu);
        vlapic_set_tpr(vcpu, (uint8_t)(value << 4));
        vcpu->arch.rip = next;
    } else if (which == 0) {
        if ((value & CR0_NW) && !(value & CR0_CD))
            return inject_general_protection(vcpu);
        vmcs_write(VMCS_CR0_SHADOW, (vmcs_read(VMCS_CR0_SHADOW) & ~(uint64_t)CR0_OWNED) | (value & CR0_OWNED));
    } else {
        if (value & ~(uint64_t)(CR4_GUESTS | CR4_MCE))
            return inject_general_protection(vcpu);
        vmcs_write(VMCS_CR4_SHADOW, value & CR4_MCE);
    }
}

static void port(struct vcpu *vcpu, uint32_t length)
{
    uint64_t qualification = vmcs_read(VMCS_QUALIFICATION);
    struct port_access access = {
        .port = (uint16_t)(qualification >> 16),
        .width = (uint8_t)((qualification & 7) + 1),
        .in = qualification & 8,
        .string = qualification & 16,
    };

    exit_port(vcpu, &access, vcpu->arch.rip + length);
}

static void nested_page(struct vcpu *vcpu)
{
    uint64_t qualification = vmcs_read(VMCS_QUALIFICATION);
    struct page_fault fault = {
        .ipa = ipa(vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS)),
        .write = qualification & 2,
        .fetch = qualification & 4,
        .on_walk = (qualification & 0x180) == 0x80,
    };

    block_nmis_again(qualification & 1u << 12);
    redeliver();
    exit_page(vcpu, &fault);
}

static void dispatch(struct vcpu *vcpu)
{
    uint32_t reason = (uint32_t)vmcs_read(VMCS_EXIT_REASON), length = (uint32_t)vmcs_read(VMCS_EXIT_LENGTH);

    switch (reason) {
    case VMX_INTERRUPT:
        count_exit(vcpu, EXIT_INTERRUPT);
        return interrupt_handle(vmcs_read(VMCS_EXIT_EVENT) & INFO_VECTOR);
    case VMX_EPT_VIOLATION:
        return nested_page(vcpu);
    case VMX_WRMSR:
        return exit_msr_write(vcpu, length);
    case VMX_RDMSR:
        return exit_msr_read(vcpu, length);
    case VMX_HLT:
        return exit_halt(vcpu, length, vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_IF);
    case VMX_VMCALL:
        return cpl() == 0 ? exit_hypercall(vcpu, length) : exit_forbidden(vcpu);
    case VMX_INTERRUPT_WINDOW:
        return close_window(vcpu, PROCESSOR_INTERRUPT_WINDOW);
    case VMX_NMI_WINDOW:
        return close_window(vcpu, PROCESSOR_NMI_WINDOW);
    case VMX_PREEMPTION_TIMER:
        count_exit(vcpu, EXIT_INTERRUPT);
        return deadline_interrupt();
    case VMX_VIRTUALIZED_EOI:
        count_exit(vcpu, EXIT_SYSREG);
        return vioapic_eoi(vcpu->domain, (uint8_t)vmcs_read(VMCS_QUALIFICATION));
    case VMX_APIC_WRITE: /* an IPI to self that the CPU would not send: an illegal vector */
        count_exit(vcpu, EXIT_SGI);
        vlapic_msr_write(vcpu, X2APIC_SELF_IPI, vcpu->arch.vlapic.page[VLAPIC_REGISTER(X2APIC_SELF_IPI)]);
        return;
    case VMX_CPUID:
        return exit_cpuid(vcpu, length);
    case VMX_IO:
        return port(vcpu, length);
    case VMX_CR_ACCESS:
        return control_register(vcpu);
    case VMX_XSETBV:
        return exit_xsetbv(vcpu, length);
    case VMX_EXCEPTION_OR_NMI:
        return exception(vcpu);
    case VMX_WBINVD: /* DMA is coherent, and the caches are not the guest's alone */
    case VMX_INVD:
        count_exit(vcpu, EXIT_OTHER);
        vcpu->arch.rip += length;
        return;
    case VMX_RDPMC:
        return inject_general_protection(vcpu);
    case VMX_TRIPLE_FAULT:
    case VMX_TASK_SWITCH:
        return exit_triple_fault(vcpu);
    case VMX_GETSEC:
    case VMX_VMCALL + 1 ... VMX_VMXON:
    case VMX_MWAIT:
    case VMX_MONITOR:
    case VMX_INVEPT:
    case VMX_INVVPID:
    case VMX_ENCLS:
        return exit_forbidden(vcpu);
    default:
        exit_impossible(vcpu, reason);
    }
}

void vmx_exit(struct vcpu *vcpu)
{
    uint64_t rip = vmcs_read(VMCS_GUEST_RIP), blocked;

    vcpu->arch.rip = rip;
    dispatch(vcpu);
    exit_finish(vcpu);
    if (vcpu->arch.flush)
        flush(vcpu);
    if (vcpu->arch.vmx.deadline != 0)
        load_preemption_timer(vcpu->arch.vmx.deadline);
    if (vcpu->arch.rip == rip)
        return;
    vmcs_write(VMCS_GUEST_RIP, vcpu->arch.rip);
    blocked = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
    if (blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS))
        vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, blocked & ~(uint64_t)(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
    if (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_TF)
        vmcs_write(VMCS_GUEST_PENDING_DEBUG, PENDING_DEBUG_STEP);
}

static void enter(struct vcpu *vcpu)
{
    /* So that it may be launched, perhaps again; it is current as before. */
    asm volatile("vmclear %0\n\tvmptrld %0" ::"m"(vcpu->arch.control_hpa) : "cc", "memory");
    vmx_enter(vcpu);
}

void vmx_entry_failed(struct vcpu *vcpu)
{
    exit_impossible(vcpu, vmcs_read(VMCS_INSTRUCTION_ERROR) | 1ull << 32);
}

const struct vendor vmx = {
    .name = "VMX",
    .probe = probe,
    .init = init,
    .cpu_enable = cpu_enable,
    .reset = reset,
    .enter = enter,
    .state = read_state,
    .can_take = can_take,
    .inject = inject,
    .window = window,
    .msr_read = read_msr,
    .msr_write = write_msr,
    .lend_timer = lend_timer,
    .deadline = set_deadline,
    .format = {.table = 7, .read = 1, .write = 2, .execute = 4, .normal = 6 << 3, .large = 1 << 7},
};
