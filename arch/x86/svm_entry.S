/* SPDX-License-Identifier: Apache-2.0 */
/* Into a guest and out again (AMD APM volume 2, 15.5 and 15.6). RSP is the vCPU's address on both ways. */
#define CONTROL_HPA 144 /* offsets in struct arch_vcpu (svm.c checks) */

.macro registers instruction
    \instruction 1, rcx
    \instruction 2, rdx
    \instruction 3, rbx
    \instruction 5, rbp
    \instruction 6, rsi
    \instruction 7, rdi
    \instruction 8, r8
    \instruction 9, r9
    \instruction 10, r10
    \instruction 11, r11
    \instruction 12, r12
    \instruction 13, r13
    \instruction 14, r14
    \instruction 15, r15
.endm
.macro store index, register
    mov %\register, 8 * \index(%rsp)
.endm
.macro load index, register
    mov 8 * \index(%rsp), %\register
.endm

    .text
    .globl svm_enter
svm_enter: /* (vcpu) */
    mov %rdi, %rsp
1:  registers load
    mov CONTROL_HPA(%rsp), %rax
    clgi
    sti /* for the guest: physical interrupts exit */
    vmrun
    registers store
    cli
    stgi
    mov %rsp, %rdi
    /* Nothing of the guest's to speculate with. */
    xor %ebx, %ebx
    xor %ebp, %ebp
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    call svm_exit
    jmp 1b
    .section .note.GNU-stack, "", @progbits
