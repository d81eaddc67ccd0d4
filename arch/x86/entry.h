/* SPDX-License-Identifier: Apache-2.0 */
/* For assembly: a guest's general registers, but for RAX and RSP, in struct arch_vcpu, which RSP points to. */
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

/* Calls C with the vCPU, and nothing of the guest's to speculate with. */
.macro handle function
    mov %rsp, %rdi
    xor %ebx, %ebx
    xor %ebp, %ebp
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    call \function
.endm
