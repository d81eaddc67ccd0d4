/* SPDX-License-Identifier: Apache-2.0 */
/* The test guests' machine on x86-64. */
#ifndef TESTS_GUESTS_MACHINE_H
#define TESTS_GUESTS_MACHINE_H

/* Virtual addresses: one to one up to 4 GiB, all of it writable and executable; and windows of 1 GiB: */
#define WINDOW_40_BITS 0x7f00000000ull /* to 0xff_c000_0000 */
#define WINDOW_36_BITS 0x7f80000000ull /* to 0x0f_c000_0000 */
#define WINDOW_UNMAPPED 0x7fc0000000ull
#define GUEST_IMAGE_BASE 0x200000ull
#define TRAMPOLINE 0x8000u /* where other CPUs start */

/* The state at entry. `general` as in instructions: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8..r15. */
struct guest_initial {
    uint64_t general[16], rflags, cr0, cr3, cr4, efer, mxcsr;
    uint64_t xmm[16][2];
};
extern const struct guest_initial guest_initial;

/* A fault is stepped over by returning from the function that it happened in: that has nothing on the stack then. */
struct fault {
    uint64_t count, vector, error, address /* CR2 */, rip;
};
#define FAULT_UNDEFINED 6
#define FAULT_GENERAL_PROTECTION 13
#define FAULT_PAGE 14
#define machine_errors() 0 /* all are exceptions here */

/* Interrupts: IDs are vectors; lines of the IOAPIC are LINE_INTERRUPT(line), edge, to this CPU. */
#define LINE_INTERRUPT(line) (0x40u + (line))
#define TIMER_INTERRUPT 0x60u
#define IPI_INTERRUPT 0x70u /* ... 0x7f: for cpu_send() */
/* Messages of PCI functions: what a device writes to be MESSAGE_INTERRUPT on this CPU, the first. */
#define MESSAGE_INTERRUPT 0x68u
#define MESSAGE_ADDRESS 0xfee00000ull
#define MESSAGE_DATA_REFUSED 0x468u /* an NMI */
/* Remappable, number 300. QEMU 10.0 checks neither who sends one that is written by DMA, nor that messages of the old form
 * are refused (VT-d specification, 5.1.4), so here it is one that nobody has. */
#define MESSAGE_FORGED 0xfee02590ull
/* What tests/bench/plugin.c looks for: the window of measurement N opens with 96 + N and closes with 112 + N. */
#define MARK(n) __asm__ volatile("nopl %c0(%%rax)" ::"i"(0x48420000 + (n)) : "memory")
static inline void message_enable(void)
{
}
void cpu_send(uint64_t icr /* the interrupt command register: destination << 32 | ... | vector */);

static inline void interrupts_on(void)
{
    __asm__ volatile("sti" ::: "memory");
}
static inline void interrupts_off(void)
{
    __asm__ volatile("cli" ::: "memory");
}
static inline void interrupts_wait(void)
{
    __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
}
static inline void cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

/* Model-specific registers that this program needs. */
#define MSR_APIC_BASE 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC_ID 0x802
#define MSR_X2APIC_TPR 0x808
#define MSR_X2APIC_EOI 0x80b
#define MSR_X2APIC_SPURIOUS 0x80f
#define MSR_X2APIC_ICR 0x830
#define MSR_X2APIC_LVT_TIMER 0x832
static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}
static inline void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};
static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

#define PORT_ACCESS(width, suffix, register)                                                                           \
    static inline uint##width##_t in##width(uint16_t port)                                                             \
    {                                                                                                                  \
        uint##width##_t value;                                                                                         \
        __asm__ volatile("in" suffix " %1, %" register "0" : "=a"(value) : "Nd"(port) : "memory");                     \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void out##width(uint16_t port, uint##width##_t value)                                                \
    {                                                                                                                  \
        __asm__ volatile("out" suffix " %" register "0, %1" ::"a"(value), "Nd"(port) : "memory");                      \
    }
PORT_ACCESS(8, "b", "b")
PORT_ACCESS(16, "w", "w")
PORT_ACCESS(32, "l", "k")

static inline uint32_t read32(uint64_t address)
{
    uint32_t value;

    __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}
static inline void write8(uint64_t address, uint8_t value)
{
    __asm__ volatile("movb %0, (%1)" ::"q"(value), "r"(address) : "memory");
}
static inline void write16(uint64_t address, uint16_t value)
{
    __asm__ volatile("movw %0, (%1)" ::"r"(value), "r"(address) : "memory");
}
static inline void write32(uint64_t address, uint32_t value)
{
    __asm__ volatile("movl %0, (%1)" ::"r"(value), "r"(address) : "memory");
}
static inline void write64(uint64_t address, uint64_t value)
{
    __asm__ volatile("movq %0, (%1)" ::"r"(value), "r"(address) : "memory");
}

static inline void simd_set(uint64_t value)
{
    __asm__ volatile("movq %0, %%xmm8\n\tmovq %0, %%xmm15" ::"r"(value) : "xmm8", "xmm15");
}

static inline bool simd_is(uint64_t value)
{
    uint64_t a, b;

    __asm__ volatile("movq %%xmm8, %0\n\tmovq %%xmm15, %1" : "=r"(a), "=r"(b));
    return a == value && b == value;
}

#endif
