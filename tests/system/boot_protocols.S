/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 32-bit guest that says what it was handed, its command line, and turns itself off. MULTIBOOT: entered by it, with
 * ADDRESSES in its header or else as an ELF file. Otherwise a flat binary, entered as by PVH.
 */
#define MAGIC 0x1badb002

    .code32
    .section .text
    .globl start
start:
#ifdef MULTIBOOT
    jmp 1f
    .balign 4
header:
    .long MAGIC
#ifdef ADDRESSES
    .long 0x10000, -(MAGIC + 0x10000), header, start, file_end, memory_end, start
#else
    .long 0, -MAGIC
#endif
1:
#endif
    mov $memory_end, %esp
    mov $wrong, %esi
    cmp $0x2badb002, %eax
    jne print
#ifdef MULTIBOOT
    testl $4, (%ebx)
    jz print
    mov 16(%ebx), %esi
#else
    cmpl $0x336ec578, (%ebx)
    jne print
    mov 24(%ebx), %esi
#endif
    cmpl $0, zeroed
    je print
    mov $dirty, %esi
print:
    mov $0x3f8, %dx
    lodsb
    test %al, %al
    jz off
    out %al, %dx
    jmp print
off:
    mov $10, %al
    out %al, %dx
    mov $0x600, %dx
    mov $0x34, %al
    out %al, %dx
    hlt
    jmp off

wrong:
    .asciz "wrong magic"
dirty:
    .asciz "memory is not zeroed"
    .balign 4
file_end:
    .section .bss
zeroed:
    .skip 4096
memory_end:
