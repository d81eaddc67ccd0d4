/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rax: function and result; x1..x9 in rdi, rsi, rdx, rcx, r8..r12; results also in rdi, rsi, rdx. All else keeps its
 * value. Which instruction it is depends on the CPU's maker (start.S).
 */
#include "frame.h"

    .text
    .globl hypercall_invoke
    .type hypercall_invoke, %function
hypercall_invoke: // rdi: x[10]
    push %r12
    push %rdi
    mov 72(%rdi), %r12
    mov 64(%rdi), %r11
    mov 56(%rdi), %r10
    mov 48(%rdi), %r9
    mov 40(%rdi), %r8
    mov 32(%rdi), %rcx
    mov 24(%rdi), %rdx
    mov 16(%rdi), %rsi
    mov (%rdi), %rax
    mov 8(%rdi), %rdi
    call trap
    mov %rdi, %r8
    pop %rdi
    mov %rax, (%rdi)
    mov %r8, 8(%rdi)
    mov %rsi, 16(%rdi)
    mov %rdx, 24(%rdi)
    pop %r12
    ret
    .size hypercall_invoke, . - hypercall_invoke

    .globl hypercall_invoke4
    .type hypercall_invoke4, %function
hypercall_invoke4: // function, x1..x4: each is one register too far
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %rcx
    // falls through
trap:
    cmpb $0, hypercall_is_vmcall(%rip)
    jne 1f
    vmmcall
    ret
1:  vmcall
    ret
    .size hypercall_invoke4, . - hypercall_invoke4

    .data // set before .bss is
    .globl hypercall_is_vmcall
    .hidden hypercall_is_vmcall
hypercall_is_vmcall:
    .byte 0
