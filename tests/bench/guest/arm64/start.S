/* SPDX-License-Identifier: Apache-2.0 */
/* Start of the bench guest: a raw image, entered like Linux (EL1, MMU off, x0 = device tree). Its very first instruction
 * is the mark that ends the boot's count. */
    .section .text.start, "ax"
    .global _start
_start:
    hint    #96
    adrp    x1, stack_top
    add     x1, x1, :lo12:stack_top
    mov     sp, x1
    adrp    x1, vectors
    add     x1, x1, :lo12:vectors
    msr     vbar_el1, x1
    isb
    hint    #112
    bl      bench_main
0:  wfi
    b       0b

    .global secondary_start
secondary_start:
    adrp    x1, second_stack_top
    add     x1, x1, :lo12:second_stack_top
    mov     sp, x1
    adrp    x1, vectors
    add     x1, x1, :lo12:vectors
    msr     vbar_el1, x1
    isb
    bl      secondary_main
1:  wfi
    b       1b

    .macro vector handler
    .align 7
    b       \handler
    .endm

    .align 11
vectors:
    .rept 5
    vector  unexpected
    .endr
    vector  interrupt
    .rept 10
    vector  unexpected
    .endr

interrupt:
    sub     sp, sp, #192
    stp     x0, x1, [sp]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x30, [sp, #144]
    bl      bench_interrupt
    ldp     x0, x1, [sp]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x30, [sp, #144]
    add     sp, sp, #192
    eret

unexpected:
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    mrs     x2, far_el1
    bl      bench_unexpected
2:  b       2b
