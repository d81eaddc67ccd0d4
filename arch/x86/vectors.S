/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's interrupt vectors. While a guest runs they are not in use: its exits come through the world switch.
 * Interrupts come where the kernel lets them in (interrupts_poll(), cpu_wait()), on the stack of whoever does.
 */
        .text
        .balign 16
        .globl  exception_stubs
exception_stubs:
        .set    n, 0
        .rept   32
        .balign 16
        .if     n == 2
        iretq                   /* an NMI means nothing to the kernel; those of guests are theirs */
        .else
        .if     !(n == 8 || n >= 10 && n <= 14 || n == 17 || n == 21 || n == 29 || n == 30)
        push    $0              /* where others have an error code */
        .endif
        push    $n
        jmp     exception
        .endif
        .set    n, n + 1
        .endr

exception:
        push    %r15
        push    %r14
        push    %r13
        push    %r12
        push    %r11
        push    %r10
        push    %r9
        push    %r8
        push    %rdi
        push    %rsi
        push    %rbp
        push    %rsp
        push    %rbx
        push    %rdx
        push    %rcx
        push    %rax
        cld
        mov     %rsp, %rdi
        and     $-16, %rsp
        call    exception_handle /* does not return */

        .balign 16
        .globl  line_stubs      /* 0x30 to 0x77: VECTOR_LINES and VECTOR_MESSAGES */
line_stubs:
        .set    n, 0x30
        .rept   72
        .balign 16
        push    $n
        jmp     interrupt
        .set    n, n + 1
        .endr

        .balign 16
        .globl  system_stubs    /* 0xf0 to 0xff */
system_stubs:
        .set    n, 0xf0
        .rept   16
        .balign 16
        push    $n
        jmp     interrupt
        .set    n, n + 1
        .endr

interrupt:
        push    %rax
        push    %rcx
        push    %rdx
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        mov     72(%rsp), %edi
        cld
        sub     $8, %rsp
        call    interrupt_handle
        add     $8, %rsp
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rdx
        pop     %rcx
        pop     %rax
        add     $8, %rsp
        iretq
