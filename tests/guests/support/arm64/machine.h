/* SPDX-License-Identifier: Apache-2.0 */
/* The test guests' machine on arm64. */
#ifndef TESTS_GUESTS_MACHINE_H
#define TESTS_GUESTS_MACHINE_H

/* Virtual addresses: one to one, low GiB as device memory, the rest write-back; and windows of 1 GiB: */
#define WINDOW_40_BITS 0x7f00000000ull /* write-back, to 0xff_c000_0000 */
#define WINDOW_LOW 0x7f40000000ull     /* write-back and executable, to 0: device registers as if they were memory */
#define WINDOW_36_BITS 0x7f80000000ull /* write-back, to 0x0f_c000_0000 */
#define WINDOW_UNMAPPED 0x7fc0000000ull
#define GUEST_IMAGE_BASE 0x40080000ull

/* The state at entry. */
struct guest_initial {
    uint64_t x[31], sp, current_el, daif, sctlr, timer_control;
    uint64_t q[32][2];
};
extern const struct guest_initial guest_initial;

/* A fault is stepped over to the next instruction, or for an instruction abort to the caller (x30). */
struct fault {
    uint64_t count, esr, far, elr; /* of the last one */
};
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
#define machine_errors() serror_count

/* Interrupts: GICv3; GICv2 for what interrupts_start() and interrupt_enable() are needed for. */
#define TIMER_INTERRUPT 27
/* Messages of PCI functions: what a device writes to be MESSAGE_INTERRUPT (+ 1, ...), an edge, on this CPU. */
#define MESSAGE_INTERRUPT 448u
#define MESSAGE_ADDRESS 0x08000040ull /* GICD_SETSPI_NSR */
#define MESSAGE_DATA_REFUSED 27u      /* INTID 27: a private interrupt */
#define MESSAGE_FORGED 0x08090040ull  /* GITS_TRANSLATER */
/* What tests/bench/plugin.c looks for: the window of measurement N opens with 96 + N and closes with 112 + N. */
#define MARK(n) __asm__ volatile("hint %0" ::"i"(n) : "memory")
void gic_start(void);
void gic_enable(uint32_t id);
void gic_send_sgi(uint32_t id, uint64_t targets /* ICC_SGI1R_EL1 without the ID */);
static inline void interrupts_on(void)
{
    __asm__ volatile("msr daifclr, #2" ::: "memory");
}
static inline void interrupts_off(void)
{
    __asm__ volatile("msr daifset, #2" ::: "memory");
}
static inline void interrupts_wait(void)
{
    __asm__ volatile("wfi\n\tmsr daifclr, #2\n\tisb\n\tmsr daifset, #2" ::: "memory");
}
static inline void cpu_relax(void)
{
    __asm__ volatile("yield" ::: "memory");
}

/* Calls of the firmware. */
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
void message_enable(void);
int64_t cpu_state(uint32_t index); /* AFFINITY_INFO: 0 on, 1 off, 2 pending */

static inline uint32_t read32(uint64_t address)
{
    uint32_t value;

    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}
static inline void write8(uint64_t address, uint8_t value)
{
    __asm__ volatile("strb %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}
static inline void write16(uint64_t address, uint16_t value)
{
    __asm__ volatile("strh %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}
static inline void write32(uint64_t address, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}
static inline void write64(uint64_t address, uint64_t value)
{
    __asm__ volatile("str %0, [%1]" ::"r"(value), "r"(address) : "memory");
}

static inline void simd_set(uint64_t value)
{
    __asm__ volatile("fmov d8, %0\n\tfmov d31, %0" ::"r"(value) : "v8", "v31");
}

static inline bool simd_is(uint64_t value)
{
    uint64_t a, b;

    __asm__ volatile("fmov %0, d8\n\tfmov %1, d31" : "=r"(a), "=r"(b));
    return a == value && b == value;
}

#endif
