/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a test guest has: a console, faults that it expects, interrupts, more CPUs, and a way to say what it found.
 *
 * A guest prints "PASS: ..." and "FAIL: ..." lines and then "DONE: N passed, M failed", and powers itself off, unless
 * its subject is another end. tests/system/test_guests.py reads that.
 */
#ifndef TESTS_GUESTS_SUPPORT_GUEST_H
#define TESTS_GUESTS_SUPPORT_GUEST_H

#include <bulkhead/guest_map.h>
#include <bulkhead/hypercall.h>
#include <bulkhead/partition.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The test. On CPU 0, interrupts masked, MMU on. When it returns, guest_done() follows. */
void guest_main(void);

/* Virtual addresses: one to one, low GiB as device memory, the rest write-back; and windows of 1 GiB: */
#define WINDOW_40_BITS 0x7f00000000ull /* write-back, to 0xff_c000_0000 */
#define WINDOW_LOW 0x7f40000000ull     /* write-back and executable, to 0: device registers as if they were memory */
#define WINDOW_36_BITS 0x7f80000000ull /* write-back, to 0x0f_c000_0000 */
#define WINDOW_UNMAPPED 0x7fc0000000ull

/* Console */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void check(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3))); /* a PASS or FAIL line */
_Noreturn void guest_done(void);                                                    /* the DONE line, then SYSTEM_OFF */

/* The state at entry. */
struct guest_initial {
    uint64_t x[31], sp, current_el, daif, sctlr, timer_control;
    uint64_t q[32][2];
};
extern const struct guest_initial guest_initial;

struct guest_memory {
    uint64_t base, size;
};
struct guest_memory guest_memory(void); /* from the device tree */
uint32_t guest_cpus(void);              /* likewise */
extern uint8_t image_end[];             /* memory from here on is free */

/*
 * Faults. Between fault_expect() and fault_taken() a synchronous exception on this CPU is recorded and stepped over:
 * the next instruction follows, or for an instruction abort the caller (x30). Outside it is a FAIL, and the end.
 */
struct fault {
    uint64_t count, esr, far, elr; /* of the last one */
};
void fault_expect(void);
struct fault fault_taken(void);
static inline uint32_t fault_class(struct fault fault)
{
    return (uint32_t)(fault.esr >> 26) & 0x3f;
}
#define FAULT_UNDEFINED 0x00u
#define FAULT_HVC 0x16u
#define FAULT_SYSTEM_REGISTER 0x18u
#define FAULT_INSTRUCTION_ABORT 0x21u
#define FAULT_DATA_ABORT 0x25u
#define FAULT_STATUS_EXTERNAL 0x10u /* synchronous external abort, not on a table walk */
extern volatile uint64_t serror_count;

/* Interrupts: GICv3. gic_start() once a CPU; handler runs with the interrupt acknowledged, before its EOI. */
void gic_start(void);
void gic_enable(uint32_t id);
void gic_send_sgi(uint32_t id, uint64_t targets /* ICC_SGI1R_EL1 without the ID */);
extern void (*volatile interrupt_handler)(uint32_t id);
static inline void interrupts_on(void)
{
    __asm__ volatile("msr daifclr, #2" ::: "memory");
}
static inline void interrupts_off(void)
{
    __asm__ volatile("msr daifset, #2" ::: "memory");
}

/* The virtual timer: PPI 27. */
uint64_t now_ms(void);
void timer_after_ms(uint64_t ms);
void timer_off(void);
void wait_ms(uint64_t ms); /* WFI with the timer's interrupt, or spinning when interrupts are off */

/* Calls. */
struct call_result {
    uint64_t x[4];
};
struct call_result call_hvc(uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4);
struct call_result call_smc(uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3);
#define PSCI_VERSION 0x84000000u
#define PSCI_CPU_SUSPEND 0xc4000001u
#define PSCI_CPU_OFF 0x84000002u
#define PSCI_CPU_ON 0xc4000003u
#define PSCI_AFFINITY_INFO 0xc4000004u
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u
#define PSCI_FEATURES 0x8400000au

/* Starts CPU `index` (1..) at function(index); it switches itself off when that returns. PSCI's answer. */
int64_t cpu_start(uint32_t index, void (*function)(uint32_t index));
int64_t cpu_state(uint32_t index); /* AFFINITY_INFO: 0 on, 1 off, 2 pending */

static inline uint32_t read32(uint64_t address)
{
    uint32_t value;

    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}
static inline void write32(uint64_t address, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

/* Numbers that look random and are the same each time. */
uint64_t random_next(uint64_t *state);

#endif
