/* SPDX-License-Identifier: Apache-2.0 */
/* Start of the bench guest: ELF64, entered in long mode on an identity map. Its very first instruction is the mark that ends
 * the boot's count. */
    .macro mark number
    .byte   0x0f, 0x1f, 0x80        // nopl disp32(%rax)
    .long   0x48420000 + \number
    .endm

    .section .text.start, "ax"
    .globl _start
_start:
    mark    96
    lea     stack_top(%rip), %rsp
    mark    112
    call    bench_main
0:  hlt
    jmp     0b

/* The second CPU, from SIPI: real mode at TRAMPOLINE, straight into long mode on the first one's tables. Copied there. */
#define TRAMPOLINE 0x8000
#define AT(label) (TRAMPOLINE + label - trampoline)
    .globl trampoline, trampoline_end, trampoline_cr3
    .code16
trampoline:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    lgdtl   AT(trampoline_gdtr)
    movl    $0x20, %eax             // PAE
    movl    %eax, %cr4
    movl    AT(trampoline_cr3), %eax
    movl    %eax, %cr3
    movl    $0xc0000080, %ecx
    movl    $0x100, %eax            // EFER.LME
    xorl    %edx, %edx
    wrmsr
    movl    $0x80000011, %eax       // PG, ET, PE
    movl    %eax, %cr0
    ljmpl   $0x10, $AT(trampoline_long)
    .code64
trampoline_long:
    movl    $0x18, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    movq    $second_stack_top, %rsp
    movq    $secondary_main, %rax
    call    *%rax
1:  hlt
    jmp     1b
    .align 8
trampoline_gdt:                     // the first CPU's selectors: they stand in the IDT
    .quad   0, 0, 0x00af9a000000ffff, 0x00cf92000000ffff
trampoline_gdtr:
    .word   31
    .long   AT(trampoline_gdt)
    .align 4
trampoline_cr3:
    .long   0
trampoline_end:

    .section .note.GNU-stack, "", @progbits
