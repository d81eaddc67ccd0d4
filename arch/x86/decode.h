/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions with which a guest may access emulated registers: MOV between memory and a general register or an
 * immediate, MOVZX, MOVSX, MOVSXD, in every mode (SDM volume 2, chapter 2). Total: any bytes get an answer.
 */
#ifndef ARCH_X86_DECODE_H
#define ARCH_X86_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#define INSTRUCTION_MAX 15

enum code_size { CODE_16, CODE_32, CODE_64 };

struct instruction {
    uint32_t length; /* 0: none of those, or it does not end within the bytes given */
    uint32_t width;  /* of the access: 1, 2, 4, 8 */
    bool write;
    bool immediate; /* a write of `value` */
    bool sign;      /* what is read is sign-extended into the register, else zero-extended */
    bool high;      /* the register is AH, CH, DH or BH: bits 8..15 of general register `reg` */
    uint32_t reg;   /* 0..15 */
    uint32_t reg_width;
    uint64_t value;
};

/* `count` of the bytes are the guest's; the others may be anything, but are there. */
struct instruction decode(const uint8_t bytes[INSTRUCTION_MAX], unsigned count, enum code_size size);

/* What a write stores of `value`, which is the general register's (or the immediate). */
uint64_t instruction_source(const struct instruction *instruction, uint64_t value);
/* The general register after a read of `value` into it, if it held `old`. */
uint64_t instruction_result(const struct instruction *instruction, uint64_t old, uint64_t value);

#endif
