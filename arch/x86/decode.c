// SPDX-License-Identifier: Apache-2.0
#include "decode.h"

#include <stddef.h>

struct reader {
    const uint8_t *bytes;
    unsigned count, at;
    bool ended; /* more was asked for than there is */
};

static uint64_t take(struct reader *reader, unsigned size)
{
    uint64_t value = 0;

    if (size > reader->count - reader->at) {
        reader->ended = true;
        return 0;
    }
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)reader->bytes[reader->at++] << 8 * i;
    return value;
}

static uint64_t sign_extend(uint64_t value, unsigned width)
{
    unsigned unused = 64 - 8 * width;

    return (uint64_t)((int64_t)(value << unused) >> unused);
}

enum prefix_bits { OPERAND = 1, ADDRESS = 2 };
enum rex_bits { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

struct prefixes {
    unsigned sizes; /* enum prefix_bits */
    uint8_t rex;    /* 0: none */
};

/* Reads up to the first byte of the opcode. Segments matter for the address only, which the fault has told. */
static struct prefixes read_prefixes(struct reader *reader, enum code_size size)
{
    struct prefixes prefixes = {0};

    while (reader->at < reader->count) {
        uint8_t byte = reader->bytes[reader->at];

        if (byte == 0x66)
            prefixes.sizes |= OPERAND;
        else if (byte == 0x67)
            prefixes.sizes |= ADDRESS;
        else if (size == CODE_64 && byte >> 4 == 4) {
            prefixes.rex = byte;
            reader->at++;
            break;
        } else if (byte != 0x26 && byte != 0x2e && byte != 0x36 && byte != 0x3e && byte != 0x64 && byte != 0x65)
            break;
        reader->at++;
    }
    return prefixes;
}

/* Skips what follows a ModR/M byte of a memory operand: SIB and displacement. */
static void skip_address(struct reader *reader, uint8_t modrm, bool wide)
{
    unsigned mod = modrm >> 6, rm = modrm & 7;

    if (!wide) {
        take(reader, mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0);
        return;
    }
    if (rm == 4) {
        uint8_t sib = (uint8_t)take(reader, 1);

        take(reader, mod == 1 ? 1 : mod == 2 || (sib & 7) == 5 ? 4 : 0);
        return;
    }
    take(reader, mod == 1 ? 1 : mod == 2 || rm == 5 ? 4 : 0);
}

struct opcode {
    uint16_t code; /* 0x0f00 and more: two bytes */
    enum { LOAD, STORE, LOAD_MOFFS, STORE_MOFFS, STORE_IMMEDIATE } form;
    uint8_t width; /* of memory; 0: the operand size */
    bool sign;
    uint8_t reg_width; /* likewise; 0: the operand size */
    bool only64;
};

static const struct opcode opcodes[] = {
    {0x88, STORE, 1, false, 1, false},
    {0x89, STORE, 0, false, 0, false},
    {0x8a, LOAD, 1, false, 1, false},
    {0x8b, LOAD, 0, false, 0, false},
    {0x63, LOAD, 4, true, 0, true}, /* MOVSXD */
    {0xa0, LOAD_MOFFS, 1, false, 1, false},
    {0xa1, LOAD_MOFFS, 0, false, 0, false},
    {0xa2, STORE_MOFFS, 1, false, 1, false},
    {0xa3, STORE_MOFFS, 0, false, 0, false},
    {0xc6, STORE_IMMEDIATE, 1, false, 1, false},
    {0xc7, STORE_IMMEDIATE, 0, false, 0, false},
    {0x0fb6, LOAD, 1, false, 0, false}, /* MOVZX */
    {0x0fb7, LOAD, 2, false, 0, false},
    {0x0fbe, LOAD, 1, true, 0, false}, /* MOVSX */
    {0x0fbf, LOAD, 2, true, 0, false},
};

static const struct opcode *find(uint16_t code, enum code_size size)
{
    for (size_t i = 0; i < sizeof(opcodes) / sizeof(*opcodes); i++)
        if (opcodes[i].code == code && (size == CODE_64 || !opcodes[i].only64))
            return &opcodes[i];
    return NULL;
}

struct instruction decode(const uint8_t *bytes, unsigned count, enum code_size size)
{
    struct reader reader = {bytes, count < INSTRUCTION_MAX ? count : INSTRUCTION_MAX, 0, false};
    struct prefixes prefixes = read_prefixes(&reader, size);
    bool changed = prefixes.sizes & OPERAND;
    uint8_t operand = prefixes.rex & REX_W ? 8 : (size == CODE_16) == changed ? 4 : 2, modrm;
    bool wide =
        size == CODE_64 || (size == CODE_16) == !!(prefixes.sizes & ADDRESS); /* addresses of more than 16 bits */
    struct instruction instruction = {0};
    const struct opcode *opcode;
    uint16_t code = (uint16_t)take(&reader, 1);

    if (code == 0x0f)
        code = (uint16_t)(0x0f00 | take(&reader, 1));
    opcode = find(code, size);
    if (reader.ended || !opcode)
        return instruction;
    instruction.write = opcode->form == STORE || opcode->form == STORE_MOFFS || opcode->form == STORE_IMMEDIATE;
    instruction.width = opcode->width ? opcode->width : operand;
    instruction.reg_width = opcode->reg_width ? opcode->reg_width : operand;
    instruction.sign = opcode->sign;
    if (opcode->form == LOAD_MOFFS || opcode->form == STORE_MOFFS) {
        take(&reader, size != CODE_64 ? (wide ? 4 : 2) : prefixes.sizes & ADDRESS ? 4 : 8);
    } else {
        modrm = (uint8_t)take(&reader, 1);
        if (modrm >> 6 == 3) /* no memory operand */
            return (struct instruction){0};
        skip_address(&reader, modrm, wide);
        instruction.reg = (modrm >> 3 & 7) | (prefixes.rex & REX_R ? 8 : 0);
        if (opcode->form == STORE_IMMEDIATE) {
            unsigned bytes_given = instruction.width < 4 ? instruction.width : 4;

            if (modrm >> 3 & 7)
                return (struct instruction){0};
            instruction.immediate = true;
            instruction.reg = 0;
            instruction.value = sign_extend(take(&reader, bytes_given), bytes_given);
        }
    }
    if (reader.ended)
        return (struct instruction){0};
    if (instruction.reg_width == 1 && !instruction.immediate && !prefixes.rex && instruction.reg >= 4) {
        instruction.high = true;
        instruction.reg -= 4;
    }
    instruction.length = (uint8_t)reader.at;
    return instruction;
}

static uint64_t mask(unsigned width)
{
    return UINT64_MAX >> (64 - 8 * width);
}

uint64_t instruction_source(const struct instruction *instruction, uint64_t value)
{
    return (instruction->high ? value >> 8 : value) & mask(instruction->width);
}

uint64_t instruction_result(const struct instruction *instruction, uint64_t old, uint64_t value)
{
    unsigned shift = instruction->high ? 8 : 0;
    uint64_t whole = mask(instruction->reg_width);

    value = instruction->sign ? sign_extend(value, instruction->width) : value & mask(instruction->width);
    if (instruction->reg_width >= 4) /* SDM 3.4.1.1: the upper half becomes zero */
        return value & whole;
    return (old & ~(whole << shift)) | (value & whole) << shift;
}
