// SPDX-License-Identifier: Apache-2.0
/* The decoder of instructions that access emulated registers: the bytes are GNU as'. */
#include "../../arch/x86/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct sample {
    const char *text;
    uint8_t bytes[INSTRUCTION_MAX];
    struct instruction expected;
};

static void check(const struct sample *sample, enum code_size size)
{
    const struct instruction *e = &sample->expected;
    struct instruction got = decode(sample->bytes, sizeof(sample->bytes), size);

    if (got.length != e->length || got.width != e->width || got.write != e->write || got.immediate != e->immediate ||
        got.sign != e->sign || got.high != e->high || got.reg != e->reg || got.value != e->value ||
        (got.length && got.reg_width != e->reg_width))
        fail_msg("%s: length %u width %u write %u immediate %u sign %u high %u reg %u (%u) value %llx", sample->text,
                 got.length, got.width, got.write, got.immediate, got.sign, got.high, got.reg, got.reg_width,
                 (unsigned long long)got.value);
    for (unsigned count = 0; count < e->length; count++)
        assert_int_equal(decode(sample->bytes, count, size).length, 0);
}

#define LOAD(n, bytes_, reg_)                                                                                          \
    {                                                                                                                  \
        .length = n, .width = bytes_, .reg = reg_, .reg_width = bytes_                                                 \
    }
#define STORE(n, bytes_, reg_)                                                                                         \
    {                                                                                                                  \
        .length = n, .width = bytes_, .write = true, .reg = reg_, .reg_width = bytes_                                  \
    }
#define IMMEDIATE(n, bytes_, value_)                                                                                   \
    {                                                                                                                  \
        .length = n, .width = bytes_, .write = true, .immediate = true, .value = value_, .reg_width = bytes_           \
    }
#define EXTEND(n, from, reg_, to, sign_)                                                                               \
    {                                                                                                                  \
        .length = n, .width = from, .reg = reg_, .reg_width = to, .sign = sign_                                        \
    }

static void moves_in_64_bit_code(void **state)
{
    static const struct sample samples[] = {
        {"mov %eax, (%rdi)", {0x89, 0x07}, STORE(2, 4, 0)},
        {"mov %rax, (%rdi)", {0x48, 0x89, 0x07}, STORE(3, 8, 0)},
        {"mov %ax, (%rdi)", {0x66, 0x89, 0x07}, STORE(3, 2, 0)},
        {"mov %r9d, 0x50(%r13)", {0x45, 0x89, 0x4d, 0x50}, STORE(4, 4, 9)},
        {"mov %esp, (%rdi)", {0x89, 0x27}, STORE(2, 4, 4)},
        {"mov %al, (%rdi)", {0x88, 0x07}, STORE(2, 1, 0)},
        {"mov %ah, (%rdi)",
         {0x88, 0x27},
         {.length = 2, .width = 1, .write = true, .high = true, .reg = 0, .reg_width = 1}},
        {"mov %bh, (%rdi)",
         {0x88, 0x3f},
         {.length = 2, .width = 1, .write = true, .high = true, .reg = 3, .reg_width = 1}},
        {"mov %spl, (%rdi)", {0x40, 0x88, 0x27}, STORE(3, 1, 4)},
        {"mov %dil, (%rdi)", {0x40, 0x88, 0x3f}, STORE(3, 1, 7)},
        {"mov %r15b, (%rdi)", {0x44, 0x88, 0x3f}, STORE(3, 1, 15)},
        {"mov (%rdi), %eax", {0x8b, 0x07}, LOAD(2, 4, 0)},
        {"mov 0x12345678(%rip), %ecx", {0x8b, 0x0d, 0x78, 0x56, 0x34, 0x12}, LOAD(6, 4, 1)},
        {"mov (%rsp), %edx", {0x8b, 0x14, 0x24}, LOAD(3, 4, 2)},
        {"mov 8(%rax,%rbx,4), %edx", {0x8b, 0x54, 0x98, 0x08}, LOAD(4, 4, 2)},
        {"mov 0x1000(%rax,%r12,8), %r8", {0x4e, 0x8b, 0x84, 0xe0, 0, 0x10, 0, 0}, LOAD(8, 8, 8)},
        {"mov 0xfec00000, %eax", {0x8b, 0x04, 0x25, 0, 0, 0xc0, 0xfe}, LOAD(7, 4, 0)},
        {"mov %gs:(%edi), %eax", {0x65, 0x67, 0x8b, 0x07}, LOAD(4, 4, 0)},
        {"mov (%rdi), %ah", {0x8a, 0x27}, {.length = 2, .width = 1, .high = true, .reg = 0, .reg_width = 1}},
        {"movabs 0x1122334455667788, %eax", {0xa1, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11}, LOAD(9, 4, 0)},
        {"movabs %al, 0x1122334455667788", {0xa2, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11}, STORE(9, 1, 0)},
        {"addr32 mov 0x55667788, %rax", {0x67, 0x48, 0xa1, 0x88, 0x77, 0x66, 0x55}, LOAD(7, 8, 0)},
        {"movl $0x80000001, 0x50(%rdi)", {0xc7, 0x47, 0x50, 1, 0, 0, 0x80}, IMMEDIATE(7, 4, 0xffffffff80000001)},
        {"movq $-2, (%rdi)", {0x48, 0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff}, IMMEDIATE(7, 8, (uint64_t)-2)},
        {"movw $5, (%rdi)", {0x66, 0xc7, 0x07, 5, 0}, IMMEDIATE(5, 2, 5)},
        {"movb $5, (%rdi)", {0xc6, 0x07, 5}, IMMEDIATE(3, 1, 5)},
        {"movl $7, 0x10(%rip)", {0xc7, 0x05, 0x10, 0, 0, 0, 7, 0, 0, 0}, IMMEDIATE(10, 4, 7)},
        {"movzbl (%rdi), %eax", {0x0f, 0xb6, 0x07}, EXTEND(3, 1, 0, 4, false)},
        {"movzwl (%rdi), %r10d", {0x44, 0x0f, 0xb7, 0x17}, EXTEND(4, 2, 10, 4, false)},
        {"movsbl (%rdi), %esi", {0x0f, 0xbe, 0x37}, EXTEND(3, 1, 6, 4, true)},
        {"movswq (%rdi), %rsi", {0x48, 0x0f, 0xbf, 0x37}, EXTEND(4, 2, 6, 8, true)},
        {"movsbw (%rdi), %si", {0x66, 0x0f, 0xbe, 0x37}, EXTEND(4, 1, 6, 2, true)},
        {"movslq (%rdi), %rax", {0x48, 0x63, 0x07}, EXTEND(3, 4, 0, 8, true)},
        {"mov %eax, %ebx", {0x89, 0xc3}, {0}},
        {"lock mov", {0xf0, 0x89, 0x07}, {0}},
        {"rep movsl", {0xf3, 0xa5}, {0}},
        {"movl with /1", {0xc7, 0x0f, 1, 0, 0, 0}, {0}},
        {"rex before a prefix", {0x48, 0x66, 0x89, 0x07}, {0}},
        {"add %eax, (%rdi)", {0x01, 0x07}, {0}},
        {"prefixes only",
         {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66},
         {0}},
        {"too long", {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0xc7, 0x87, 0, 0, 0, 0}, {0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++)
        check(&samples[i], CODE_64);
}

static void moves_in_32_and_16_bit_code(void **state)
{
    static const struct sample in32[] = {
        {"mov %eax, (%edi)", {0x89, 0x07}, STORE(2, 4, 0)},
        {"mov %ax, (%edi)", {0x66, 0x89, 0x07}, STORE(3, 2, 0)},
        {"mov 0xfec00000, %eax", {0xa1, 0, 0, 0xc0, 0xfe}, LOAD(5, 4, 0)},
        {"mov 0xfec00010, %ecx", {0x8b, 0x0d, 0x10, 0, 0xc0, 0xfe}, LOAD(6, 4, 1)},
        {"mov 4(%bp), %ecx", {0x67, 0x8b, 0x4e, 4}, LOAD(4, 4, 1)},
        {"dec %eax", {0x48, 0x89, 0x07}, {0}},
        {"arpl", {0x63, 0x07}, {0}},
    };
    static const struct sample in16[] = {
        {"mov %ax, (%bx)", {0x89, 0x07}, STORE(2, 2, 0)},
        {"mov %eax, (%bx)", {0x66, 0x89, 0x07}, STORE(3, 4, 0)},
        {"mov 0x1234, %cx", {0x8b, 0x0e, 0x34, 0x12}, LOAD(4, 2, 1)},
        {"mov 0x1234(%si), %cx", {0x8b, 0x8c, 0x34, 0x12}, LOAD(4, 2, 1)},
        {"mov 0xfec00000, %eax", {0x67, 0x66, 0xa1, 0, 0, 0xc0, 0xfe}, LOAD(7, 4, 0)},
        {"movw $1, (%bp,%di)", {0xc7, 0x03, 1, 0}, IMMEDIATE(4, 2, 1)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(in32) / sizeof(*in32); i++)
        check(&in32[i], CODE_32);
    for (size_t i = 0; i < sizeof(in16) / sizeof(*in16); i++)
        check(&in16[i], CODE_16);
}

static void registers_take_what_is_read(void **state)
{
    static const struct {
        struct instruction instruction;
        uint64_t value, result;
    } reads[] = {
        {LOAD(2, 1, 0), 0xff, 0x11223344556677ff},
        {{.width = 1, .reg_width = 1, .high = true}, 0xff, 0x112233445566ff88},
        {LOAD(2, 2, 0), 0xfffff, 0x112233445566ffff},
        {LOAD(2, 4, 0), UINT64_MAX, 0xffffffff},
        {LOAD(2, 8, 0), 0xfedcba9876543210, 0xfedcba9876543210},
        {EXTEND(2, 1, 0, 4, true), 0x80, 0xffffff80},
        {EXTEND(2, 1, 0, 8, true), 0x80, 0xffffffffffffff80},
        {EXTEND(2, 1, 0, 2, true), 0x80, 0x112233445566ff80},
        {EXTEND(2, 2, 0, 8, false), 0x18000, 0x8000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(reads) / sizeof(*reads); i++)
        assert_int_equal(instruction_result(&reads[i].instruction, 0x1122334455667788, reads[i].value),
                         reads[i].result);
    assert_int_equal(instruction_source(&(struct instruction){.width = 1, .high = true}, 0x1234), 0x12);
    assert_int_equal(instruction_source(&(struct instruction){.width = 4}, UINT64_MAX), 0xffffffff);
    assert_int_equal(instruction_source(&(struct instruction){.width = 8}, UINT64_MAX), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_in_64_bit_code),
        cmocka_unit_test(moves_in_32_and_16_bit_code),
        cmocka_unit_test(registers_take_what_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
