// SPDX-License-Identifier: Apache-2.0
/*
 * AVIC in x2APIC mode (arch/x86/avic.c) against CPUs that do what AMD APM volume 2, 15.29, says: they look the table
 * up, set IRR, ring or exit. A CPU looks at IRR when it enters, when a bell rings and after its own writes, never else.
 * Nothing else that runs here has AVIC: what the manual does not say, this does not show.
 */
#include "../../arch/host/machine.h"
#include "../../arch/x86/avic.h"
#include "../../arch/x86/exit.h"
#include "../../arch/x86/vendor.h"
#include "../../arch/x86/vmcb.h"

#include <arch/apic.h>
#include <arch/cpu.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/interrupt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOTHING 1023u
#define ENABLED 0x1ffu
#define LEVEL 0x8000u
#define LINE 5u
#define CPUS 4u
#define HOST_ID 0x10u /* of CPU 0 */
#define VALID (1ull << 63)
#define RUNNING (1ull << 62)
enum {
    TPR = 0x808,
    PPR = 0x80a,
    EOI = 0x80b,
    SVR = 0x80f,
    ISR = 0x810,
    TMR = 0x818,
    IRR = 0x820,
    ESR = 0x828,
    ICR = 0x830
};
enum { ICR_HIGH = 0x831, SELF = 0x83f };

const struct partition_config partitions[] = {
    {.name = "management", .flags = PARTITION_MANAGEMENT, .cpus = 1},
    {.name = "guest", .cpus = 0x0e},
};
const uint32_t partition_count = 2;
#define GUEST (&domains[1])

static struct vmcb vmcbs[CPUS];
static _Alignas(4096) uint8_t plain_bitmap[2 * 4096];
static struct {
    bool in_guest, looks; /* it evaluates IRR */
    bool waits;           /* in exit_halt() */
    uint32_t exits, rings;
} cpu[CPUS];
static bool clears_levels; /* the hardware has ended a level when it exits: the manual says neither */
static struct {
    uint32_t msr;
    uint64_t value;
    bool write, refused;
} access;
static jmp_buf *out;
static uint32_t impossible;

static struct vmcb *vmcb_of(const struct vcpu *vcpu)
{
    return &vmcbs[vcpu->cpu];
}

static uint32_t *reg(const struct vcpu *vcpu, uint32_t msr)
{
    return &vcpu->arch.vlapic.page[VLAPIC_REGISTER(msr)];
}

static bool bit(const struct vcpu *vcpu, uint32_t set, uint32_t vector)
{
    return *reg(vcpu, set + vector / 32) >> vector % 32 & 1;
}

static uint32_t highest(const struct vcpu *vcpu, uint32_t set)
{
    for (uint32_t vector = 255; vector != 0; vector--)
        if (bit(vcpu, set, vector))
            return vector;
    return 0;
}

/* --- What avic.c stands on --- */

/* VMRUN: APM 15.29.5's and the bitmap's part of its state. Without AVIC the physical APIC would answer what does not
 * exit. */
static void vmrun(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vmcb_of(vcpu);
    bool on = vmcb->interrupt & V_AVIC;

    assert_int_equal(vmcb->interrupt & V_X2APIC ? 1 : 0, on);
    assert_true(vmcb->interrupt & V_MASKING);
    assert_int_equal(vmcb->msrpm == (uint64_t)plain_bitmap, !on);
    assert_int_equal(vmcb->avic_page, (uint64_t)vcpu->arch.vlapic.page);
    assert_int_equal(vmcb->avic_physical & 0x1ff, vcpu->domain->vcpu_count - 1);
    assert_int_equal(vmcb->avic_bar, 0xfee00000);
    assert_false(vmcb->avic_logical & 0xfff);
    assert_int_equal(vmcb->interrupt & V_TPR, *reg(vcpu, TPR) >> 4);
    cpu[vcpu->cpu].in_guest = true;
    cpu[vcpu->cpu].looks = on;
}

void svm_avic_enter(struct vcpu *vcpu)
{
    vmrun(vcpu);
}

void apic_doorbell(uint32_t number)
{
    cpu[number].rings++;
    if (cpu[number].in_guest && vmcbs[number].interrupt & V_AVIC)
        cpu[number].looks = true;
}

void exit_msr_read(struct vcpu *vcpu, uint32_t length)
{
    assert_int_equal(length, 2);
    access.refused = !vlapic_msr_read(vcpu, access.msr, &access.value);
}

void exit_impossible(struct vcpu *vcpu, uint64_t reason)
{
    (void)vcpu, (void)reason;
    impossible++;
    longjmp(*out, 1);
}

/* As svm.c has it. Who waits in HLT does not come back from here, but by a kick. */
void svm_exit(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vmcb_of(vcpu);

    if ((vmcb->interrupt & V_TPR) != vcpu->arch.vlapic.tpr >> 4)
        vlapic_set_tpr(vcpu, (uint8_t)((vmcb->interrupt & V_TPR) << 4));
    if (vmcb->exit_code == SVM_INCOMPLETE_IPI) {
        avic_incomplete_ipi(vcpu, vmcb->exit_info_1, vmcb->exit_info_2);
    } else if (vmcb->exit_code == SVM_NO_ACCELERATION) {
        avic_no_acceleration(vcpu, vmcb->exit_info_1, (uint8_t)vmcb->exit_info_2);
    } else if (vmcb->exit_code == SVM_VINTR) {
        avic_window(vcpu);
    } else if (vmcb->exit_code == SVM_MSR && access.write) {
        access.refused = access.msr >> 8 == 8 ? !vlapic_msr_write(vcpu, access.msr, access.value)
                                              : !hyperv_msr_write(vcpu, access.msr, access.value);
    } else if (vmcb->exit_code == SVM_MSR) {
        exit_msr_read(vcpu, 2);
    } else if (vmcb->exit_code == SVM_HLT && vlapic_next(vcpu) == 0 && !vlapic_would_deliver(vcpu)) {
        cpu[vcpu->cpu].waits = true;
        longjmp(*out, 1);
    }
    assert_int_equal(vlapic_next(vcpu), 0);
    assert_int_equal(vcpu->arch.vlapic.masked, 0);
    vmcb->interrupt = V_MASKING | vcpu->arch.vlapic.tpr >> 4;
}

/* --- The hardware --- */

static void exit_with(uint64_t code, uint64_t info_1, uint64_t info_2)
{
    struct vcpu *vcpu = vcpu_current();
    jmp_buf here;

    assert_true(cpu[vcpu->cpu].in_guest);
    cpu[vcpu->cpu].in_guest = cpu[vcpu->cpu].looks = false;
    cpu[vcpu->cpu].exits++;
    vmcb_of(vcpu)->exit_code = code;
    vmcb_of(vcpu)->exit_info_1 = info_1;
    vmcb_of(vcpu)->exit_info_2 = info_2;
    out = &here;
    if (setjmp(here) == 0) {
        avic_exit(vcpu);
        vmrun(vcpu);
    }
}

/* Kicks: a guest exits, and who waits looks. */
static void settle(void)
{
    uint32_t before = vcpu_current()->cpu;

    for (uint32_t i = 1; i < CPUS; i++) {
        if (!cpus[i].requests)
            continue;
        cpus[i].requests = 0;
        machine_on(i);
        if (cpu[i].in_guest)
            exit_with(SVM_INTR, 0, 0);
        else if (cpu[i].waits && (vlapic_next(vcpu_current()) != 0 || vlapic_would_deliver(vcpu_current()))) {
            cpu[i].waits = false;
            avic_enter(vcpu_current());
        }
    }
    machine_on(before);
}

static void hardware_priority(struct vcpu *vcpu)
{
    uint32_t served = highest(vcpu, ISR), tpr = *reg(vcpu, TPR);

    *reg(vcpu, PPR) = served >> 4 > tpr >> 4 ? served & 0xf0 : tpr;
}

/* The guest takes what its CPU has noticed. */
static uint32_t take(uint32_t number)
{
    struct vcpu *vcpu = cpus[number].vcpu;
    uint32_t vector = highest(vcpu, IRR);

    if (!cpu[number].in_guest || !cpu[number].looks || vector >> 4 <= *reg(vcpu, PPR) >> 4)
        return NOTHING;
    *reg(vcpu, IRR + vector / 32) &= ~(1u << vector % 32);
    *reg(vcpu, ISR + vector / 32) |= 1u << vector % 32;
    hardware_priority(vcpu);
    return vector;
}

static uint64_t entry(uint32_t vcpu)
{
    return ((uint64_t *)(vmcbs[1].avic_physical & ~0xfffull))[vcpu];
}

/* 15.29.6: an invalid target is one for an IPI that names it, but not for everybody's. */
static void hardware_ipi(struct vcpu *from, uint64_t icr)
{
    const uint64_t *table = (const uint64_t *)(vmcb_of(from)->avic_physical & ~0xfffull);
    uint32_t last = vmcb_of(from)->avic_physical & 0x1ff, destination = (uint32_t)(icr >> 32),
             shorthand = icr >> 18 & 3;
    bool everybody = shorthand >= 2 || (shorthand == 0 && destination == UINT32_MAX), stopped = false;
    uint64_t targets = 0;

    if (((icr >> 8 & 7) != 0) || (icr & LEVEL))
        return exit_with(SVM_INCOMPLETE_IPI, icr, 0ull << 32);
    if ((icr & 0xff) < 16)
        return exit_with(SVM_INCOMPLETE_IPI, icr, 4ull << 32);
    if (everybody)
        targets = (2ull << last) - 1;
    else if (shorthand == 1)
        targets = 1ull << from->index;
    else if (icr & 0x800)
        targets = destination >> 16 == 0 ? destination & 0xffff : 1ull << 63;
    else
        targets = 1ull << (destination < 63 ? destination : 63);
    if (shorthand == 3)
        targets &= ~(1ull << from->index);
    for (uint32_t i = 0; i < 64; i++)
        if ((targets >> i & 1) && (i > last || !(table[i] & VALID)) && !everybody)
            return exit_with(SVM_INCOMPLETE_IPI, icr, 2ull << 32 | i);
    for (uint32_t i = 0; i <= last; i++) {
        if (!(targets >> i & 1) || !(table[i] & VALID))
            continue;
        ((uint32_t *)(table[i] & 0xffffffffff000))[VLAPIC_REGISTER(IRR + (icr & 0xff) / 32)] |= 1u << (icr & 31);
        if (i == from->index)
            cpu[from->cpu].looks = true;
        else if (table[i] & RUNNING)
            apic_doorbell((uint32_t)(table[i] & 0xfff) - HOST_ID);
        else
            stopped = true;
    }
    if (stopped)
        exit_with(SVM_INCOMPLETE_IPI, icr, 1ull << 32);
}

static bool exits(const struct vcpu *vcpu, uint32_t msr, bool write)
{
    const uint8_t *bitmap = (const uint8_t *)vmcb_of(vcpu)->msrpm;

    return msr >> 8 != 8 || bitmap[msr / 4] >> (msr % 4 * 2 + write) & 1;
}

static void do_write(uint32_t msr, uint64_t value)
{
    struct vcpu *vcpu = vcpu_current();
    uint32_t vector;

    if (exits(vcpu, msr, true)) {
        access.msr = msr;
        access.value = value;
        access.write = true;
        exit_with(SVM_MSR, 1, 0);
        return;
    }
    switch (msr) {
    case TPR:
        *reg(vcpu, TPR) = (uint8_t)value;
        vmcb_of(vcpu)->interrupt = (vmcb_of(vcpu)->interrupt & ~V_TPR) | (value >> 4 & 15);
        hardware_priority(vcpu);
        cpu[vcpu->cpu].looks = true;
        return;
    case EOI:
        vector = highest(vcpu, ISR);
        if (vector != 0 && bit(vcpu, TMR, vector)) {
            if (clears_levels) {
                *reg(vcpu, ISR + vector / 32) &= ~(1u << vector % 32);
                hardware_priority(vcpu);
            }
            return exit_with(SVM_NO_ACCELERATION, 1ull << 32 | 0xb0, vector);
        }
        *reg(vcpu, ISR + vector / 32) &= ~(1u << vector % 32);
        hardware_priority(vcpu);
        cpu[vcpu->cpu].looks = true;
        return;
    case SELF:
        value = 1u << 18 | (uint8_t)value;
        return hardware_ipi(vcpu, value);
    case ICR:
        *reg(vcpu, ICR) = (uint32_t)value;
        *reg(vcpu, ICR_HIGH) = (uint32_t)(value >> 32);
        return hardware_ipi(vcpu, value);
    default:
        fail();
    }
}

static void write(uint32_t msr, uint64_t value)
{
    access.refused = false;
    do_write(msr, value);
    settle();
}

static uint64_t read(uint32_t msr)
{
    struct vcpu *vcpu = vcpu_current();

    access.refused = access.write = false;
    if (!exits(vcpu, msr, false))
        return *reg(vcpu, msr) | (msr == ICR ? (uint64_t)*reg(vcpu, ICR_HIGH) << 32 : 0);
    access.msr = msr;
    exit_with(SVM_MSR, 0, 0);
    return access.value;
}

static void set_cr8(uint32_t value) /* with AVIC on it is TPR, else V_TPR only */
{
    struct vmcb *vmcb = vmcb_of(vcpu_current());

    if (vmcb->interrupt & V_AVIC)
        do_write(TPR, value << 4);
    else
        vmcb->interrupt = (vmcb->interrupt & ~V_TPR) | value;
}

static void halt(void)
{
    exit_with(SVM_HLT, 0, 0);
    settle();
}

static void end(uint32_t number)
{
    machine_on(number);
    write(EOI, 0);
}

static void pin(uint32_t low, uint32_t destination)
{
    machine_write(GUEST_IOAPIC_BASE, 4, 0x11 + 2 * LINE);
    machine_write(GUEST_IOAPIC_BASE + 0x10, 4, destination << 24);
    machine_write(GUEST_IOAPIC_BASE, 4, 0x10 + 2 * LINE);
    machine_write(GUEST_IOAPIC_BASE + 0x10, 4, low);
}

/* --- Life --- */

static void reset(uint32_t number)
{
    struct vcpu *vcpu = cpus[number].vcpu;

    machine_on(number);
    memset(vmcb_of(vcpu), 0, sizeof(struct vmcb));
    memset(&vcpu->arch.svm, 0, sizeof(vcpu->arch.svm));
    vmcb_of(vcpu)->interrupt = V_MASKING;
    vmcb_of(vcpu)->msrpm = (uint64_t)plain_bitmap;
    avic_reset(vcpu);
    vlapic_reset(vcpu);
    memset(&cpu[number], 0, sizeof(cpu[number]));
}

static void enter(uint32_t number)
{
    machine_on(number);
    avic_enter(vcpu_current());
    write(SVR, ENABLED);
    cpu[number].exits = 0;
}

static int setup(void **state)
{
    (void)state;
    GUEST->memory_size = 64 * MIB;
    apic_virtualization = &avic;
    for (uint32_t i = 0; i < CPUS; i++) {
        cpus[i].vcpu->arch.control = &vmcbs[i];
        cpus[i].id = HOST_ID + i;
    }
    machine_start();
    for (uint32_t i = 1; i < CPUS; i++)
        reset(i);
    for (uint32_t i = 1; i < CPUS; i++)
        enter(i);
    machine_on(1);
    memset(&machine, 0, sizeof(machine));
    return 0;
}

static void no_exits(void)
{
    for (uint32_t i = 1; i < CPUS; i++)
        assert_int_equal(cpu[i].exits, 0);
}

/* --- Tests --- */

static void registers_need_no_exit(void **state)
{
    (void)state;
    machine_on(2);
    assert_int_equal(read(0x802), 1);
    assert_int_equal(read(0x80d), 2);
    assert_int_equal(read(SVR), ENABLED);
    write(TPR, 0x25);
    assert_int_equal(read(TPR), 0x25);
    assert_int_equal(read(PPR), 0x25);
    no_exits();
    exit_with(SVM_CPUID, 0, 0); /* and an exit forgets nothing of it */
    assert_int_equal(read(TPR), 0x25);
    set_cr8(7);
    exit_with(SVM_CPUID, 0, 0);
    assert_int_equal(read(TPR), 0x70);
    assert_int_equal(read(PPR), 0x70);
    assert_int_equal(cpu[2].exits, 2);
    read(0x839);
    assert_int_equal(cpu[2].exits, 3); /* the current count is the kernel's */
    write(0x838, 0);
    write(0x832, 0x10000);
    write(0x83e, 3);
    assert_int_equal(cpu[2].exits, 6);
}

static void interrupts_of_its_own_cpu(void **state)
{
    (void)state;
    vlapic_send(vcpu_current(), 0x41, false); /* in the kernel: the entry that follows sees it */
    exit_with(SVM_INTR, 0, 0);
    vlapic_send(vcpu_current(), 0x51, false);
    exit_with(SVM_INTR, 0, 0);
    assert_int_equal(cpu[1].rings, 0);
    assert_int_equal(take(1), 0x51);
    assert_int_equal(take(1), NOTHING);
    end(1);
    assert_int_equal(take(1), 0x41);
    end(1);
    assert_int_equal(cpu[1].exits, 2);
    write(SELF, 0x77);
    assert_int_equal(take(1), 0x77);
    end(1);
    assert_int_equal(cpu[1].exits, 2);
    write(SELF, 3); /* no such vector */
    assert_int_equal(cpu[1].exits, 3);
    assert_int_equal(read(ESR), 0x20);
}

static void an_ipi_to_who_runs_needs_no_exit(void **state)
{
    (void)state;
    write(ICR, 2ull << 32 | 0x61);
    assert_int_equal(cpu[3].rings, 1);
    assert_int_equal(take(3), 0x61);
    end(3);
    machine_on(2);
    write(ICR, 5ull << 32 | 0x800 | 0x62); /* logical: 0 and 2 */
    assert_int_equal(take(1), 0x62);
    assert_int_equal(take(2), NOTHING);
    assert_int_equal(take(3), 0x62);
    end(1);
    end(3);
    machine_on(2);
    write(ICR, 0xc0063); /* all but itself */
    assert_int_equal(take(1), 0x63);
    assert_int_equal(take(2), NOTHING);
    assert_int_equal(take(3), 0x63);
    machine_on(2);
    assert_int_equal(read(ICR), 0xc0063);
    no_exits();
    assert_int_equal(machine.kicks, 0);
}

static void the_kernel_rings(void **state)
{
    (void)state;
    machine_on(0); /* another domain's CPU */
    vlapic_send(GUEST->vcpu[1], 0x45, false);
    vlapic_send(GUEST->vcpu[1], 0x46, false);
    assert_int_equal(cpu[2].rings, 2);
    assert_int_equal(take(2), 0x46);
    end(2);
    assert_int_equal(take(2), 0x45);
    end(2);
    no_exits();
    assert_int_equal(machine.kicks, 0);
}

static void who_waits_is_kicked(void **state)
{
    (void)state;
    machine_on(2);
    halt();
    assert_true(cpu[2].waits);
    assert_int_equal(entry(1) & (RUNNING | VALID), VALID);
    machine_on(1);
    write(ICR, 0xc0061); /* 3 runs, 2 waits */
    assert_int_equal(cpu[1].exits, 1);
    assert_int_equal(machine.kicks, 1);
    assert_int_equal(take(2), 0x61);
    assert_int_equal(take(3), 0x61);
    assert_int_equal(entry(1) & (RUNNING | VALID), RUNNING | VALID);
    end(2);
    halt();
    machine_on(0);
    vlapic_send(GUEST->vcpu[1], 0x50, false);
    assert_int_equal(cpu[2].rings, 0);
    settle();
    assert_int_equal(take(2), 0x50);
    end(2);
    write(TPR, 0x60); /* what it would not take does not wake it */
    halt();
    machine_on(1);
    write(ICR, 1ull << 32 | 0x51);
    assert_true(cpu[2].waits);
    write(ICR, 1ull << 32 | 0x71);
    assert_int_equal(take(2), 0x71);
    end(2);
    halt();
    machine_on(1);
    write(ICR, 2ull << 32 | 0x800 | 0x72); /* logical */
    assert_int_equal(take(2), 0x72);
    machine_on(3); /* one that is there already: no wait */
    write(SELF, 0x81);
    halt();
    assert_false(cpu[3].waits);
    assert_int_equal(take(3), 0x81);
}

/* An ID that the table has no bits for: to the hardware that CPU never runs. One that the doorbell MSR has none for. */
static void who_cannot_be_rung_is_kicked(void **state)
{
    (void)state;
    cpus[2].id = 0x1000;
    reset(2);
    enter(2);
    assert_int_equal(entry(1) & (RUNNING | VALID | 0xfff), VALID);
    machine_on(1);
    write(ICR, 1ull << 32 | 0x61);
    assert_int_equal(take(2), 0x61);
    vlapic_send(GUEST->vcpu[1], 0x71, false);
    settle();
    assert_int_equal(cpu[2].rings, 0);
    assert_int_equal(machine.kicks, 2);
    assert_int_equal(take(2), 0x71);
    end(2);
    cpus[2].id = 0x100 + HOST_ID; /* and here only the hardware may ring */
    reset(2);
    enter(2);
    assert_int_equal(entry(1) & (RUNNING | VALID | 0xfff), RUNNING | VALID | (0x100 + HOST_ID));
    machine_on(1);
    vlapic_send(GUEST->vcpu[1], 0x72, false);
    settle();
    assert_int_equal(cpu[2].rings, 0);
    assert_int_equal(machine.kicks, 3);
    assert_int_equal(take(2), 0x72);
}

static void what_hardware_does_not_send_the_kernel_sends(void **state)
{
    (void)state;
    write(ICR, 1ull << 32 | 0x4100 | 0x91); /* lowest priority */
    assert_int_equal(cpu[1].exits, 1);
    assert_int_equal(take(2), 0x91);
    end(2);
    machine_on(1);
    write(ICR, 2ull << 32 | 0x4400); /* NMI */
    assert_true(GUEST->vcpu[2]->arch.nmi_pending);
    write(ICR, 0xfull << 32 | 0x800 | 0x92); /* one too many: those that are there get it */
    assert_int_equal(take(1), 0x92);
    assert_int_equal(take(2), 0x92);
    assert_int_equal(take(3), 0x92);
    write(ICR, 0x30000ull << 32 | 0x800 | 0x93); /* another cluster */
    write(ICR, 9ull << 32 | 0x94);
    for (uint32_t i = 1; i < CPUS; i++)
        assert_int_equal(take(i), NOTHING);
    write(ICR, 1ull << 32 | 7);
    assert_int_equal(read(ESR), 0x20);
    exit_with(SVM_INCOMPLETE_IPI, 1ull << 32 | 0x1000 | 0xa1, 2ull << 32); /* hardware may leave the busy bit set */
    settle();
    assert_int_equal(read(ICR), 1ull << 32 | 0xa1);
    assert_int_equal(take(2), 0xa1);
}

static void init_and_sipi_are_the_kernels(void **state)
{
    (void)state;
    write(ICR, 1ull << 32 | 0x4500);
    assert_int_equal(GUEST->vcpu[1]->power, VCPU_OFF);
    cpu[2].in_guest = false;       /* parked */
    write(ICR, 1ull << 32 | 0x61); /* nobody hears it */
    write(ICR, 1ull << 32 | 0x4608);
    assert_int_equal(GUEST->vcpu[1]->power, VCPU_ON_PENDING);
    assert_int_equal(GUEST->vcpu[1]->entry, 0x8000);
    reset(2);
    assert_int_equal(entry(1), 0);
    avic_enter(vcpu_current());
    assert_int_equal(take(2), NOTHING);
    machine_on(1);
    write(ICR, 1ull << 32 | 0x62); /* switched off: not accepted, nor from everybody's */
    write(ICR, 0xc0063);
    assert_int_equal(take(2), NOTHING);
    assert_int_equal(take(3), 0x63);
    machine_on(2);
    write(SVR, ENABLED);
    assert_int_equal(take(2), NOTHING);
    machine_on(1);
    write(ICR, 1ull << 32 | 0x64);
    assert_int_equal(take(2), 0x64);
    machine_on(2);
    write(SVR, 0xff);
    assert_int_equal(entry(1) & VALID, 0);
    GUEST->vcpu[1]->power = VCPU_ON;
}

static void a_levels_end_exits(void **state)
{
    (void)state;
    pin(LEVEL | 0x61, 1);
    interrupt_set_level(GUEST, LINE, true);
    settle();
    assert_int_equal(take(2), 0x61);
    write(SELF, 0x31);
    machine_on(2);
    write(SELF, 0x51);
    end(2);                            /* still high */
    assert_int_equal(cpu[2].exits, 2); /* one of them the kick */
    settle();
    assert_int_equal(take(2), 0x61);
    interrupt_set_level(GUEST, LINE, false);
    end(2);
    assert_int_equal(cpu[2].exits, 3);
    assert_int_equal(take(2), 0x51); /* PPR has fallen */
    end(2);
    assert_int_equal(cpu[2].exits, 3);
    vlapic_send(GUEST->vcpu[1], 0x61, false); /* an edge again */
    assert_int_equal(take(2), 0x61);
    end(2);
    assert_int_equal(cpu[2].exits, 3);
}

static void a_levels_end_exits_even_if_it_is_done(void **state)
{
    clears_levels = true;
    a_levels_end_exits(state);
    clears_levels = false;
}

/* What the guest may use of Hyper-V's though it is told not to. */
static void hyperv_agrees(void **state)
{
    uint64_t value;

    (void)state;
    assert_int_equal(hyperv_cpuid(vcpu_current(), 0x40000004).eax & 1u << 3, 0);
    write(0x40000073, 0x5001);
    assert_false(access.refused);
    write(SELF, 0x41);
    assert_int_equal(take(1), 0x41);
    assert_int_equal(*vcpu_current()->arch.vlapic.assist, 0);
    write(SELF, 0x35);
    write(0x40000070, 0);
    assert_int_equal(take(1), 0x35); /* PPR has fallen */
    write(0x40000072, 0x60);
    assert_int_equal(read(TPR), 0x60);
    assert_int_equal(read(PPR), 0x60);
    write(0x40000070, 0);
    write(SELF, 0x55);
    assert_int_equal(take(1), NOTHING);
    write(0x40000072, 0);
    assert_int_equal(take(1), 0x55);
    end(1);
    write(0x40000071, 2ull << 56 | 0x66);
    assert_int_equal(take(3), 0x66);
    assert_int_equal(read(ICR), 2ull << 32 | 0x66);
    write(ICR, 1ull << 32 | 0x67);
    exit_with(SVM_CPUID, 0, 0);
    assert_true(hyperv_msr_read(vcpu_current(), 0x40000071, &value));
    assert_int_equal(value, 1ull << 56 | 0x67);
}

/* The guest has interrupts masked: AVIC is off until it has not. */
static void interrupts_left_alone_are_seen(void **state)
{
    struct vcpu *vcpu = cpus[2].vcpu;

    (void)state;
    machine_on(2);
    assert_false(interrupt_untaken(vcpu));
    write(SELF, 0x51);
    assert_false(interrupt_untaken(vcpu));
    exit_with(SVM_INTR, 0, 0);
    assert_true(vmcb_of(vcpu)->interrupt & V_IRQ);
    assert_true(vmcb_of(vcpu)->interrupt & V_IGNORE_TPR);
    assert_true(vmcb_of(vcpu)->intercepts[0] & 1u << 4);
    assert_int_equal(entry(1) & (RUNNING | VALID), VALID);
    assert_true(interrupt_untaken(vcpu));
    write(TPR, 0x20); /* all of its APIC exits meanwhile, and says the same */
    assert_int_equal(read(TPR), 0x20);
    set_cr8(3);
    exit_with(SVM_CPUID, 0, 0);
    assert_int_equal(read(TPR), 0x30);
    write(ICR, 2ull << 32 | 0x61);
    assert_int_equal(take(3), 0x61);
    machine_on(1);
    write(ICR, 1ull << 32 | 0x62); /* IPIs to it exit: it gets a kick, which does no harm */
    machine_on(2);
    assert_int_equal(take(2), NOTHING);
    exit_with(SVM_VINTR, 0, 0);
    assert_false(vmcb_of(vcpu)->intercepts[0] & 1u << 4);
    assert_int_equal(entry(1) & RUNNING, RUNNING);
    assert_false(interrupt_untaken(vcpu));
    exit_with(SVM_VINTR, 0, 0);
    assert_int_equal(take(2), 0x62);
    end(2);
    assert_int_equal(take(2), 0x51);
    end(2);
    assert_false(interrupt_untaken(vcpu));
}

static void a_domains_reset_forgets_everything(void **state)
{
    (void)state;
    write(ICR, 1ull << 32 | 0x61);
    interrupt_untaken(GUEST->vcpu[0]);
    for (uint32_t i = 1; i < CPUS; i++)
        cpu[i].in_guest = false;
    reset(1); /* the others stay off */
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(entry(i), 0);
    enter(1);
    for (uint32_t word = 0; word < 8; word++)
        assert_int_equal(read(IRR + word) | read(ISR + word) | read(TMR + word), 0);
    write(ICR, 0xc0062);
    assert_int_equal(cpu[1].exits, 0); /* nobody is there */
    assert_false(bit(GUEST->vcpu[1], IRR, 0x62));
    reset(2);
    enter(2);
    assert_int_equal(take(2), NOTHING);
}

static void decode_is_total(void **state)
{
    (void)state;
    for (uint32_t why = 0; why < 16; why++) {
        impossible = 0;
        exit_with(SVM_INCOMPLETE_IPI, UINT64_MAX, (uint64_t)why << 32 | UINT32_MAX);
        assert_int_equal(impossible, why == 3 || why > 4);
        if (impossible)
            avic_enter(vcpu_current());
        settle();
    }
    for (uint32_t offset = 0; offset < 0x1000; offset++)
        for (uint32_t written = 0; written < 2; written++) {
            uint32_t n = offset >> 4;

            impossible = 0;
            access.msr = 0x800 + n;
            exit_with(SVM_NO_ACCELERATION, (uint64_t)written << 32 | offset | 0xabcull << 48, UINT64_MAX);
            assert_int_equal(impossible, written && n != 8 && n != 0xb && n != 0x30 && n != 0x3f);
            if (impossible)
                avic_enter(vcpu_current());
            settle();
        }
}

/* Random orders of everything: what is sent is taken, and at the end nothing is left in service. */
static void whatever_comes_ends(void **state)
{
    uint32_t served[CPUS] = {0};

    (void)state;
    srand(1);
    pin(LEVEL | 0x61, 1);
    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t number = 1 + (uint32_t)rand() % 3, vector = 0x20 + (uint32_t)rand() % 0xd0;

        machine_on(number);
        if (vector == 0x61)
            continue;
        if (cpu[number].waits) {
            vlapic_send(vcpu_current(), (uint8_t)vector, false); /* a timer */
            if (vlapic_would_deliver(vcpu_current())) {
                cpu[number].waits = false;
                avic_enter(vcpu_current());
            }
            continue;
        }
        switch (rand() % 8) {
        case 0:
            write(ICR, (uint64_t)(rand() % 3) << 32 | vector);
            break;
        case 1:
            write(ICR, (uint64_t)(rand() % 8) << 32 | 0x800 | vector);
            break;
        case 2:
            vlapic_send(GUEST->vcpu[rand() % 3], (uint8_t)vector, false);
            break;
        case 3:
            interrupt_set_level(GUEST, LINE, rand() % 2);
            break;
        case 4:
            if (interrupt_untaken(vcpu_current()) && vcpu_current()->arch.svm.watched)
                exit_with(SVM_VINTR, 0, 0);
            break;
        case 5:
            if (served[number] == 0 && rand() % 4 == 0)
                halt();
            break;
        case 6:
            if (served[number] < 8 && take(number) != NOTHING)
                served[number]++;
            break;
        default:
            if (served[number] != 0) {
                write(EOI, 0);
                served[number]--;
            }
        }
        settle();
    }
    interrupt_set_level(GUEST, LINE, false);
    for (uint32_t number = 1; number < CPUS; number++) {
        machine_on(number);
        if (cpu[number].waits) {
            assert_false(vlapic_would_deliver(vcpu_current()));
            continue;
        }
        if (vcpu_current()->arch.svm.watched)
            exit_with(SVM_VINTR, 0, 0);
        do
            for (; served[number] != 0; served[number]--)
                write(EOI, 0);
        while (take(number) != NOTHING && ++served[number]);
        for (uint32_t word = 0; word < 8; word++) {
            assert_int_equal(read(ISR + word), 0);
            assert_int_equal(read(IRR + word), 0);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registers_need_no_exit, setup),
        cmocka_unit_test_setup(interrupts_of_its_own_cpu, setup),
        cmocka_unit_test_setup(an_ipi_to_who_runs_needs_no_exit, setup),
        cmocka_unit_test_setup(the_kernel_rings, setup),
        cmocka_unit_test_setup(who_waits_is_kicked, setup),
        cmocka_unit_test_setup(who_cannot_be_rung_is_kicked, setup),
        cmocka_unit_test_setup(what_hardware_does_not_send_the_kernel_sends, setup),
        cmocka_unit_test_setup(init_and_sipi_are_the_kernels, setup),
        cmocka_unit_test_setup(a_levels_end_exits, setup),
        cmocka_unit_test_setup(a_levels_end_exits_even_if_it_is_done, setup),
        cmocka_unit_test_setup(hyperv_agrees, setup),
        cmocka_unit_test_setup(interrupts_left_alone_are_seen, setup),
        cmocka_unit_test_setup(a_domains_reset_forgets_everything, setup),
        cmocka_unit_test_setup(decode_is_total, setup),
        cmocka_unit_test_setup(whatever_comes_ends, setup),
    };

    memset(plain_bitmap, 0xff, sizeof(plain_bitmap));
    machine_init();
    avic_init(plain_bitmap);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
