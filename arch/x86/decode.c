// SPDX-License-Identifier: Apache-2.0
#include "decode.h"

/* The longest of our instructions, behind as many prefixes as are read, ends within. */
#define ROOM 32

struct reader {
    uint8_t bytes[ROOM];
    unsigned at, count; /* at > count at the end: more was asked for than there is */
};

static inline uint8_t take(struct reader *reader)
{
    return reader->bytes[reader->at++];
}

static uint64_t sign_extend(uint64_t value, unsigned width)
{
    unsigned unused = 64 - 8 * width;

    return (uint64_t)((int64_t)(value << unused) >> unused);
}

static uint64_t take_immediate(struct reader *reader, unsigned size)
{
    uint32_t value;

    __builtin_memcpy(&value, reader->bytes + reader->at, sizeof(value));
    reader->at += size;
    return sign_extend(value, size);
}

enum rex_bits { REX_R = 4, REX_W = 8 };

struct prefixes {
    bool operand, address; /* the other size */
    bool repeat;
    uint8_t rex; /* 0: none */
};

/* Reads prefixes, and the first byte of the opcode. */
static uint8_t read_prefixes(struct reader *reader, enum code_size size, struct prefixes *prefixes)
{
    while (reader->at < INSTRUCTION_MAX) {
        uint8_t byte = take(reader);

        switch (byte) {
        case 0x66:
            prefixes->operand = true;
            break;
        case 0x67:
            prefixes->address = true;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65: /* a segment */
            break;
        case 0xf2:
        case 0xf3:
            prefixes->repeat = true;
            break;
        case 0x40 ... 0x4f:
            if (size != CODE_64)
                return byte;
            prefixes->rex = byte;
            return take(reader);
        default:
            return byte;
        }
    }
    return 0x66; /* prefixes only */
}

/* Skips what follows a ModR/M byte of a memory operand: SIB and displacement. `wide`: addresses of more than 16 bits.
 */
static void skip_address(struct reader *reader, uint8_t modrm, bool wide)
{
    unsigned mod = modrm >> 6, rm = modrm & 7;

    if (wide && rm == 4)
        rm = take(reader) & 7; /* the base */
    if (mod == 1)
        reader->at += 1;
    else if (mod == 2 || rm == (wide ? 5 : 6))
        reader->at += wide ? 4 : 2;
}

enum form { NONE, LOAD, STORE, LOAD_MOFFS, STORE_MOFFS, STORE_IMMEDIATE };

struct opcode {
    enum form form;
    uint32_t width, reg_width; /* of memory and of the register; 0: the operand size */
    bool sign;
};

static struct opcode find(uint8_t byte, struct reader *reader, enum code_size size)
{
    uint32_t width = byte & 1 ? 0 : 1;

    switch (byte) {
    case 0x63: /* MOVSXD */
        return size == CODE_64 ? (struct opcode){LOAD, 4, 0, true} : (struct opcode){0};
    case 0x88 ... 0x89:
        return (struct opcode){STORE, width, width, false};
    case 0x8a ... 0x8b:
        return (struct opcode){LOAD, width, width, false};
    case 0xa0 ... 0xa1:
        return (struct opcode){LOAD_MOFFS, width, width, false};
    case 0xa2 ... 0xa3:
        return (struct opcode){STORE_MOFFS, width, width, false};
    case 0xc6 ... 0xc7:
        return (struct opcode){STORE_IMMEDIATE, width, width, false};
    case 0x0f:
        byte = take(reader);
        if ((byte & 0xf6) == 0xb6) /* MOVZX: b6, b7; MOVSX: be, bf */
            return (struct opcode){LOAD, byte & 1 ? 2 : 1, 0, byte & 8};
    }
    return (struct opcode){0};
}

static inline struct reader open(const uint8_t bytes[INSTRUCTION_MAX], unsigned count)
{
    struct reader reader = {.at = 0, .count = count < INSTRUCTION_MAX ? count : INSTRUCTION_MAX};

    __builtin_memcpy(reader.bytes, bytes, INSTRUCTION_MAX);
    __builtin_memset(reader.bytes + INSTRUCTION_MAX, 0, ROOM - INSTRUCTION_MAX);
    return reader;
}

struct instruction decode(const uint8_t bytes[INSTRUCTION_MAX], unsigned count, enum code_size size)
{
    struct reader reader = open(bytes, count);
    struct prefixes prefixes = {0};
    struct instruction instruction = {0};
    struct opcode opcode;
    uint32_t operand;
    uint8_t modrm;
    bool wide;

    opcode = find(read_prefixes(&reader, size, &prefixes), &reader, size);
    operand = prefixes.rex & REX_W ? 8 : (size == CODE_16) == prefixes.operand ? 4 : 2;
    wide = size == CODE_64 || (size == CODE_16) == prefixes.address;
    if (opcode.form == NONE || prefixes.repeat)
        return instruction;
    instruction.write = opcode.form != LOAD && opcode.form != LOAD_MOFFS;
    instruction.width = opcode.width ? opcode.width : operand;
    instruction.reg_width = opcode.reg_width ? opcode.reg_width : operand;
    instruction.sign = opcode.sign;
    if (opcode.form == LOAD_MOFFS || opcode.form == STORE_MOFFS) {
        reader.at += !wide ? 2 : size == CODE_64 && !prefixes.address ? 8 : 4;
    } else {
        modrm = take(&reader);
        if (modrm >> 6 == 3) /* no memory operand */
            return (struct instruction){0};
        skip_address(&reader, modrm, wide);
        if (opcode.form == STORE_IMMEDIATE) {
            if (modrm >> 3 & 7)
                return (struct instruction){0};
            instruction.immediate = true;
            instruction.value = take_immediate(&reader, instruction.width < 4 ? instruction.width : 4);
        } else {
            instruction.reg = (modrm >> 3 & 7) | (prefixes.rex & REX_R ? 8 : 0);
            if (instruction.reg_width == 1 && !prefixes.rex && instruction.reg >= 4) {
                instruction.high = true;
                instruction.reg -= 4;
            }
        }
    }
    if (reader.at > reader.count)
        return (struct instruction){0};
    instruction.length = reader.at;
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
