// SPDX-License-Identifier: Apache-2.0
#include "tests/guests/support/guest.h"

#define UART_DATA 0x00
#define UART_FLAGS 0x18
#define UART_FLAG_TX_FULL 0x20u
#define UART_CONTROL 0x30
#define WATCHDOG_WCS 0x00
#define WATCHDOG_WOR 0x08

struct frame {
    uint64_t x[31], elr, spsr, esr, far;
};

enum exception_kind { EXCEPTION_SYNCHRONOUS, EXCEPTION_IRQ, EXCEPTION_SERROR, EXCEPTION_OTHER };

struct cpu_fault {
    volatile bool expected;
    volatile struct fault fault;
};

volatile uint64_t serror_count;
void (*volatile interrupt_handler)(uint32_t id);

static struct cpu_fault faults[CPUS];
static void (*cpu_function[CPUS])(uint32_t index);

_Noreturn void guest_secondary(uint32_t index);
void guest_exception(enum exception_kind kind, struct frame *frame);

static uint32_t cpu_index(void)
{
    uint64_t index;

    __asm__ volatile("mrs %0, tpidr_el1" : "=r"(index));
    return (uint32_t)index % CPUS;
}

void machine_start(void)
{
    write32(GUEST_UART_BASE + UART_CONTROL, 0x301); /* on, both directions */
}

void machine_put(char byte)
{
    while (read32(GUEST_UART_BASE + UART_FLAGS) & UART_FLAG_TX_FULL)
        ;
    write32(GUEST_UART_BASE + UART_DATA, (uint8_t)byte);
}

void guest_off(void)
{
    call_hvc(PSCI_SYSTEM_OFF, 0, 0, 0, 0);
}

void guest_reset(void)
{
    call_hvc(PSCI_SYSTEM_RESET, 0, 0, 0, 0);
}

void fault_expect(void)
{
    struct cpu_fault *mine = &faults[cpu_index()];

    mine->fault.count = 0;
    mine->fault.esr = 0;
    mine->expected = true;
    __asm__ volatile("isb" ::: "memory");
}

struct fault fault_taken(void)
{
    struct cpu_fault *mine = &faults[cpu_index()];

    __asm__ volatile("dsb sy\n\tisb" ::: "memory");
    mine->expected = false;
    return mine->fault;
}

static void synchronous(struct frame *frame)
{
    struct cpu_fault *mine = &faults[cpu_index()];
    uint32_t class = (uint32_t)(frame->esr >> 26) & 0x3f;

    if (!mine->expected) {
        check(false, "an exception nobody expected: ESR %lx ELR %lx FAR %lx", frame->esr, frame->elr, frame->far);
        guest_done();
    }
    mine->fault.count++;
    mine->fault.esr = frame->esr;
    mine->fault.far = frame->far;
    mine->fault.elr = frame->elr;
    frame->elr = class == FAULT_INSTRUCTION_ABORT ? frame->x[30] : frame->elr + 4;
}

/* GICv2, where the CPU has no system registers of a GIC (ID_AA64PFR0_EL1.GIC): for its own interrupts and SPIs. */
#define GUEST_GICC_BASE 0x08010000ull
#define GICC_ACKNOWLEDGE (GUEST_GICC_BASE + 0xc)
#define GICC_END (GUEST_GICC_BASE + 0x10)

static bool gic_is_v2(void)
{
    uint64_t features;

    __asm__("mrs %0, id_aa64pfr0_el1" : "=r"(features));
    return !(features >> 24 & 15);
}

static void interrupt_v2(void)
{
    uint32_t acknowledged = read32(GICC_ACKNOWLEDGE), id = acknowledged & 0x3ff;

    if (id >= 1020)
        return;
    if (interrupt_handler != NULL)
        interrupt_handler(id);
    write32(GICC_END, acknowledged);
}

static void interrupt(void)
{
    uint64_t id;

    if (gic_is_v2()) {
        interrupt_v2();
        return;
    }
    __asm__ volatile("mrs %0, icc_iar1_el1\n\tdsb sy" : "=r"(id)::"memory");
    if (id >= 1020)
        return;
    if (interrupt_handler != NULL)
        interrupt_handler((uint32_t)id);
    __asm__ volatile("msr icc_eoir1_el1, %0\n\tisb" ::"r"(id) : "memory");
}

void guest_exception(enum exception_kind kind, struct frame *frame)
{
    switch (kind) {
    case EXCEPTION_SYNCHRONOUS:
        synchronous(frame);
        break;
    case EXCEPTION_IRQ:
        interrupt();
        break;
    case EXCEPTION_SERROR:
        serror_count++;
        break;
    case EXCEPTION_OTHER:
        check(false, "an exception from a level that does not run");
        guest_done();
    }
}

void gic_start(void)
{
    uint64_t redistributor = GUEST_GICR_BASE + cpu_index() * 0x20000ull;

    if (gic_is_v2()) {
        write32(GUEST_GICD_BASE, 1);
        write32(GUEST_GICC_BASE + 4, 0xf0); /* PMR */
        write32(GUEST_GICC_BASE, 1);
        return;
    }
    write32(GUEST_GICD_BASE, 0x12);                                    /* affinity routing, group 1 */
    write32(redistributor + 0x14, read32(redistributor + 0x14) & ~2u); /* WAKER: awake */
    while (read32(redistributor + 0x14) & 4)
        ;
    write32(redistributor + 0x10080, ~0u); /* IGROUPR0 */
    __asm__ volatile("msr icc_sre_el1, %0\n\tisb" ::"r"(7ul));
    __asm__ volatile("msr icc_pmr_el1, %0" ::"r"(0xf0ul));
    __asm__ volatile("msr icc_ctlr_el1, %0" ::"r"(0ul));
    __asm__ volatile("msr icc_igrpen1_el1, %0\n\tisb" ::"r"(1ul));
}

void gic_enable(uint32_t id)
{
    uint64_t redistributor = GUEST_GICR_BASE + cpu_index() * 0x20000ull;

    if (gic_is_v2()) {
        write32(GUEST_GICD_BASE + 0x100 + id / 32 * 4, 1u << id % 32);
        return;
    }
    if (id < 32) {
        write32(redistributor + 0x10100, 1u << id);
        return;
    }
    write32(GUEST_GICD_BASE + 0x80 + id / 32 * 4, ~0u); /* IGROUPR */
    write32(GUEST_GICD_BASE + 0x100 + id / 32 * 4, 1u << id % 32);
}

void message_enable(void)
{
    write32(GUEST_GICD_BASE + 0xc00 + MESSAGE_INTERRUPT / 16 * 4, 0xaaaaaaaa); /* edges */
    gic_enable(MESSAGE_INTERRUPT);
}

void gic_send_sgi(uint32_t id, uint64_t targets)
{
    __asm__ volatile("dsb ishst\n\tmsr icc_sgi1r_el1, %0\n\tisb" ::"r"(targets | (uint64_t)id << 24) : "memory");
}

void interrupts_start(void)
{
    gic_start();
}

void interrupt_enable(uint32_t id)
{
    gic_enable(id);
}

uint64_t counter(void)
{
    uint64_t count;

    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(count)::"memory");
    return count;
}

uint64_t frequency(void)
{
    uint64_t hertz;

    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hertz));
    return hertz;
}

void timer_after_ms(uint64_t ms)
{
    __asm__ volatile(
        "msr cntv_cval_el0, %0\n\tmsr cntv_ctl_el0, %1\n\tisb" ::"r"(counter() + ms * (frequency() / 1000)), "r"(1ul));
}

void timer_off(void)
{
    __asm__ volatile("msr cntv_ctl_el0, xzr\n\tisb");
}

struct call_result call_hvc(uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4)
{
    register uint64_t r0 __asm__("x0") = function;
    register uint64_t r1 __asm__("x1") = x1;
    register uint64_t r2 __asm__("x2") = x2;
    register uint64_t r3 __asm__("x3") = x3;
    register uint64_t r4 __asm__("x4") = x4;
    register uint64_t r5 __asm__("x5") = 0;
    register uint64_t r6 __asm__("x6") = 0;
    register uint64_t r7 __asm__("x7") = 0;

    __asm__ volatile("hvc #0"
                     : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7)
                     :
                     : "memory");
    return (struct call_result){{r0, r1, r2, r3}};
}

struct call_result call_smc(uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3)
{
    register uint64_t r0 __asm__("x0") = function;
    register uint64_t r1 __asm__("x1") = x1;
    register uint64_t r2 __asm__("x2") = x2;
    register uint64_t r3 __asm__("x3") = x3;

    __asm__ volatile("smc #0" : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3) : : "memory");
    return (struct call_result){{r0, r1, r2, r3}};
}

_Noreturn void guest_secondary(uint32_t index)
{
    cpu_function[index % CPUS](index);
    call_hvc(PSCI_CPU_OFF, 0, 0, 0, 0);
    for (;;)
        __asm__ volatile("wfi");
}

int64_t cpu_start(uint32_t index, void (*function)(uint32_t index))
{
    extern uint8_t secondary_start[];

    cpu_function[index % CPUS] = function;
    __asm__ volatile("dsb sy" ::: "memory");
    return (int64_t)call_hvc(PSCI_CPU_ON, index, (uint64_t)secondary_start, index, 0).x[0];
}

int64_t cpu_state(uint32_t index)
{
    return (int64_t)call_hvc(PSCI_AFFINITY_INFO, index, 0, 0, 0).x[0];
}

struct call_result call_kernel(uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4)
{
    return call_hvc(function, x1, x2, x3, x4);
}

bool cpu_is_off(uint32_t index)
{
    return cpu_state(index) == 1;
}

bool watchdog_start_ms(uint32_t ms)
{
    write32(GUEST_WATCHDOG_CONTROL + WATCHDOG_WOR, (uint32_t)(frequency() / 1000 * ms));
    write32(GUEST_WATCHDOG_CONTROL + WATCHDOG_WCS, 1);
    return read32(GUEST_WATCHDOG_CONTROL + WATCHDOG_WCS) & 1;
}
