/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts that the assembly and the C of a native domain's start-up share. */
#ifndef X86_NATIVE_FRAME_H
#define X86_NATIVE_FRAME_H

#define STACK_SIZE 65536
#define GUARD_SIZE 4096
#define INTERRUPT_STACK_SIZE 16384
#define CRASH_STACK_SIZE 16384

/* Selectors of gdt (vectors.S), and stacks of the task state segment. */
#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TASK 0x18
#define IST_INTERRUPT 1
#define IST_CRASH 2

/* Vectors: lines of the interrupt controller from VECTOR_LINES on. */
#define VECTOR_TIMER 0x2f
#define VECTOR_LINES 0x30
#define VECTOR_SPURIOUS 0xff
#define VECTOR_STUB_SIZE 16

#ifndef __ASSEMBLER__
#include <lib/native.h>
#include <lib/native/parts.h>

struct crash_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* vectors.S */
extern uint8_t stack_guard[], interrupt_stack_guard[], crash_stack_guard[];
extern uint8_t interrupt_stack_top[], crash_stack_top[];
extern uint8_t vector_stubs[]; /* 256 of VECTOR_STUB_SIZE bytes */
extern uint64_t gdt[5];
void descriptors_init(void); /* descriptors.c: task state segment, IDT */
_Noreturn void crash(const struct crash_frame *frame);
_Noreturn void crash_again(void); /* an exception in crash() */
/* apic.c: runs the handler of an interrupt. */
void interrupt_dispatch(uint64_t vector);
bool interrupt_take(uint32_t vector, struct interrupt_handler *handler);
/* mmu.c: the first map (image, device tree); the loader's map is left. */
void mmu_start(uint64_t tree);
void mmu_init(void); /* the rest: RAM; needs the tree */
void apic_init(void);
void timer_init(void);

static inline INTERRUPT_CONTEXT void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};
static inline struct cpuid cpuid(uint32_t leaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(0));
    return r;
}
#define CPUID_1_ECX_X2APIC (1u << 21)
#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)
#define CPUID_1_ECX_RDRAND (1u << 30)
#endif

#endif
