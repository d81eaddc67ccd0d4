/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The starter's two ends. U-Boot enters it here in long mode, on identity tables, as it enters Linux: RSI = hpa of the boot
 * parameters. It leaves by a jump to the kernel's Multiboot entry in protected mode, paging off.
 */
#define MULTIBOOT_LOADER 0x2badb002
#define MSR_EFER 0xc0000080
#define CODE 8
#define DATA 16

    .section .head, "ax"
    .globl starter
starter:
    cli
    cld
    lea stack_end(%rip), %rsp
    mov %rsi, %rdi
    call starter_main
    ud2

/* [[noreturn]] void enter_kernel(uint32_t entry, uint32_t information) */
    .text
    .globl enter_kernel
enter_kernel:
    mov %esi, %ebx
    lea gdt(%rip), %rax
    mov %rax, gdt_pointer + 2(%rip)
    lgdt gdt_pointer(%rip)
    lea protected(%rip), %rax
    pushq $CODE
    push %rax
    lretq
    .code32
protected:
    mov %cr0, %eax
    and $0x7fffffff, %eax /* PG */
    mov %eax, %cr0
    mov $MSR_EFER, %ecx
    xor %eax, %eax
    xor %edx, %edx
    wrmsr
    xor %eax, %eax
    mov %eax, %cr4
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    mov $MULTIBOOT_LOADER, %eax
    jmp *%edi

    .data
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* code, 32 bits, flat */
    .quad 0x00cf93000000ffff /* data, flat */
gdt_pointer:
    .short gdt_pointer - gdt - 1
    .quad 0

    .bss
    .balign 16
    .skip 4096
stack_end:

/*
 * Linux's boot parameters, as U-Boot wants them before it fills them in: with a signature, and a protocol that knows a ramdisk and a
 * command line. */
    .section .parameters, "aw", @progbits
    .skip 0x202
    .ascii "HdrS"
    .short 0x0202
    .skip 0x1000 - 0x208
