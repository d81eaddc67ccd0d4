/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry of a native domain: 64-bit mode with the loader's identity map of the low 4 GiB, rdi = device tree, one CPU,
 * interrupts masked.
 */
#include "frame.h"

#define R_X86_64_RELATIVE 8
#define CR0_MP 0x2
#define CR0_EM 0x4
#define CR0_WP 0x10000
#define CR4_OSFXSR 0x200
#define CR4_OSXMMEXCPT 0x400
#define MSR_EFER 0xc0000080
#define EFER_NXE 0x800
#define INTEL_EBX 0x756e6547 // "Genu" of GenuineIntel

    .section .text.start, "ax"
    .globl start
start:
    cli
    cld
    mov %rdi, %r15
    lea stack_top(%rip), %rsp

    // The image is linked at 0, so its address is what relocations add.
    lea image_start(%rip), %r14
    lea rela_start(%rip), %rsi
    lea rela_end(%rip), %rdi
1:  cmp %rdi, %rsi
    jae 3f
    mov (%rsi), %rax
    mov 16(%rsi), %rcx
    cmpl $R_X86_64_RELATIVE, 8(%rsi)
    jne 2f
    add %r14, %rcx
    mov %rcx, (%r14, %rax)
    add $24, %rsi
    jmp 1b
2:  hlt // a relocation that `-z text` static PIEs do not have
    jmp 2b

3:  lea bss_start(%rip), %rdi
    lea bss_end(%rip), %rcx
    sub %rdi, %rcx
    shr $3, %rcx
    xor %eax, %eax
    rep stosq

    xor %eax, %eax
    cpuid
    cmp $INTEL_EBX, %ebx
    sete hypercall_is_vmcall(%rip)

    mov %cr0, %rax
    and $~CR0_EM, %rax
    or $(CR0_WP | CR0_MP), %rax
    mov %rax, %cr0
    mov %cr4, %rax
    or $(CR4_OSFXSR | CR4_OSXMMEXCPT), %rax
    mov %rax, %cr4
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_NXE, %eax
    wrmsr

    lea gdt(%rip), %rax
    push %rax
    pushw $(5 * 8 - 1)
    lgdt (%rsp)
    mov $SELECTOR_DATA, %eax
    mov %eax, %ss
    mov %eax, %ds
    mov %eax, %es
    lea 4f(%rip), %rax
    pushq $SELECTOR_CODE
    push %rax
    lretq
4:  lea stack_top(%rip), %rsp
    xor %ebp, %ebp
    call descriptors_init
    mov %r15, %rdi
    call mmu_start
    mov %r15, %rdi
    call native_start // does not return

    .bss
    .balign 4096
    .globl stack_guard, interrupt_stack_guard, interrupt_stack_top, crash_stack_guard, crash_stack_top
    .hidden interrupt_stack_top, crash_stack_top
stack_guard:
    .space GUARD_SIZE
    .space STACK_SIZE
stack_top:
interrupt_stack_guard:
    .space GUARD_SIZE
    .space INTERRUPT_STACK_SIZE
interrupt_stack_top:
crash_stack_guard:
    .space GUARD_SIZE
    .space CRASH_STACK_SIZE
crash_stack_top:
