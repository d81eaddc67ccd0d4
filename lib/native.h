/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a native domain has from its architecture (arch/<isa>/native/). start.S relocates the program, maps memory, sets
 * up vectors, the console and the interrupt controller, and calls main() with interrupts masked.
 */
#ifndef LIB_NATIVE_H
#define LIB_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Interrupt handlers run on the stack of whatever they interrupt, interrupts masked, and save no FP/SIMD registers: they
 * and all they call are INTERRUPT_CONTEXT. They quieten their device and signal the loop, nothing else.
 */
#define INTERRUPT_CONTEXT __attribute__((target("general-regs-only")))

struct interrupt_handler {
    void (*handle)(struct interrupt_handler *handler);
    void *owner;
};

/* Enables interrupt `id` (INTID) for this CPU. The handler must exist for ever. false: no such interrupt. */
bool interrupt_register(uint32_t id, bool level, struct interrupt_handler *handler);

/* Masks interrupts and says whether they were enabled; hand that to interrupt_restore(). Nests. */
static inline INTERRUPT_CONTEXT bool interrupt_mask(void)
{
    uint64_t daif;

    __asm__ volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(daif)::"memory");
    return !(daif & 0x80);
}

static inline INTERRUPT_CONTEXT void interrupt_restore(bool enabled)
{
    if (enabled)
        __asm__ volatile("msr daifclr, #2" ::: "memory");
}

/* Sleeps until an interrupt is pending; interrupts are masked and stay so. */
static inline void cpu_sleep(void)
{
    __asm__ volatile("dsb sy\n\twfi" ::: "memory");
}

/* The system counter (virtual), and its frequency. */
static inline uint64_t counter_read(void)
{
    uint64_t count;

    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(count)::"memory");
    return count;
}
static inline uint64_t counter_frequency(void)
{
    uint64_t hertz;

    __asm__("mrs %0, cntfrq_el0" : "=r"(hertz));
    return hertz;
}
/* Interrupts this CPU once the counter reaches `count`; ~0: never. Only wakes the CPU: there is no handler to set. */
void counter_alarm(uint64_t count);

/* A hardware random number, on CPUs that have them (FEAT_RNG). */
bool cpu_random(uint64_t *value);

/* Maps [base, base + size) of the domain's address space one to one, before use. Boot only. */
enum memory_kind {
    MEMORY_DATA,      /* cached, read-write, execute-never */
    MEMORY_READ_ONLY, /* cached, read-only, execute-never */
    MEMORY_DEVICE,    /* nGnRE, read-write, execute-never */
};
void memory_map(uint64_t base, uint64_t size, enum memory_kind kind);

/* Bytes: program (code and constants), data and bss, heap in all, heap in use at most so far. */
struct memory_use {
    size_t text, data, heap, heap_peak;
};
struct memory_use memory_use(void);

static inline uint32_t mmio_read32(uintptr_t address)
{
    uint32_t value;

    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}
static inline INTERRUPT_CONTEXT void mmio_write32(uintptr_t address, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

/* Prints why on the console, reports CAUSE_PANIC. For mistakes of this program. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
