/* SPDX-License-Identifier: Apache-2.0 */
/* Into a guest and out again (AMD APM volume 2, 15.5 and 15.6). RSP is the vCPU's address on both ways. */
#define CONTROL_HPA 144 /* offsets in struct arch_vcpu (svm.c checks) */

#include "entry.h"

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
    handle svm_exit
    jmp 1b
    .section .note.GNU-stack, "", @progbits
