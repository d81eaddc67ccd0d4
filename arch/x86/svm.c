// SPDX-License-Identifier: Apache-2.0
/*
 * AMD SVM (AMD APM volume 2, chapter 15): one VMCB a vCPU.
 *
 * An interrupt is offered, not injected: it stands in V_INTR_VECTOR until the guest can take it, which costs no exit.
 * The next exit tells whether it did. What VMRUN does not switch (FS, GS, TR, LDTR, SYSCALL's and SYSENTER's registers)
 * stays the guest's from the VMLOAD of its start on.
 */
#include "avic.h"
#include "exit.h"
#include "guest_cpu.h"
#include "guest_memory.h"
#include "vendor.h"
#include "vmcb.h"

#include <arch/apic.h>
#include <arch/cpu.h>
#include <core/arch.h>
#include <core/log.h>
#include <core/memory.h>
#include <string.h>

#define MSR_VM_CR 0xc0010114u
#define VM_CR_DISABLED (1ull << 4)
#define MSR_VM_HSAVE 0xc0010117u
#define CPUID_SVM (1u << 2)    /* 80000001 ecx */
#define CPUID_FFXSR (1u << 25) /* 80000001 edx */
#define CPUID_GIGABYTE (1u << 26)
#define CPUID_NESTED_PAGING (1u << 0)
#define CPUID_NEXT_RIP (1u << 3)
#define CPUID_DECODE_ASSISTS (1u << 7)
#define CPUID_X2AVIC (1u << 13 | 1u << 18)
#define EFER_FFXSR (1ull << 14)
#define DEBUGCTL_IGNORED 3ull /* LBR, BTF */
#define DR6_STEP (1u << 14)
#define CR_FROM_REGISTER (1ull << 63) /* EXITINFO1: which one is in bits 0..3 */
#define CR4_OF_EVERY_CPU                                                                                               \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |             \
     CR4_OSXMMEXCPT)
#define ASID 1u /* a CPU never runs another guest */

#define TYPE_SOFTWARE 4u

#define BIT(exit) (1u << ((exit)&31))
#define INTERCEPT_ALWAYS                                                                                               \
    (BIT(SVM_INTR) | BIT(SVM_NMI) | BIT(SVM_INIT) | BIT(SVM_RDPMC) | BIT(SVM_CPUID) | BIT(SVM_INVD) | BIT(SVM_HLT) |   \
     BIT(SVM_INVLPGA) | BIT(SVM_IOIO) | BIT(SVM_MSR) | BIT(SVM_SHUTDOWN))
#define INTERCEPT_ALWAYS_1                                                                                             \
    (BIT(SVM_VMRUN) | BIT(SVM_VMMCALL) | BIT(SVM_VMLOAD) | BIT(SVM_VMSAVE) | BIT(SVM_STGI) | BIT(SVM_CLGI) |           \
     BIT(SVM_SKINIT) | BIT(SVM_WBINVD) | BIT(SVM_MONITOR) | BIT(SVM_MWAIT) | BIT(SVM_MWAIT_ARMED) | BIT(SVM_XSETBV) |  \
     BIT(SVM_RDPRU))

_Static_assert(offsetof(struct arch_vcpu, control_hpa) == 144, "svm_entry.S");

static bool next_rip, decode_assists;
static uint64_t cr4_valid;
static uint8_t *msr_bitmap, *lent_timer_bitmap, *all_ports; /* two pages each, and three */

void svm_enter(struct vcpu *vcpu);
void svm_exit(struct vcpu *vcpu);

/* --- Boot --- */

static const char *probe(void)
{
    struct cpuid features;

    if (!(cpuid(0x80000001, 0).ecx & CPUID_SVM))
        return "SVM";
    if (msr_read(MSR_VM_CR) & VM_CR_DISABLED)
        return "SVM: the firmware has disabled it";
    features = cpuid(0x8000000a, 0);
    if (!(features.edx & CPUID_NESTED_PAGING) || features.ebx <= ASID || !(cpuid(0x80000001, 0).edx & CPUID_GIGABYTE))
        return "SVM with nested paging, and pages of 1 GiB";
    next_rip = features.edx & CPUID_NEXT_RIP;
    decode_assists = features.edx & CPUID_DECODE_ASSISTS;
    if (CONFIG_SVM_INTERRUPTS >= 1 && (features.edx & CPUID_X2AVIC) == CPUID_X2AVIC)
        apic_virtualization = &avic;
    return NULL;
}

/* CR4 as far as guests' CPUID goes. */
static uint64_t find_cr4_valid(void)
{
    struct cpuid basic = cpuid(1, 0), structured = cpuid(7, 0);

    return CR4_OF_EVERY_CPU | (basic.ecx & 1u << 17 ? CR4_PCIDE : 0) | (basic.ecx & 1u << 26 ? CR4_OSXSAVE : 0) |
           (structured.ebx & 1u << 0 ? CR4_FSGSBASE : 0) | (structured.ebx & 1u << 7 ? CR4_SMEP : 0) |
           (structured.ebx & 1u << 20 ? CR4_SMAP : 0) | (structured.ecx & 1u << 2 ? CR4_UMIP : 0);
}

static void msr_allow(uint8_t *bitmap, uint32_t msr)
{
    uint32_t bit = (msr >> 31 ? 0x2000 : 0) + (msr & 0x1fff);

    bitmap[bit / 4] &= (uint8_t) ~(3u << bit % 4 * 2);
}

static void init(void)
{
    cr4_valid = find_cr4_valid();
    msr_bitmap = memory_pages(2);
    all_ports = memory_pages(3);
    memset(msr_bitmap, 0xff, 2 * PAGE_SIZE);
    memset(all_ports, 0xff, 3 * PAGE_SIZE);
    for (const uint32_t *msr = msr_guests_own(); *msr != 0; msr++)
        msr_allow(msr_bitmap, *msr);
    if (apic_virtualization != NULL)
        avic_init(msr_bitmap);
    lent_timer_bitmap = memory_pages(2);
    memcpy(lent_timer_bitmap, msr_bitmap, 2 * PAGE_SIZE);
    msr_allow(lent_timer_bitmap, X2APIC_TIMER_INITIAL);
    msr_allow(lent_timer_bitmap, X2APIC_TIMER_CURRENT); /* a write gives #GP, as it does by the kernel */
    for (uint32_t i = 0; i < platform.cpu_count; i++) {
        struct arch_vcpu *vcpu = &cpus[i].vcpu->arch;

        vcpu->control = memory_pages(2); /* the VMCB, and where VMRUN leaves the host's state */
        vcpu->control_hpa = kernel_hpa(vcpu->control).value;
    }
}

static void cpu_enable(struct vcpu *vcpu)
{
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SVME);
    msr_write(MSR_VM_HSAVE, vcpu->arch.control_hpa + PAGE_SIZE);
}

/* --- A start --- */

static struct vmcb_segment segment(const struct segment *from)
{
    return (struct vmcb_segment){
        .selector = from->selector,
        .attributes = (uint16_t)((from->access & 0xff) | (from->access >> 4 & 0xf00)),
        .limit = from->limit,
        .base = from->base,
    };
}

static void reset(struct vcpu *vcpu, const struct start_state *state)
{
    const struct arch_domain *domain = &vcpu->domain->arch;
    struct vmcb *vmcb = vcpu->arch.control;

    memset(vmcb, 0, sizeof(*vmcb));
    vmcb->exceptions = 1u << VECTOR_DB | 1u << VECTOR_AC | 1u << VECTOR_MC; /* two whose delivery may never end */
    vmcb->cr_writes = BIT(SVM_CR4_WRITE & 15);
    vmcb->intercepts[0] = INTERCEPT_ALWAYS;
    vmcb->intercepts[1] = INTERCEPT_ALWAYS_1;
    vmcb->iopm = kernel_hpa(domain->ports ? domain->ports : all_ports).value;
    vmcb->msrpm = kernel_hpa(msr_bitmap).value;
    vmcb->tsc_offset = vcpu->arch.tsc_offset;
    vmcb->asid = ASID;
    vmcb->interrupt = V_MASKING;
    vmcb->nested_paging = 1;
    vmcb->nested_cr3 = domain->stage2_root;

    for (unsigned i = ES; i <= GS; i++)
        vmcb->segment[i] = segment(&state->segment[i]);
    vmcb->ldtr = segment(&state->segment[LDTR]);
    vmcb->tr = segment(&state->segment[TR]);
    vmcb->gdtr.base = state->gdt_base;
    vmcb->gdtr.limit = state->gdt_limit;
    vmcb->idtr.limit = state->cr0 & CR0_PE ? 0 : 0xffff;
    vmcb->efer = state->efer | EFER_SVME;
    vmcb->cr0 = state->cr0;
    vmcb->cr3 = state->cr3;
    vmcb->cr4 = state->cr4;
    vmcb->dr6 = DR6_RESET;
    vmcb->dr7 = DR7_RESET;
    vmcb->rflags = RFLAGS_ONE;
    vmcb->pat = PAT_RESET;
    if (apic_virtualization != NULL)
        avic_reset(vcpu);
    asm volatile("vmload" ::"a"(vcpu->arch.control_hpa) : "memory");
    memset(&vcpu->arch.svm, 0, sizeof(vcpu->arch.svm));
    vcpu->arch.flush = true;
}

/* --- Between exit and entry --- */

static void state(struct vcpu *vcpu, struct guest_state *state)
{
    const struct vmcb *vmcb = vcpu->arch.control;

    *state = (struct guest_state){
        .cr0 = vmcb->cr0,
        .cr3 = vmcb->cr3,
        .cr4 = vmcb->cr4,
        .efer = vmcb->efer & ~EFER_SVME,
        .rsp = vmcb->rsp,
        .code64 = (vmcb->efer & EFER_LMA) && (vmcb->segment[CS].attributes & 1u << 9),
        .code32 = vmcb->segment[CS].attributes & 1u << 10,
        .code_base = vmcb->segment[CS].base,
    };
}

static bool can_take(struct vcpu *vcpu, enum event_type type)
{
    const struct vmcb *vmcb = vcpu->arch.control;

    if (type != EVENT_NMI) /* is offered, see window() */
        return false;
    return !vcpu->arch.svm.nmi_blocked && !(vmcb->event & EVENT_VALID) &&
           (vmcb->shadow == 0 || vcpu->arch.rip != vmcb->rip);
}

static void inject(struct vcpu *vcpu, enum event_type type, uint32_t vector, int64_t error)
{
    struct vmcb *vmcb = vcpu->arch.control;
    uint64_t event = EVENT_VALID | (uint64_t)type << EVENT_TYPE_SHIFT | vector;

    /* An exception for an event that could not be delivered: a double fault, and then no more. */
    if (type == EVENT_EXCEPTION && (vmcb->event & EVENT_VALID)) {
        if ((vmcb->event & EVENT_VECTOR) == VECTOR_DF)
            return exit_triple_fault(vcpu);
        event = (event & ~EVENT_VECTOR) | VECTOR_DF;
        error = 0;
    }
    if (error >= 0 && (vmcb->cr0 & CR0_PE))
        event |= EVENT_ERROR_VALID | (uint64_t)error << EVENT_ERROR_SHIFT;
    vmcb->event = event;
    if (type == EVENT_NMI) {
        vcpu->arch.svm.nmi_blocked = true;
        vmcb->intercepts[0] |= BIT(SVM_IRET);
    }
}

/* NMIs need no window: the IRET that unblocks them exits. */
static void window(struct vcpu *vcpu, enum event_type type, uint32_t vector)
{
    if (type == EVENT_EXTERNAL)
        vcpu->arch.svm.offered = vector;
}

static bool read_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    const struct vmcb *vmcb = vcpu->arch.control;

    switch (msr) {
    case MSR_EFER:
        *value = vmcb->efer & ~EFER_SVME;
        return true;
    case MSR_PAT:
        *value = vmcb->pat;
        return true;
    case MSR_DEBUGCTL:
        *value = 0;
        return true;
    default:
        return false;
    }
}

static bool write_efer(struct vmcb *vmcb, uint64_t value)
{
    uint64_t valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;

    if (cpuid(0x80000001, 0).edx & CPUID_FFXSR)
        valid |= EFER_FFXSR;
    if ((value & ~valid) || (((value ^ vmcb->efer) & EFER_LME) && (vmcb->cr0 & CR0_PG)))
        return false;
    vmcb->efer = (value & ~EFER_LMA) | (vmcb->efer & EFER_LMA) | EFER_SVME;
    return true;
}

static bool pat_is_valid(uint64_t value)
{
    for (; value != 0; value >>= 8)
        if ((value & 0xff) > 7 || (value & 0xfe) == 2)
            return false;
    return true;
}

static bool write_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    struct vmcb *vmcb = vcpu->arch.control;

    switch (msr) {
    case MSR_EFER:
        vcpu->arch.flush = true;
        return write_efer(vmcb, value);
    case MSR_PAT:
        if (!pat_is_valid(value))
            return false;
        vmcb->pat = value;
        return true;
    case MSR_DEBUGCTL:
        return !(value & ~DEBUGCTL_IGNORED);
    default:
        return false;
    }
}

static void lend_timer(struct vcpu *vcpu, bool lent)
{
    struct vmcb *vmcb = vcpu->arch.control;

    vmcb->msrpm = kernel_hpa(lent ? lent_timer_bitmap : msr_bitmap).value;
}

/* --- Exits --- */

/* Of an instruction that exits, and of which the CPU does not say the length: without prefixes. */
static uint32_t length(const struct vmcb *vmcb, uint32_t usual)
{
    return next_rip ? (uint32_t)(vmcb->next_rip - vmcb->rip) : usual;
}

static void port(struct vcpu *vcpu, const struct vmcb *vmcb)
{
    uint64_t info = vmcb->exit_info_1;
    struct port_access access = {
        .port = IO_PORT(info),
        .width = (uint8_t)IO_SIZE(info),
        .in = info & IO_IN,
        .string = info & IO_STRING,
    };

    exit_port(vcpu, &access, vmcb->exit_info_2);
}

static void nested_page_fault(struct vcpu *vcpu, const struct vmcb *vmcb)
{
    struct page_fault fault = {
        .ipa = ipa(vmcb->exit_info_2),
        .write = vmcb->exit_info_1 & FAULT_WRITE,
        .fetch = vmcb->exit_info_1 & FAULT_FETCH,
        .on_walk = vmcb->exit_info_1 & FAULT_ON_WALK,
        .bytes = vmcb->fetched,
        .bytes_count = decode_assists ? vmcb->fetched_count & 15 : 0,
    };

    exit_page(vcpu, &fault);
}

static void privileged(struct vcpu *vcpu, const struct vmcb *vmcb, void (*handler)(struct vcpu *, uint32_t))
{
    if (vmcb->cpl == 0)
        handler(vcpu, length(vmcb, 3));
    else
        exit_forbidden(vcpu);
}

/* MOV CR4, register: which one, and the instruction's length. Length 0: it is not that any more. */
struct cr4_write {
    uint32_t length, reg;
};

static struct cr4_write decode_cr4_write(struct vcpu *vcpu, const struct vmcb *vmcb)
{
    uint8_t bytes[4] = {0}, *op = bytes;
    struct guest_state now;
    uint32_t rex = 0;

    if (decode_assists && (vmcb->exit_info_1 & CR_FROM_REGISTER))
        return (struct cr4_write){length(vmcb, 3), vmcb->exit_info_1 & 15};
    state(vcpu, &now);
    guest_fetch(vcpu, &now, (now.code64 ? 0 : now.code_base) + vmcb->rip, bytes, sizeof(bytes));
    if (now.code64 && *op >> 4 == 4)
        rex = *op++;
    if (op[0] != 0x0f || op[1] != 0x22 || (op[2] >> 3 & 7) != 4 || (rex & 4))
        return (struct cr4_write){0, 0};
    return (struct cr4_write){rex != 0 ? 4 : 3, (op[2] & 7) | (rex & 1) << 3};
}

static void write_cr4(struct vcpu *vcpu, struct vmcb *vmcb)
{
    struct cr4_write write = decode_cr4_write(vcpu, vmcb);
    uint64_t value = write.reg == RSP ? vmcb->rsp : vcpu->arch.x[write.reg];
    bool wide = vmcb->efer & EFER_LMA;

    count_exit(vcpu, EXIT_SYSREG);
    if (!wide)
        value = (uint32_t)value;
    if (write.length == 0 || (value & ~cr4_valid) || (wide && !(value & CR4_PAE)) ||
        ((value & ~vmcb->cr4 & CR4_PCIDE) && (!wide || (vmcb->cr3 & 0xfff))))
        return inject_general_protection(vcpu);
    vcpu->arch.flush |= value != vmcb->cr4;
    vmcb->cr4 = value;
    vcpu->arch.rip += write.length;
}

/* Apart, so that the way to other exits is no longer for these. */
static bool handle_avic(struct vcpu *vcpu, const struct vmcb *vmcb)
{
    if (vmcb->exit_code == SVM_INCOMPLETE_IPI)
        avic_incomplete_ipi(vcpu, vmcb->exit_info_1, vmcb->exit_info_2);
    else if (vmcb->exit_code == SVM_NO_ACCELERATION)
        avic_no_acceleration(vcpu, vmcb->exit_info_1, (uint8_t)vmcb->exit_info_2);
    else if (vmcb->exit_code == SVM_VINTR)
        avic_window(vcpu);
    else
        return false;
    return true;
}

static void handle(struct vcpu *vcpu, struct vmcb *vmcb)
{
    switch (vmcb->exit_code) {
    case SVM_MSR:
        if (vmcb->exit_info_1)
            exit_msr_write(vcpu, length(vmcb, 2));
        else
            exit_msr_read(vcpu, length(vmcb, 2));
        return;
    case SVM_INTR:
    case SVM_NMI: /* has been taken when GIF was set */
        return exit_interrupt(vcpu);
    case SVM_NPF:
        return nested_page_fault(vcpu, vmcb);
    case SVM_VMMCALL:
        return privileged(vcpu, vmcb, exit_hypercall);
    case SVM_HLT:
        return exit_halt(vcpu, length(vmcb, 1), vmcb->rflags & RFLAGS_IF);
    case SVM_CPUID:
        return exit_cpuid(vcpu, length(vmcb, 2));
    case SVM_IOIO:
        return port(vcpu, vmcb);
    case SVM_XSETBV:
        return privileged(vcpu, vmcb, exit_xsetbv);
    case SVM_CR4_WRITE:
        return write_cr4(vcpu, vmcb);
    case SVM_IRET:
        vcpu->arch.svm.nmi_return = vmcb->rip;
        vmcb->intercepts[0] &= ~BIT(SVM_IRET);
        return;
    case SVM_INVD: /* caches are not the guest's alone, and need no flush */
    case SVM_WBINVD:
        vcpu->arch.rip += length(vmcb, 2);
        return count_exit(vcpu, EXIT_OTHER);
    case SVM_EXCEPTION + VECTOR_DB:
        return inject(vcpu, EVENT_EXCEPTION, VECTOR_DB, -1);
    case SVM_EXCEPTION + VECTOR_AC:
        return inject(vcpu, EVENT_EXCEPTION, VECTOR_AC, 0);
    case SVM_EXCEPTION + VECTOR_MC:
        asm volatile("int $18" ::: "memory");
        return;
    case SVM_RDPMC:
        return inject_general_protection(vcpu);
    case SVM_INVLPGA:
    case SVM_VMRUN:
    case SVM_VMLOAD:
    case SVM_VMSAVE:
    case SVM_STGI:
    case SVM_CLGI:
    case SVM_SKINIT:
    case SVM_MONITOR:
    case SVM_MWAIT:
    case SVM_MWAIT_ARMED:
    case SVM_RDPRU:
        return exit_forbidden(vcpu);
    case SVM_SHUTDOWN:
        return exit_triple_fault(vcpu);
    case SVM_INIT:
        return;
    default:
        if (apic_virtualization == NULL || !handle_avic(vcpu, vmcb))
            exit_impossible(vcpu, vmcb->exit_code);
    }
}

/* An exit in the middle of an event's delivery: it is delivered again, unless its instruction is repeated anyway. */
static void deliver_again(struct vcpu *vcpu, struct vmcb *vmcb)
{
    uint64_t event = vmcb->exit_event, type = event >> EVENT_TYPE_SHIFT & EVENT_TYPE, vector = event & EVENT_VECTOR;

    if (type == TYPE_SOFTWARE || (type == EVENT_EXCEPTION && (vector == 3 || vector == 4)))
        return;
    if (type == EVENT_EXCEPTION && vector >= EXCEPTIONS) { /* what QEMU 10.0 makes of an offered interrupt */
        event &= ~(EVENT_TYPE << EVENT_TYPE_SHIFT);
        type = EVENT_EXTERNAL;
    }
    vmcb->event = event;
    if (type == EVENT_EXTERNAL && vector == vcpu->arch.svm.offered)
        vmcb->interrupt &= ~V_IRQ;
}

/* What the guest did without an exit: took the interrupt it was offered, changed CR8, returned from an NMI. */
static void catch_up(struct vcpu *vcpu, struct vmcb *vmcb)
{
    uint32_t offered = vcpu->arch.svm.offered;
    uint8_t cr8 = vmcb->interrupt & V_TPR;

    if (offered != 0 && !(vmcb->interrupt & V_IRQ))
        vlapic_take(vcpu, offered);
    vcpu->arch.svm.offered = 0;
    if (cr8 != vcpu->arch.vlapic.tpr >> 4)
        vlapic_set_tpr(vcpu, (uint8_t)(cr8 << 4));
    if (vcpu->arch.svm.nmi_blocked && vcpu->arch.svm.nmi_return != 0 && vmcb->rip != vcpu->arch.svm.nmi_return) {
        vcpu->arch.svm.nmi_blocked = false;
        vcpu->arch.svm.nmi_return = 0;
    }
}

static uint64_t offer(const struct vcpu *vcpu)
{
    uint64_t value = V_MASKING | vcpu->arch.vlapic.tpr >> 4, vector = vcpu->arch.svm.offered;

    return vector == 0 ? value : value | V_IRQ | vector >> 4 << V_PRIORITY_SHIFT | vector << V_VECTOR_SHIFT;
}

void svm_exit(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->arch.control;

    vcpu->arch.x[RAX] = vmcb->rax;
    vcpu->arch.rip = vmcb->rip;
    vmcb->event = 0;
    if (vmcb->exit_event & EVENT_VALID)
        deliver_again(vcpu, vmcb);
    catch_up(vcpu, vmcb);

    handle(vcpu, vmcb);
    exit_finish(vcpu);
    if (vcpu->arch.svm.offered == 0) /* CR8 changes without an exit */
        vcpu->arch.svm.offered = vcpu->arch.vlapic.masked;

    vmcb->rax = vcpu->arch.x[RAX];
    if (vmcb->rip != vcpu->arch.rip) {
        vmcb->rip = vcpu->arch.rip;
        vmcb->shadow &= ~SHADOW_ACTIVE;
        if ((vmcb->rflags & RFLAGS_TF) && !(vmcb->event & EVENT_VALID)) { /* the instruction was one step */
            vmcb->dr6 |= DR6_STEP;
            inject(vcpu, EVENT_EXCEPTION, VECTOR_DB, -1);
        }
    }
    vmcb->interrupt = offer(vcpu);
    vmcb->tlb_control = vcpu->arch.flush ? TLB_FLUSH_ALL : 0;
    vcpu->arch.flush = false;
}

/* The first entry: as if something had just been handled. */
static void enter(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->arch.control;

    vmcb->rax = vcpu->arch.x[RAX];
    vmcb->rip = vcpu->arch.rip;
    vmcb->tlb_control = TLB_FLUSH_ALL;
    apic_virtualization != NULL ? avic_enter(vcpu) : svm_enter(vcpu);
}

const struct vendor svm = {
    .name = "SVM",
    .probe = probe,
    .init = init,
    .cpu_enable = cpu_enable,
    .reset = reset,
    .enter = enter,
    .state = state,
    .can_take = can_take,
    .inject = inject,
    .window = window,
    .msr_read = read_msr,
    .msr_write = write_msr,
    .lend_timer = lend_timer,
    /* Nested walks are those of a user (APM 15.25.5). Accessed and dirty are set, so that the CPU need not. */
    .format = {.table = 0x67, .read = 0x65, .write = 0x2, .no_execute = 1ull << 63, .device = 0x18, .large = 0x80},
};
