/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first instructions of the boot CPU, behind a Multiboot header (Multiboot Specification 0.6.96), and of all others.
 *
 * Both enter long mode on tables that map the kernel's 2 MiB twice, where they lie and where they belong, and the
 * memory of the trampoline. Those stay for CPUs to come; the kernel's own, which each loads next, map no physical address.
 */
#include <arch/layout.h>

#define PHYSICAL(symbol) (symbol - KERNEL_VA + KERNEL_HPA)

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
#define COM1 0x3f8

.macro paging_on /* and long mode, on the boot tables */
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
.endm

    .section .head, "ax"
head:
    .ascii "MZ"
    .org 0x3c
    .long pe_header - head
    .balign 4
multiboot_header:
    .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
    .long PHYSICAL(multiboot_header)
    .long PHYSICAL(image_head), PHYSICAL(image_data_end)
    .long KERNEL_HPA + KERNEL_MEMORY_SIZE /* modules lie behind it */
    .long PHYSICAL(multiboot_entry)

pe_header:
    .ascii "PE\0\0"
    .short 0x8664                 /* machine: x86-64 */
    .short 2                      /* sections */
    .long 0, 0, 0
    .short section_table - optional_header
    .short 0x206                  /* executable, nothing to debug */
optional_header:
    .short 0x20b                  /* PE32+ */
    .byte 1, 0                    /* linker version */
    .long head_text_size, head_data_size, head_zeroed_size
    .long head_efi_entry          /* entry point */
    .long 0x1000                  /* base of code */
    .quad 0                       /* image base: anywhere, nothing is to be relocated */
    .long 0x1000, 0x200           /* section and file alignment */
    .short 0, 0, 1, 0             /* operating system and image version */
    .short 1, 0                   /* subsystem version */
    .long 0
    .long KERNEL_MEMORY_SIZE, 0x1000 /* image and headers */
    .long 0                       /* checksum */
    .short 10                     /* subsystem: EFI application */
    .short 0x100                  /* compatible with NX */
    .quad 0, 0, 0, 0              /* stack, heap */
    .long 0
    .long 6                       /* data directories, all empty */
    .quad 0, 0, 0, 0, 0, 0
section_table:
    .ascii ".text\0\0\0"
    .long head_text_size, 0x1000
    .long head_text_size, 0x1000
    .long 0, 0
    .short 0, 0
    .long 0x60000020              /* code, executable, readable */
    .ascii ".data\0\0\0"
    .long head_data_memory, head_text_end
    .long head_data_size, head_text_end
    .long 0, 0
    .short 0, 0
    .long 0xc0000040              /* initialized data, readable, writable */

    .code32
/* Protected mode, paging off, flat segments; EBX = hpa of the Multiboot information. */
multiboot_entry:
    cli
    cld
    mov %ebx, %ebp
    cmp $MULTIBOOT_LOADER, %eax
    jne stop
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

    mov $PHYSICAL(boot_level4), %edi
    mov $PHYSICAL(boot_tables_end), %ecx
    sub %edi, %ecx
    shr $2, %ecx
    xor %eax, %eax
    rep stosl
    movl $PHYSICAL(boot_level3_low) + PRESENT_WRITABLE, PHYSICAL(boot_level4)
    movl $PHYSICAL(boot_level3_high) + PRESENT_WRITABLE, PHYSICAL(boot_level4) + 511 * 8
    movl $PHYSICAL(boot_level2) + PRESENT_WRITABLE, PHYSICAL(boot_level3_low)
    movl $PHYSICAL(boot_level2) + PRESENT_WRITABLE, PHYSICAL(boot_level3_high) + 510 * 8
    movl $LARGE_PAGE, PHYSICAL(boot_level2)
    movl $KERNEL_HPA + LARGE_PAGE, PHYSICAL(boot_level2) + (KERNEL_HPA >> 21) * 8

    paging_on
    lgdt PHYSICAL(gdt_pointer_low)
    ljmp $SELECTOR_CODE, $PHYSICAL(boot_long)

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

/* A started CPU: real mode, at TRAMPOLINE_HPA. */
    .code16
    .globl trampoline_start, trampoline_end
trampoline_start:
    cli
    mov %cs, %ax
    mov %ax, %ds
    lgdtl trampoline_gdt_pointer - trampoline_start
    paging_on
    ljmpl $SELECTOR_CODE, $TRAMPOLINE_HPA + trampoline_long - trampoline_start
    .code64
trampoline_long:
    movabs $cpu_entry, %rax
    jmp *%rax
trampoline_gdt_pointer:
    .short gdt_end - gdt - 1
    .long PHYSICAL(gdt)
trampoline_end:

gdt_pointer_low:
    .short gdt_end - gdt - 1
    .long PHYSICAL(gdt)

boot_long:
    movabs $boot_high, %rax
    jmp *%rax

    .org 0x1000 /* what UEFI takes for headers ends here */
/*
 * void efi_leave(information): long mode, on firmware's tables and stack, where firmware put the image. Moves the image to
 * where it belongs, whoever was there until now, and goes on there.
 */
    .globl efi_leave
efi_leave:
    cli
    cld
    mov %edi, %ebp
    lea image_head(%rip), %rbx
    mov %rbx, %rsi
    mov $KERNEL_HPA, %edi
    mov $head_loaded_size, %ecx
    rep movsb
    mov $PHYSICAL(boot_level4), %edi
    mov $(boot_tables_end - boot_level4) / 8, %ecx
    xor %eax, %eax
    rep stosq
    movl $PHYSICAL(boot_level3_low) + PRESENT_WRITABLE, PHYSICAL(boot_level4)
    movl $PHYSICAL(boot_level3_high) + PRESENT_WRITABLE, PHYSICAL(boot_level4) + 511 * 8
    mov %rbx, %rax /* the GiB, by one page, in which this runs; the first has a table, set up after it */
    shr $30, %rax
    mov %rax, %rcx
    shl $30, %rcx
    add $LARGE_PAGE, %rcx
    mov %rcx, PHYSICAL(boot_level3_low)(, %rax, 8)
    test %eax, %eax
    jnz 1f
    shr $21, %rbx
    mov %ebx, %ecx
    shl $21, %ecx
    add $LARGE_PAGE, %ecx
    mov %ecx, PHYSICAL(boot_level2)(, %rbx, 8)
    add $1 << 21, %ecx
    mov %ecx, PHYSICAL(boot_level2) + 8(, %rbx, 8)
1:  movl $PHYSICAL(boot_level2) + PRESENT_WRITABLE, PHYSICAL(boot_level3_low)
    movl $PHYSICAL(boot_level2) + PRESENT_WRITABLE, PHYSICAL(boot_level3_high) + 510 * 8
    movl $LARGE_PAGE, PHYSICAL(boot_level2)
    movl $KERNEL_HPA + LARGE_PAGE, PHYSICAL(boot_level2) + (KERNEL_HPA >> 21) * 8
    movb $1, PHYSICAL(boot_by_efi)
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_ON, %eax
    wrmsr
    mov $CR4_PAE, %eax
    mov %rax, %cr4
    mov $PHYSICAL(boot_level4), %eax
    mov %rax, %cr3
    mov $CR0_ON, %eax
    mov %rax, %cr0
    movabs $boot_high, %rax
    jmp *%rax

/* Own address, own segments. */
    .text
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

boot_high:
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
    mov %rax, %cr3
    mov %ebp, %edi
    xor %ebp, %ebp
    call kernel_main

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
    mov kernel_cr3, %rax
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

    .section .boot_tables, "aw", @nobits
    .balign 4096
boot_level4:
    .skip 4096
boot_level3_low:
    .skip 4096
boot_level3_high:
    .skip 4096
boot_level2:
    .skip 4096
boot_tables_end:
