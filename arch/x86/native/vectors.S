/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions of a native domain. Interrupts are taken on a stack of their own, since what they interrupt may use the
 * 128 bytes below its stack pointer. Exceptions are crashes, reported on another one, since the stack itself may be
 * what is broken.
 *
 * The background context (lib/native.h) is here too, because an interrupt is what ends its turn.
 */
#include "frame.h"

#define FLAGS_INTERRUPTS 0x202 // IF

    .text
    .balign 16
    .globl vector_stubs
vector_stubs:
    .set vector, 0
    .rept 256
    .balign VECTOR_STUB_SIZE
    .if vector < 32
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    jmp crash_entry
    .else
    pushq $vector
    jmp interrupt_entry
    .endif
    .set vector, vector + 1
    .endr
    .balign VECTOR_STUB_SIZE

crash_entry: // struct crash_frame
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, %rdi
    cld
    lock btsl $0, crashing(%rip)
    jc 1f
    call crash
1:  call crash_again

interrupt_entry: // vector, rip, cs, rflags, rsp, ss
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    mov 72(%rsp), %rdi
    cld
    call interrupt_dispatch
    cmpq $0, background_active(%rip)
    jne 1f
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    add $8, %rsp
    iretq

    // The background's turn is over.
1:  pop background_r11(%rip)
    pop background_r10(%rip)
    pop background_r9(%rip)
    pop background_r8(%rip)
    pop background_rdi(%rip)
    pop background_rsi(%rip)
    pop background_rdx(%rip)
    pop background_rcx(%rip)
    pop background_rax(%rip)
    mov 8(%rsp), %rax
    mov %rax, background_rip(%rip)
    mov 24(%rsp), %rax
    mov %rax, background_rflags(%rip)
    mov 32(%rsp), %rax
    mov %rax, background_rsp(%rip)

// Interrupts masked: saves what remains and returns to background_run()'s caller.
background_leave:
    mov %rbx, background_rbx(%rip)
    mov %rbp, background_rbp(%rip)
    mov %r12, background_r12(%rip)
    mov %r13, background_r13(%rip)
    mov %r14, background_r14(%rip)
    mov %r15, background_r15(%rip)
    fxsave64 background_fx(%rip)
    movq $0, background_active(%rip)
    mov loop_rsp(%rip), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .globl background_run
    .type background_run, %function
background_run:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, loop_rsp(%rip)
    movq $1, background_active(%rip)
    pushq $SELECTOR_DATA
    push background_rsp(%rip)
    push background_rflags(%rip)
    pushq $SELECTOR_CODE
    push background_rip(%rip)
    fxrstor64 background_fx(%rip)
    mov background_rax(%rip), %rax
    mov background_rbx(%rip), %rbx
    mov background_rcx(%rip), %rcx
    mov background_rdx(%rip), %rdx
    mov background_rsi(%rip), %rsi
    mov background_rdi(%rip), %rdi
    mov background_rbp(%rip), %rbp
    mov background_r8(%rip), %r8
    mov background_r9(%rip), %r9
    mov background_r10(%rip), %r10
    mov background_r11(%rip), %r11
    mov background_r12(%rip), %r12
    mov background_r13(%rip), %r13
    mov background_r14(%rip), %r14
    mov background_r15(%rip), %r15
    iretq
    .size background_run, . - background_run

    .globl background_yield
    .type background_yield, %function
background_yield: // as if an interrupt came: return address and stack of the caller, interrupts enabled
    cli
    pop background_rip(%rip)
    mov %rsp, background_rsp(%rip)
    movq $FLAGS_INTERRUPTS, background_rflags(%rip)
    jmp background_leave
    .size background_yield, . - background_yield

    .globl background_start
    .type background_start, %function
background_start: // rdi: entry, rsi: top of its stack
    mov %rdi, background_rip(%rip)
    sub $8, %rsi // as behind a call
    mov %rsi, background_rsp(%rip)
    movq $FLAGS_INTERRUPTS, background_rflags(%rip)
    fxsave64 background_fx(%rip)
    ret
    .size background_start, . - background_start

    .section .data, "aw"
    .balign 8
    .globl gdt
gdt:
    .quad 0
    .quad 0x00af9b000000ffff // SELECTOR_CODE: 64-bit
    .quad 0x00cf93000000ffff // SELECTOR_DATA
    .quad 0, 0               // SELECTOR_TASK: descriptors.c

    .bss
    .balign 16
background_fx:
    .space 512
background_active: // 1 while the background runs
    .space 8
loop_rsp: // of background_run()
    .space 8
.macro saved names:vararg
    .irp name, \names
background_\name:
    .space 8
    .endr
.endm
    saved rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags, rsp
crashing:
    .space 8
