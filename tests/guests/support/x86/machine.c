// SPDX-License-Identifier: Apache-2.0
#include "tests/guests/support/guest.h"
#include <bulkhead/guest_map.h>
#include <string.h>

#define UART_DATA 0
#define UART_STATUS 5
#define UART_STATUS_ROOM 0x20u
#define STACK_BYTES 16384u
#define RFLAGS_TF 0x100ull

#define MSR_X2APIC_ISR_LAST 0x817
#define ICR_INIT 0x4500u
#define ICR_STARTUP 0x4600u
#define APIC_BASE_X2APIC 0xc00u
#define SPURIOUS_ENABLE 0x1ffu
#define LVT_TSC_DEADLINE 0x40000u
#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_REDIRECTION 0x10u
#define WATCHDOG_CONTROL 0x00
#define WATCHDOG_COUNT 0x04
#define WATCHDOG_TICK_MS 100u

/* As the stubs of start.S build it. */
struct frame {
    uint64_t general[15];
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

struct cpu_fault {
    volatile bool expected;
    volatile struct fault fault;
};

void (*volatile interrupt_handler)(uint32_t id);

static struct cpu_fault faults[CPUS];
static void (*volatile cpu_function[CPUS])(uint32_t index);
static volatile uint32_t cpu_runs[CPUS]; /* 1 from its start until its function returns */

_Noreturn void guest_secondary(uint32_t index);
void guest_exception(struct frame *frame);

/* APIC IDs count from 0. */
static uint32_t cpu_index(void)
{
    return (uint32_t)msr_read(MSR_X2APIC_ID) % CPUS;
}

static void set_gates(void)
{
    extern uint8_t vector_stubs[];
    extern uint64_t idt[];

    for (uint32_t vector = 0; vector < 256; vector++) {
        uint64_t stub = (uint64_t)vector_stubs + 16 * vector;

        idt[2 * vector] = (stub & 0xffff) | 0x08 << 16 | 0x8e00ull << 32 | (stub >> 16 & 0xffff) << 48;
        idt[2 * vector + 1] = stub >> 32;
    }
}

void machine_start(void)
{
    set_gates();
}

void machine_put(char byte)
{
    while (!(in8(GUEST_PORT_UART + UART_STATUS) & UART_STATUS_ROOM))
        ;
    out8(GUEST_PORT_UART + UART_DATA, (uint8_t)byte);
}

void guest_off(void)
{
    out8(GUEST_PORT_SLEEP_CONTROL, GUEST_SLEEP_OFF << 2 | GUEST_SLEEP_ENABLE);
}

void guest_reset(void)
{
    out8(GUEST_PORT_RESET, GUEST_RESET_VALUE);
}

void fault_expect(void)
{
    struct cpu_fault *mine = &faults[cpu_index()];

    mine->fault.count = 0;
    mine->expected = true;
}

struct fault fault_taken(void)
{
    struct cpu_fault *mine = &faults[cpu_index()];

    mine->expected = false;
    return mine->fault;
}

static void fault(struct frame *frame)
{
    struct cpu_fault *mine = &faults[cpu_index()];
    uint64_t address;

    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    if (!mine->expected) {
        check(false, "an exception nobody expected: %lu, error %lx, RIP %lx, CR2 %lx", frame->vector, frame->error,
              frame->rip, address);
        guest_done();
    }
    mine->fault.count++;
    mine->fault.vector = frame->vector;
    mine->fault.error = frame->error;
    mine->fault.address = address;
    mine->fault.rip = frame->rip;
    frame->rip = *(uint64_t *)frame->rsp;
    frame->rsp += 8;
    frame->rflags &= ~RFLAGS_TF;
}

void guest_exception(struct frame *frame)
{
    if (frame->vector < 32) {
        fault(frame);
        return;
    }
    if (frame->vector == 0xff && !(msr_read(MSR_X2APIC_ISR_LAST) >> 31))
        return; /* spurious */
    if (interrupt_handler != NULL)
        interrupt_handler((uint32_t)frame->vector);
    msr_write(MSR_X2APIC_EOI, 0);
}

void interrupts_start(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE);

    if ((base & APIC_BASE_X2APIC) != APIC_BASE_X2APIC)
        msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    msr_write(MSR_X2APIC_TPR, 0);
    msr_write(MSR_X2APIC_SPURIOUS, SPURIOUS_ENABLE);
}

static void ioapic_write(uint32_t index, uint32_t value)
{
    write32(GUEST_IOAPIC_BASE + IOAPIC_SELECT, index);
    write32(GUEST_IOAPIC_BASE + IOAPIC_WINDOW, value);
}

void interrupt_enable(uint32_t id)
{
    if (id == TIMER_INTERRUPT) {
        msr_write(MSR_X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | TIMER_INTERRUPT);
    } else if (id >= LINE_INTERRUPT(0) && id < LINE_INTERRUPT(GUEST_LINES)) {
        uint32_t line = id - LINE_INTERRUPT(0);

        ioapic_write(IOAPIC_REDIRECTION + 2 * line + 1, (uint32_t)msr_read(MSR_X2APIC_ID) << 24);
        ioapic_write(IOAPIC_REDIRECTION + 2 * line, id);
    }
}

void cpu_send(uint64_t icr)
{
    __asm__ volatile("mfence" ::: "memory");
    msr_write(MSR_X2APIC_ICR, icr);
}

uint64_t counter(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

uint64_t frequency(void)
{
    static uint64_t hertz;

    if (hertz == 0)
        hertz = guest_number("/timer", "timebase-frequency");
    return hertz != 0 ? hertz : 1000000000;
}

void timer_after_ms(uint64_t ms)
{
    msr_write(MSR_TSC_DEADLINE, counter() + ms * (frequency() / 1000));
}

void timer_off(void)
{
    msr_write(MSR_TSC_DEADLINE, 0);
}

struct call_result call_kernel(uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4)
{
    static int intel = -1;
    register uint64_t r8 __asm__("r8") = 0;
    register uint64_t r9 __asm__("r9") = 0;
    register uint64_t r10 __asm__("r10") = 0;

    if (intel < 0)
        intel = cpuid(0, 0).ebx == 0x756e6547; /* "Genu" */
    if (intel)
        __asm__ volatile("vmcall"
                         : "+a"(function), "+D"(x1), "+S"(x2), "+d"(x3)
                         : "c"(x4), "r"(r8), "r"(r9), "r"(r10)
                         : "memory");
    else
        __asm__ volatile("vmmcall"
                         : "+a"(function), "+D"(x1), "+S"(x2), "+d"(x3)
                         : "c"(x4), "r"(r8), "r"(r9), "r"(r10)
                         : "memory");
    return (struct call_result){{function, x1, x2, x3}};
}

/* INIT and start-up, as on hardware; a CPU that is done sleeps until the next INIT. */
_Noreturn void guest_secondary(uint32_t index)
{
    cpu_runs[index % CPUS] = 2;
    cpu_function[index % CPUS](index);
    cpu_runs[index % CPUS] = 0;
    for (;;)
        __asm__ volatile("cli\n\thlt");
}

int64_t cpu_start(uint32_t index, void (*function)(uint32_t index))
{
    extern uint8_t trampoline[], trampoline_end[], trampoline_index[];
    uint64_t end;

    memcpy((void *)(uint64_t)TRAMPOLINE, trampoline, (size_t)(trampoline_end - trampoline));
    *(volatile uint32_t *)(TRAMPOLINE + (uint64_t)(trampoline_index - trampoline)) = index;
    cpu_function[index % CPUS] = function;
    cpu_runs[index % CPUS] = 1;
    cpu_send((uint64_t)index << 32 | ICR_INIT);
    wait_ms(10);
    cpu_send((uint64_t)index << 32 | ICR_STARTUP | TRAMPOLINE >> 12);
    for (end = now_ms() + PATIENCE_MS; cpu_runs[index % CPUS] == 1;)
        if (now_ms() > end)
            return -1;
    return 0;
}

bool cpu_is_off(uint32_t index)
{
    return cpu_runs[index % CPUS] == 0;
}

bool watchdog_start_ms(uint32_t ms)
{
    write32(GUEST_WATCHDOG_BASE + WATCHDOG_COUNT, (ms + WATCHDOG_TICK_MS - 1) / WATCHDOG_TICK_MS);
    write32(GUEST_WATCHDOG_BASE + WATCHDOG_CONTROL, 1);
    return read32(GUEST_WATCHDOG_BASE + WATCHDOG_CONTROL) & 1;
}
