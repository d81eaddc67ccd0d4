// SPDX-License-Identifier: Apache-2.0
/* What the CPU tells of a mistake of the kernel. */
#include <arch/boot.h>
#include <arch/layout.h>
#include <arch/sysreg.h>
#include <core/arch.h>
#include <core/log.h>
#include <string.h>

static const char *const exceptions[] = {"synchronous exception", "IRQ", "FIQ", "SError"};

const char *const crash_register_names[CRASH_REGISTERS] = {
    "x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",   "x10", "x11",
    "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",  "x22", "x23",
    "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp",  "pc",  "spsr", "esr", "far",
};

void cpu_registers(uint64_t registers[CRASH_REGISTERS])
{
    asm volatile("stp x0, x1, [%0]\n\tstp x2, x3, [%0, #16]\n\tstp x4, x5, [%0, #32]\n\tstp x6, x7, [%0, #48]\n\t"
                 "stp x8, x9, [%0, #64]\n\tstp x10, x11, [%0, #80]\n\tstp x12, x13, [%0, #96]\n\t"
                 "stp x14, x15, [%0, #112]\n\tstp x16, x17, [%0, #128]\n\tstp x18, x19, [%0, #144]\n\t"
                 "stp x20, x21, [%0, #160]\n\tstp x22, x23, [%0, #176]\n\tstp x24, x25, [%0, #192]\n\t"
                 "stp x26, x27, [%0, #208]\n\tstp x28, x29, [%0, #224]\n\tstr x30, [%0, #240]" ::"r"(registers)
                 : "memory");
    registers[CRASH_SP] = (uint64_t)__builtin_frame_address(0);
    for (unsigned i = CRASH_PC; i < CRASH_REGISTERS; i++)
        registers[i] = 0;
}

void crash_exception(uint64_t vector, const uint64_t x[32])
{
    uint64_t registers[CRASH_REGISTERS];

    memcpy(registers, x, 32 * sizeof(*x));
    registers[CRASH_PC] = sysreg_read(elr_el2);
    registers[33] = sysreg_read(spsr_el2);
    registers[34] = sysreg_read(esr_el2);
    registers[35] = sysreg_read(far_el2);
    crash_fault(exceptions[vector % 4], registers);
}

uint64_t cpu_stack_size(void)
{
    return EL2_STACK_SIZE;
}
