// SPDX-License-Identifier: Apache-2.0
/* The IDT, and what the CPU tells of a mistake of the kernel. */
#include <arch/apic.h>
#include <arch/boot.h>
#include <arch/cpu.h>
#include <arch/layout.h>
#include <core/arch.h>
#include <core/format.h>
#include <core/log.h>
#include <string.h>

#define EXCEPTIONS 32
#define STUB_SIZE 16 /* vectors.S */
#define GATE 0x8e00u /* present, 64-bit interrupt gate */
#define GATE_OWN_STACK 0x8e01u
#define DOUBLE_FAULT 8

/* What vectors.S leaves on the stack. */
struct exception_frame {
    uint64_t x[16]; /* by their number in instructions; x[4] is none */
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

static struct {
    uint16_t offset_low, selector, flags, offset_middle;
    uint32_t offset_high, reserved;
} idt[256];

static struct tss {
    uint32_t reserved;
    uint64_t rsp[3], reserved_1, ist[7], reserved_2;
    uint16_t reserved_3, ports;
} __attribute__((packed)) tss[BULKHEAD_CPUS_MAX];

extern const uint8_t exception_stubs[], line_stubs[], system_stubs[];
_Noreturn void exception_handle(const struct exception_frame *frame);

static const char *const exceptions[EXCEPTIONS] = {
    [0] = "divide error",        [1] = "debug",          [2] = "NMI",
    [3] = "breakpoint",          [4] = "overflow",       [5] = "bound range exceeded",
    [6] = "invalid opcode",      [7] = "no FPU",         [8] = "double fault",
    [10] = "invalid TSS",        [11] = "no segment",    [12] = "stack fault",
    [13] = "general protection", [14] = "page fault",    [16] = "x87 error",
    [17] = "alignment check",    [18] = "machine check", [19] = "SIMD error",
    [21] = "control protection",
};

const char *const crash_register_names[CRASH_REGISTERS] = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8",  "r9",  "r10", "r11",
    "r12", "r13", "r14", "r15", "rip", "rfl", "cs",  "err", "cr0", "cr2", "cr3", "cr4",
};

static void set_gate(unsigned vector, const uint8_t *handler)
{
    uint64_t offset = (uint64_t)handler;

    idt[vector].offset_low = (uint16_t)offset;
    idt[vector].selector = SELECTOR_CODE;
    idt[vector].flags = GATE;
    idt[vector].offset_middle = (uint16_t)(offset >> 16);
    idt[vector].offset_high = (uint32_t)(offset >> 32);
}

/* A message of a device may carry any vector: what is not expected is taken and forgotten. */
void idt_init(void)
{
    for (unsigned i = 0; i < 256; i++)
        set_gate(i, &system_stubs[(VECTOR_STRAY - 0xf0) * STUB_SIZE]);
    for (unsigned i = 0; i < EXCEPTIONS; i++)
        set_gate(i, &exception_stubs[i * STUB_SIZE]);
    for (unsigned i = 0; i < ISA_LINES + MESSAGES_MAX; i++)
        set_gate(VECTOR_LINES + i, &line_stubs[i * STUB_SIZE]);
    for (unsigned i = 0; i < 16; i++)
        set_gate(0xf0 + i, &system_stubs[i * STUB_SIZE]);
}

void idt_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint64_t)idt};

    __asm__ volatile("lidt %0" ::"m"(pointer));
}

/* A stack that runs into its guard becomes a double fault. */
uint64_t cpu_task_state(const struct vcpu *vcpu)
{
    tss[vcpu->cpu] = (struct tss){.ist = {(uint64_t)vcpu - CPU_VCPU + CPU_AREA_SIZE}, .ports = sizeof(struct tss)};
    idt[DOUBLE_FAULT].flags = GATE_OWN_STACK;
    return (uint64_t)&tss[vcpu->cpu];
}

static void system_registers(uint64_t registers[CRASH_REGISTERS])
{
    registers[20] = control_read(cr0);
    registers[21] = control_read(cr2);
    registers[22] = control_read(cr3);
    registers[23] = control_read(cr4);
}

void cpu_registers(uint64_t registers[CRASH_REGISTERS])
{
    __asm__ volatile("mov %%rax, (%0)\n\tmov %%rcx, 8(%0)\n\tmov %%rdx, 16(%0)\n\tmov %%rbx, 24(%0)\n\t"
                     "mov %%rsp, 32(%0)\n\tmov %%rbp, 40(%0)\n\tmov %%rsi, 48(%0)\n\tmov %%rdi, 56(%0)\n\t"
                     "mov %%r8, 64(%0)\n\tmov %%r9, 72(%0)\n\tmov %%r10, 80(%0)\n\tmov %%r11, 88(%0)\n\t"
                     "mov %%r12, 96(%0)\n\tmov %%r13, 104(%0)\n\tmov %%r14, 112(%0)\n\tmov %%r15, 120(%0)\n\t"
                     "pushfq\n\tpopq 136(%0)" ::"r"(registers)
                     : "memory");
    registers[CRASH_PC] = registers[18] = registers[19] = 0;
    system_registers(registers);
}

void exception_handle(const struct exception_frame *frame)
{
    uint64_t registers[CRASH_REGISTERS];
    char name[48];
    const char *text = frame->vector < EXCEPTIONS ? exceptions[frame->vector] : NULL;

    memcpy(registers, frame->x, sizeof(frame->x));
    registers[CRASH_SP] = frame->rsp;
    registers[CRASH_PC] = frame->rip;
    registers[17] = frame->rflags;
    registers[18] = frame->cs;
    registers[19] = frame->error;
    system_registers(registers);
    format_print(name, sizeof(name), "%s, vector %lu", text ? text : "unknown exception", frame->vector);
    crash_fault(name, registers);
}

uint64_t cpu_stack_size(void)
{
    return CPU_STACK_SIZE;
}
