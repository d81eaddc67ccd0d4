/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a test guest has: a console, faults that it expects, interrupts, more CPUs, and a way to say what it found.
 * machine.h, of support/<architecture>, adds what only that machine has.
 *
 * A guest prints "PASS: ..." and "FAIL: ..." lines and then "DONE: N passed, M failed", and powers itself off, unless
 * its subject is another end. tests/system/test_guests.py reads that.
 */
#ifndef TESTS_GUESTS_SUPPORT_GUEST_H
#define TESTS_GUESTS_SUPPORT_GUEST_H

#include <bulkhead/hypercall.h>
#include <bulkhead/partition.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPUS 8
#define PATIENCE_MS 120000 /* where a machine may be slow, a limit says "this will not come any more" */

/* The test. On CPU 0, interrupts masked, MMU on. When it returns, guest_done() follows. */
void guest_main(void);

/* Console */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void check(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3))); /* a PASS or FAIL line */
_Noreturn void guest_done(void);                                                    /* the DONE line, then guest_off() */

struct guest_memory {
    uint64_t base, size;
};
struct guest_memory guest_memory(void);        /* from the device tree */
uint32_t guest_cpus(void);                     /* likewise */
uint64_t guest_number(const char *path, const char *property); /* likewise: 64 bits; 0: there is none */
extern uint8_t image_end[];                    /* memory from here on is free */

/* The machine (support/<architecture>/machine.c). */
_Noreturn void guest_start(const void *device_tree); /* guest.c: start.S comes here */
void machine_start(void);                            /* the console works after this */
void machine_put(char byte);
void guest_off(void); /* these two do not return, if all is well */
void guest_reset(void);

/*
 * Faults. Between fault_expect() and fault_taken() an exception on this CPU is recorded and stepped over. Outside it is
 * a FAIL, and the end. struct fault has `count`, and of the last one what the machine says of it.
 */
void fault_expect(void);
struct fault fault_taken(void);

/* Interrupts: interrupts_start() once a CPU; the handler runs before the EOI. IDs are the machine's: TIMER_INTERRUPT. */
void interrupts_start(void);
void interrupt_enable(uint32_t id);
extern void (*volatile interrupt_handler)(uint32_t id);

/* Time. */
uint64_t counter(void);
uint64_t frequency(void);
uint64_t now_ms(void);
void timer_after_ms(uint64_t ms); /* TIMER_INTERRUPT */
void timer_off(void);
void wait_ms(uint64_t ms); /* spinning */

/* Calls of the kernel: x0..x3 come back. */
struct call_result {
    uint64_t x[4];
};
struct call_result call_kernel(uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4);

/* Starts CPU `index` (1..) at function(index); it is off again when that returns. 0: well. */
int64_t cpu_start(uint32_t index, void (*function)(uint32_t index));
bool cpu_is_off(uint32_t index);

/* Starts the domain's watchdog; whether it runs. */
bool watchdog_start_ms(uint32_t ms);

/* Numbers that look random and are the same each time. */
uint64_t random_next(uint64_t *state);

#include <machine.h>
/*
 * machine.h also has: struct fault; machine_errors(), which nobody expected; read32, write8, write16, write32, write64 (of registers); interrupts_on(),
 * interrupts_off(), interrupts_wait(): interrupts are off before and after, one is taken; cpu_relax();
 * simd_set(value) and simd_is(value): registers that nobody else may change, as long as the caller does not return.
 */

#endif
