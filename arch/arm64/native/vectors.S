/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions of a native domain. The program runs at EL1 on SP_EL1. Interrupts are taken on the stack of whatever they
 * interrupt. Everything else is a crash, reported on a stack of its own (SP_EL0), since the stack itself may be what is
 * broken.
 *
 * The background context (lib/native.h) is here too, because an interrupt is what ends its turn.
 */
#include "frame.h"

.macro crash_vector name
    .balign 128
    msr spsel, #0
    sub sp, sp, #CRASH_FRAME_SIZE
    stp x0, x1, [sp]
    adr x1, 9f
    b crash_entry
9:  .asciz "\name"
.endm

// An exception while SP_EL0 is the stack: crash() itself failed.
.macro nested_vector
    .balign 128
    adrp x0, crash_stack_top
    add x0, x0, :lo12:crash_stack_top
    mov sp, x0
    b crash_again
.endm

    .text
    .balign 2048
    .globl vectors
vectors:
    nested_vector
    nested_vector
    nested_vector
    nested_vector
    crash_vector "synchronous exception"
    .balign 128
    b irq_entry
    crash_vector "FIQ"
    crash_vector "SError"
    .rept 8
    crash_vector "exception from EL0"
    .endr
    .balign 128

crash_entry: // x1: name of the vector
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    str x30, [sp, #240]
    msr spsel, #1
    mov x2, sp
    msr spsel, #0
    mrs x3, elr_el1
    mrs x4, spsr_el1
    mrs x5, esr_el1
    mrs x6, far_el1
    str x2, [sp, #CRASH_FRAME_SP]
    stp x3, x4, [sp, #CRASH_FRAME_PC]
    stp x5, x6, [sp, #CRASH_FRAME_ESR]
    mov x0, sp
    b crash

irq_entry:
    sub sp, sp, #IRQ_FRAME_SIZE
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    str x18, [sp, #144]
    stp x29, x30, [sp, #IRQ_FRAME_X29]
    mrs x0, elr_el1
    mrs x1, spsr_el1
    stp x0, x1, [sp, #IRQ_FRAME_ELR]
    bl interrupt_dispatch
    adrp x0, background_active
    ldr x0, [x0, :lo12:background_active]
    cbnz x0, background_leave

irq_return:
    ldp x0, x1, [sp, #IRQ_FRAME_ELR]
    msr elr_el1, x0
    msr spsr_el1, x1
    ldp x0, x1, [sp]
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldr x18, [sp, #144]
    ldp x29, x30, [sp, #IRQ_FRAME_X29]
    add sp, sp, #IRQ_FRAME_SIZE
    eret

// What the frame of an interrupt lacks: x19..x28, q0..q31, FPCR, FPSR.
#define REST_SIZE (80 + 512 + 16)

// On the background's stack, above an interrupt's frame, interrupts masked: save the rest and return to background_run()'s caller.
background_leave:
    sub sp, sp, #REST_SIZE
    stp q0, q1, [sp]
    stp q2, q3, [sp, #32]
    stp q4, q5, [sp, #64]
    stp q6, q7, [sp, #96]
    stp q8, q9, [sp, #128]
    stp q10, q11, [sp, #160]
    stp q12, q13, [sp, #192]
    stp q14, q15, [sp, #224]
    stp q16, q17, [sp, #256]
    stp q18, q19, [sp, #288]
    stp q20, q21, [sp, #320]
    stp q22, q23, [sp, #352]
    stp q24, q25, [sp, #384]
    stp q26, q27, [sp, #416]
    stp q28, q29, [sp, #448]
    stp q30, q31, [sp, #480]
    mrs x0, fpcr
    mrs x1, fpsr
    add x2, sp, #512
    stp x0, x1, [x2]
    stp x19, x20, [x2, #16]
    stp x21, x22, [x2, #32]
    stp x23, x24, [x2, #48]
    stp x25, x26, [x2, #64]
    stp x27, x28, [x2, #80]
    adrp x3, background_active
    add x3, x3, :lo12:background_active
    ldr x1, [x3, #16] // the loop's stack
    mov x0, sp
    str x0, [x3, #8]
    str xzr, [x3]
    mov sp, x1
    ldp x19, x20, [sp]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret

    .globl background_run
background_run:
    sub sp, sp, #160
    stp x19, x20, [sp]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    adrp x3, background_active
    add x3, x3, :lo12:background_active
    mov x0, sp
    str x0, [x3, #16]
    mov x0, #1
    str x0, [x3]
    ldr x0, [x3, #8]
    mov sp, x0
    ldp q0, q1, [sp]
    ldp q2, q3, [sp, #32]
    ldp q4, q5, [sp, #64]
    ldp q6, q7, [sp, #96]
    ldp q8, q9, [sp, #128]
    ldp q10, q11, [sp, #160]
    ldp q12, q13, [sp, #192]
    ldp q14, q15, [sp, #224]
    ldp q16, q17, [sp, #256]
    ldp q18, q19, [sp, #288]
    ldp q20, q21, [sp, #320]
    ldp q22, q23, [sp, #352]
    ldp q24, q25, [sp, #384]
    ldp q26, q27, [sp, #416]
    ldp q28, q29, [sp, #448]
    ldp q30, q31, [sp, #480]
    add x2, sp, #512
    ldp x0, x1, [x2]
    msr fpcr, x0
    msr fpsr, x1
    ldp x19, x20, [x2, #16]
    ldp x21, x22, [x2, #32]
    ldp x23, x24, [x2, #48]
    ldp x25, x26, [x2, #64]
    ldp x27, x28, [x2, #80]
    add sp, sp, #REST_SIZE
    b irq_return

    .globl background_yield
background_yield: // as if an interrupt came: return address and stack of the caller, interrupts enabled
    msr daifset, #2
    sub sp, sp, #IRQ_FRAME_SIZE
    stp x29, x30, [sp, #IRQ_FRAME_X29]
    mov x0, #0x245 // EL1h; D and F masked, A and I not
    stp x30, x0, [sp, #IRQ_FRAME_ELR]
    b background_leave

    .globl background_start
background_start: // x0: entry, x1: top of its stack
    sub x1, x1, #(IRQ_FRAME_SIZE + REST_SIZE)
    mov x2, x1
    mov x3, #((IRQ_FRAME_SIZE + REST_SIZE) / 16)
1:  stp xzr, xzr, [x2], #16
    subs x3, x3, #1
    b.ne 1b
    mov x2, #0x245
    add x3, x1, #REST_SIZE
    stp x0, x2, [x3, #IRQ_FRAME_ELR]
    adrp x3, background_active
    add x3, x3, :lo12:background_active
    str x1, [x3, #8]
    ret

    .bss
    .balign 16
background_active: // 1 while the background context runs; its saved stack; the loop's saved stack
    .space 24
