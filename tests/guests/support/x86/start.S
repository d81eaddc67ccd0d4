/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry and exceptions of the bare-metal test guests. They do not use arch/x86/native: a hostile guest wants its
 * exceptions for itself, and a test of the state at entry must see that state before anything else has run.
 */

#define CPUS 8
#define STACK_BYTES 16384
#define TRAMPOLINE 0x8000
#define MSR_EFER 0xc0000080

    .section .text.start, "ax"
    .globl start
start:
    // What the kernel left in the registers, before they are used (guest_initial of machine.h).
    mov %rax, guest_initial(%rip)
    lea guest_initial(%rip), %rax
    mov %rcx, 8(%rax)
    mov %rdx, 16(%rax)
    mov %rbx, 24(%rax)
    mov %rsp, 32(%rax)
    mov %rbp, 40(%rax)
    mov %rsi, 48(%rax)
    mov %rdi, 56(%rax)
    mov %r8, 64(%rax)
    mov %r9, 72(%rax)
    mov %r10, 80(%rax)
    mov %r11, 88(%rax)
    mov %r12, 96(%rax)
    mov %r13, 104(%rax)
    mov %r14, 112(%rax)
    mov %r15, 120(%rax)
    lea stacks + STACK_BYTES(%rip), %rsp
    pushfq
    pop 128(%rax)
    cli
    cld
    mov %rax, %rbx
    mov %cr0, %rax
    mov %rax, 136(%rbx)
    mov %cr3, %rax
    mov %rax, 144(%rbx)
    mov %cr4, %rax
    mov %rax, 152(%rbx)
    mov $MSR_EFER, %ecx
    rdmsr
    mov %eax, 160(%rbx)
    mov %edx, 164(%rbx)
    call cpu_features
    stmxcsr 168(%rbx)
    lea 176(%rbx), %rax
    movups %xmm0, (%rax)
    movups %xmm1, 16(%rax)
    movups %xmm2, 32(%rax)
    movups %xmm3, 48(%rax)
    movups %xmm4, 64(%rax)
    movups %xmm5, 80(%rax)
    movups %xmm6, 96(%rax)
    movups %xmm7, 112(%rax)
    movups %xmm8, 128(%rax)
    movups %xmm9, 144(%rax)
    movups %xmm10, 160(%rax)
    movups %xmm11, 176(%rax)
    movups %xmm12, 192(%rax)
    movups %xmm13, 208(%rax)
    movups %xmm14, 224(%rax)
    movups %xmm15, 240(%rax)

    lea bss_start(%rip), %rdi
    lea bss_end(%rip), %rcx
    sub %rdi, %rcx
    shr $3, %rcx
    xor %eax, %eax
    rep stosq

    xor %edi, %edi
    call cpu_setup
    mov guest_initial + 56(%rip), %rdi
    xor %ebp, %ebp
    call guest_start

// SSE on.
cpu_features:
    mov %cr0, %rax
    and $~4, %rax
    or $2, %rax
    mov %rax, %cr0
    mov %cr4, %rax
    or $0x600, %rax
    mov %rax, %cr4
    ret

// edi: index of this CPU. Map, stack, segments, exceptions. Returns on the new stack.
cpu_setup:
    pop %rsi
    lea guest_map(%rip), %rax
    mov %rax, %cr3
    lea stacks(%rip), %rsp
    lea 1(%rdi), %eax
    imul $STACK_BYTES, %rax, %rax
    add %rax, %rsp
    lgdt gdt_pointer(%rip)
    mov $0x10, %eax
    mov %eax, %ss
    mov %eax, %ds
    mov %eax, %es
    pushq $0x08
    push %rsi
    lidt idt_pointer(%rip)
    lretq

// Start-up of the other CPUs: copied to TRAMPOLINE, entered in real mode there.
    .code16
    .globl trampoline, trampoline_end, trampoline_index
trampoline:
    cli
    mov %cs, %ax
    mov %ax, %ds
    lgdtl trampoline_gdt - trampoline
    mov $0x20, %eax // PAE
    mov %eax, %cr4
    mov trampoline_map - trampoline, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov $0x80010001, %eax
    mov %eax, %cr0
    ljmpl *(trampoline_target - trampoline)
    .balign 8
trampoline_gdt:
    .word 23
    .long gdt
trampoline_map:
    .long guest_map
trampoline_target:
    .long secondary_start
    .word 0x08
    .balign 4
trampoline_index:
    .long 0
trampoline_end:
    .code64

secondary_start:
    mov TRAMPOLINE + trampoline_index - trampoline, %edi
    lea stacks + STACK_BYTES(%rip), %rsp
    mov %edi, %eax
    imul $STACK_BYTES, %rax, %rax
    add %rax, %rsp
    call cpu_features
    call cpu_setup
    mov TRAMPOLINE + trampoline_index - trampoline, %edi
    xor %ebp, %ebp
    call guest_secondary

    .text
    .balign 16
    .globl vector_stubs
vector_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    jmp exception
    .set vector, vector + 1
    .endr

exception: // struct frame of machine.c
    push %r15
    push %r14
    push %r13
    push %r12
    push %r11
    push %r10
    push %r9
    push %r8
    push %rdi
    push %rsi
    push %rbp
    push %rbx
    push %rdx
    push %rcx
    push %rax
    mov %rsp, %rdi
    mov %rsp, %rbx
    and $-16, %rsp
    sub $512, %rsp
    fxsave64 (%rsp)
    cld
    call guest_exception
    fxrstor64 (%rsp)
    mov %rbx, %rsp
    pop %rax
    pop %rcx
    pop %rdx
    pop %rbx
    pop %rbp
    pop %rsi
    pop %rdi
    pop %r8
    pop %r9
    pop %r10
    pop %r11
    pop %r12
    pop %r13
    pop %r14
    pop %r15
    add $16, %rsp
    iretq

    .section .data
    .balign 16
    .globl guest_initial
guest_initial:
    .space 176 + 256
gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
gdt_pointer:
    .word 23
    .quad gdt
idt_pointer:
    .word 4095
    .quad idt

// One to one in pages of 2 MiB, with windows at the end of the first 512 GiB (machine.h).
#define PAGE 0x83
    .balign 4096
    .globl guest_map
guest_map:
    .quad pointers + 3
    .fill 511, 8, 0
pointers:
    .quad low + 3, low + 0x1003, low + 0x2003, low + 0x3003
    .fill 504, 8, 0
    .quad window_40 + 3, 0, window_36 + 3, 0
low:
    .set page, 0
    .rept 2048
    .quad page << 21 | PAGE
    .set page, page + 1
    .endr
window_40:
    .set page, 0
    .rept 512
    .quad 0xffc0000000 | page << 21 | PAGE
    .set page, page + 1
    .endr
window_36:
    .set page, 0
    .rept 512
    .quad 0x0fc0000000 | page << 21 | PAGE
    .set page, page + 1
    .endr

    .bss
    .balign 4096
    .globl idt
idt:
    .space 4096
stacks:
    .space CPUS * STACK_BYTES
