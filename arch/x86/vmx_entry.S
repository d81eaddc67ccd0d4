/* SPDX-License-Identifier: Apache-2.0 */
/* Into a guest and out again (Intel SDM volume 3, 27.4 and 28.3). RSP is the vCPU's address on both ways. */

#include "entry.h"

    .text
    .globl vmx_enter
vmx_enter: /* (vcpu): its VMCS is clear */
    mov %rdi, %rsp
    registers load
    load 0, rax
    vmlaunch
    jmp failed

    .globl vmx_exit_entry
vmx_exit_entry:
    registers store
    store 0, rax
    handle vmx_exit
    registers load
    load 0, rax
    vmresume
failed:
    mov %rsp, %rdi
    call vmx_entry_failed
    ud2
    .section .note.GNU-stack, "", @progbits
