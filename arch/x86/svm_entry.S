/* SPDX-License-Identifier: Apache-2.0 */
/* Into a guest and out again (AMD APM volume 2, 15.5 and 15.6). RSP is the vCPU's address on both ways. */
#define CONTROL_HPA 144 /* offsets in struct arch_vcpu (svm.c checks) */

#include "entry.h"

    .text
.macro guest function, exit
    .globl \function
\function: /* (vcpu) */
    mov %rdi, %rsp
1:  registers load
    mov CONTROL_HPA(%rsp), %rax
    clgi
    sti /* for the guest: physical interrupts exit */
    vmrun
    registers store
    cli
    stgi
    handle \exit
    jmp 1b
.endm
    guest svm_enter, svm_exit
    guest svm_avic_enter, avic_exit
    .section .note.GNU-stack, "", @progbits
