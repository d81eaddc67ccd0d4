/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one instruction that is given as its bytes. */
#ifndef TESTS_GUESTS_X86_INSTRUCTION_H
#define TESTS_GUESTS_X86_INSTRUCTION_H

#include "tests/guests/support/guest.h"

struct registers {
    uint64_t rax, rcx, rdx, rbx, rsi, rdi;
};

#define INSTRUCTION(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* Faults are recorded; `registers` gets what the instruction left. SIMD registers are anybody's. */
static inline struct fault instruction_run(const uint8_t *bytes, size_t count, struct registers *registers)
{
    static uint8_t code[32] __attribute__((aligned(64)));

    for (size_t i = 0; i < count; i++)
        code[i] = bytes[i];
    code[count] = 0xc3; /* ret */
    fault_expect();
    __asm__ volatile("call *%6"
                     : "+a"(registers->rax), "+c"(registers->rcx), "+d"(registers->rdx), "+b"(registers->rbx),
                       "+S"(registers->rsi), "+D"(registers->rdi)
                     : "r"(code)
                     : "memory", "cc");
    return fault_taken();
}

static inline bool is_refused(struct fault fault)
{
    return fault.count == 1 && (fault.vector == FAULT_UNDEFINED || fault.vector == FAULT_GENERAL_PROTECTION);
}

#endif
