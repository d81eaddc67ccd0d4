/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a native domain has from its architecture (arch/<isa>/native/). start.S relocates the program, maps memory, sets
 * up vectors, the console and the interrupt controller, and calls main() with interrupts masked.
 */
#ifndef LIB_NATIVE_H
#define LIB_NATIVE_H

#include <arch/native.h> /* INTERRUPT_CONTEXT, interrupt_mask(), cpu_sleep(), counter_read(), mmio_read32() and the like */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Interrupt handlers run on the stack of whatever they interrupt, interrupts masked, and save no FP/SIMD registers:
 * they and all they call are INTERRUPT_CONTEXT. They quieten their device and signal the loop, nothing else.
 */
struct interrupt_handler {
    void (*handle)(struct interrupt_handler *handler);
    void *owner;
    const char *name; /* whose it is, for people; for ever */
    uint32_t id;      /* interrupt_register()'s */
    struct interrupt_watch {
        struct interrupt_handler *next;
        uint32_t turn, calls, state;
        uint64_t until_ns, pause_ns, storms;
    } watch; /* the program's (mgmt/interrupt_watch.h) */
};

/* Enables interrupt `id` (INTID) for this CPU. The handler must exist for ever. false: no such interrupt. */
bool interrupt_register(uint32_t id, bool level, struct interrupt_handler *handler);
/* Has the interrupt controller hold a registered interrupt back, or let it come; what is pending, comes then.
 * Interrupts masked. False: it cannot be held back (on x86-64: messages, the timer). */
INTERRUPT_CONTEXT bool interrupt_enable(uint32_t id, bool enabled);
/* The program's: what the architecture's code calls for each interrupt, to run its handler. */
INTERRUPT_CONTEXT void interrupt_handle(struct interrupt_handler *handler);

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

/*
 * The background: one context below main(), with a stack of its own (16-byte aligned top). background_run() is called
 * with interrupts masked; it runs the background, interrupts enabled, until an interrupt was handled or the background
 * yields, and returns with interrupts masked. All of its registers are kept between turns.
 */
void background_start(void (*entry)(void), void *stack_top);
void background_run(void);
void background_yield(void);
/* Takes one page-aligned page of the program's own data away, below a stack. Boot only. */
void memory_guard(void *page);
/* Whole pages of the program's own data that a device reads and writes too, line by line among its own writes (rings of
 * descriptors): not cached from now on, where devices do not see the caches. Boot only. */
void memory_uncache(void *pages, size_t size);

/* Prints why on the console, reports CAUSE_PANIC. For mistakes of this program. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
