/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's file begins with this: a PE header for UEFI, which enters efi_main(), and a Multiboot header (Multiboot
 * Specification 0.6.96), whose loader enters here.
 */
#include <arch/layout.h>

#define PE_MACHINE 0x8664 /* x86-64 */
#include <boot/efi/pe_headers.S>

/* A Multiboot loader puts the file below the kernel's memory, and is told that both are taken. */
#define STAGE_HPA (KERNEL_HPA - 0x200000)
#define PHYSICAL(symbol) (symbol + STAGE_HPA)

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_LOADER 0x2badb002
#define MULTIBOOT_FLAGS 0x10003 /* modules on pages, memory map, addresses in this header */

#define CR0_ON 0x80010033 /* PG, WP, NE, ET, MP, PE */
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_ON 0x900 /* LME, NXE */
#define CPUID_LONG_MODE 29
#define CPUID_NX 20

#define PRESENT_WRITABLE 3
#define LARGE_PAGE 0x83 /* present, writable, 2 MiB */
#define GIBS 4 /* that are mapped */
#define STACK_SIZE 8192
#define COM1 0x3f8

    .section .text.multiboot, "ax"
    .balign 4
multiboot_header:
    .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
    .long PHYSICAL(multiboot_header)
    .long PHYSICAL(0), PHYSICAL(head_file_size)
    .long KERNEL_HPA + KERNEL_MEMORY_SIZE /* modules lie behind it */
    .long PHYSICAL(multiboot_entry)

    .code32
/* Protected mode, paging off, flat segments; EBX = hpa of the Multiboot information. */
multiboot_entry:
    cli
    cld
    cmp $MULTIBOOT_LOADER, %eax
    jne stop
    mov %ebx, %ebp
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    bt $CPUID_LONG_MODE, %edx
    jnc no_long_mode
    bt $CPUID_NX, %edx
    jnc no_long_mode

    mov $PHYSICAL(head_data), %edi
    mov $head_data_memory, %ecx
    xor %eax, %eax
    rep stosb
    movl $PHYSICAL(boot_level3) + PRESENT_WRITABLE, PHYSICAL(boot_level4)
    mov $PHYSICAL(boot_level2) + PRESENT_WRITABLE, %eax
1:  mov %eax, PHYSICAL(boot_level3)(, %ecx, 8)
    add $4096, %eax
    inc %ecx
    cmp $GIBS, %ecx
    jb 1b
    xor %ecx, %ecx
    mov $LARGE_PAGE, %eax
1:  mov %eax, PHYSICAL(boot_level2)(, %ecx, 8)
    add $1 << 21, %eax
    inc %ecx
    cmp $GIBS * 512, %ecx
    jb 1b

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
    lgdt PHYSICAL(gdt_pointer)
    ljmp $8, $PHYSICAL(boot_long)

no_long_mode:
    mov $PHYSICAL(no_long_mode_text), %esi
1:  mov $COM1 + 5, %edx /* until the transmitter is empty; 0xff if there is none */
2:  in %dx, %al
    test $0x20, %al
    jz 2b
    lodsb
    test %al, %al
    jz stop
    mov $COM1, %edx
    out %al, %dx
    jmp 1b
stop:
    cli
    hlt
    jmp stop

no_long_mode_text:
    .asciz "Bulkhead does not run on this machine: the CPU has no 64-bit mode with execute-disable\r\n"

    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* code, 64 bits */
    .quad 0x00cf93000000ffff /* data */
gdt_end:
gdt_pointer:
    .short gdt_end - gdt - 1
    .long PHYSICAL(gdt)

    .code64
boot_long:
    mov $16, %eax
    mov %eax, %ss
    mov %eax, %ds
    mov %eax, %es
    lea stack_end(%rip), %rsp
    mov %ebp, %edi
    xor %ebp, %ebp
    call multiboot_main

    .section .kernel, "a"
    .globl kernel_start, kernel_end
kernel_start:
    .incbin KERNEL_FILE
kernel_end:

    .bss
    .balign 4096
boot_level4:
    .skip 4096
boot_level3:
    .skip 4096
boot_level2:
    .skip GIBS * 4096
    .skip STACK_SIZE
stack_end:
