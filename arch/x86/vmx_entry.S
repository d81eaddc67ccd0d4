/* SPDX-License-Identifier: Apache-2.0 */
/* Into a guest and out again (Intel SDM volume 3, 27.4 and 28.3). RSP is the vCPU's address on both ways. */

.macro registers instruction
    \instruction 0, rax
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
    .globl vmx_enter
vmx_enter: /* (vcpu): its VMCS is clear */
    mov %rdi, %rsp
    registers load
    vmlaunch
    jmp failed

    .globl vmx_exit_entry
vmx_exit_entry:
    registers store
    mov %rsp, %rdi
    /* Nothing of the guest's to speculate with. */
    xor %ebx, %ebx
    xor %ebp, %ebp
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    call vmx_exit
    registers load
    vmresume
failed:
    mov %rsp, %rdi
    call vmx_entry_failed
    ud2
    .section .note.GNU-stack, "", @progbits
