/* SPDX-License-Identifier: Apache-2.0 */
/* The first instructions of the boot CPU, which boot/x86 sends here, and of all others. */
#include <arch/layout.h>

#define PHYSICAL(symbol) (symbol - KERNEL_VA + KERNEL_HPA)

#define CR0_ON 0x80010033 /* PG, WP, NE, ET, MP, PE */
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_ON 0x900 /* LME, NXE */

    .section .head, "ax"
/* KERNEL_VA. Long mode with execute-disable, interrupts off, the kernel's memory mapped there; RDI = hpa of struct machine. */
    mov %rdi, %rbp
    mov $cpu_areas + CPU_VCPU, %rsp
    mov $bss_start, %rdi
    mov $bss_end, %rcx
    sub %rdi, %rcx
    shr $3, %rcx
    xor %eax, %eax
    rep stosq
    call load_segments
    pushq $SELECTOR_CODE
    pushq $1f
    lretq
1:  call mmu_build_tables
    mov $PHYSICAL(level4), %rax
    mov %rax, %cr3
    mov %rbp, %rdi
    xor %ebp, %ebp
    call kernel_main

/* Own address, own segments. */
load_segments:
    lgdt gdt_pointer(%rip)
    mov $SELECTOR_DATA, %eax
    mov %eax, %ss
    mov %eax, %ds
    mov %eax, %es
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    lldt %ax
    ret

/* A started CPU: real mode, at TRAMPOLINE_HPA. */
    .code16
    .globl trampoline_start, trampoline_end
trampoline_start:
    cli
    mov %cs, %ax
    mov %ax, %ds
    lgdtl trampoline_gdt_pointer - trampoline_start
    mov $CR4_PAE, %eax
    mov %eax, %cr4
    mov $PHYSICAL(boot_level4), %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    mov $EFER_ON, %eax
    xor %edx, %edx
    wrmsr
    mov $CR0_ON, %eax
    mov %eax, %cr0
    ljmpl $SELECTOR_CODE, $TRAMPOLINE_HPA + trampoline_long - trampoline_start
    .code64
trampoline_long:
    movabs $cpu_entry, %rax
    jmp *%rax
trampoline_gdt_pointer:
    .short gdt_end - gdt - 1
    .long PHYSICAL(gdt)
trampoline_end:

/* Its number is where its x2APIC ID stands in cpu_ids. */
cpu_entry:
    xor %eax, %eax
    cpuid
    cmp $0xb, %eax
    jb 1f
    mov $0xb, %eax
    xor %ecx, %ecx
    cpuid
    jmp 2f
1:  mov $1, %eax
    cpuid
    shr $24, %ebx
    mov %ebx, %edx
2:  xor %ecx, %ecx
3:  cmp %edx, cpu_ids(, %rcx, 4)
    je 4f
    inc %ecx
    cmp platform_cpus, %ecx
    jb 3b
5:  hlt
    jmp 5b
4:  imul $CPU_AREA_SIZE, %rcx, %rcx
    lea cpu_areas + CPU_VCPU(%rcx), %rsp
    mov %rsp, %rbx
    call load_segments
    mov $PHYSICAL(level4), %rax
    mov %rax, %cr3
    mov %rbx, %rdi
    xor %ebp, %ebp
    call cpu_main

    .section .rodata.gdt, "a"
    .balign 16
gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* code, 64 bits */
    .quad 0x00cf93000000ffff /* data */
    .quad 0, 0               /* TSS: unused */
gdt_end:
gdt_pointer:
    .short gdt_end - gdt - 1
    .quad gdt
