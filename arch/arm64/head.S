/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first instructions of the boot CPU and of all others, behind the headers that boot loaders look for: Linux's `Image`
 * (Documentation/arch/arm64/booting.rst) and PE/COFF (so that EFI firmware loads, and tools identify, the same file).
 *
 * Both ways in end at landing_vector. A physical address is never mapped in the kernel's tables: as soon as the MMU is on, the next
 * fetch faults, and VBAR_EL2 is the image's virtual address. So there is no identity mapping to remove.
 */
#include <arch/layout.h>

#define SCTLR_RES1 0x30c50830
#define SCTLR_ON (SCTLR_RES1 | 1 << 0 /* M */ | 1 << 2 /* C */ | 1 << 3 /* SA */ | 1 << 12 /* I */ | 1 << 19 /* WXN */)
#define MAIR_VALUE 0xff04 /* 0: device nGnRE, 1: normal write-back */
#define TCR_VALUE (1 << 31 | 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 16) /* inner shareable, write-back walks, 48 bits */
#define EFI_UNSUPPORTED 0x8000000000000003

.macro adr_l register, symbol
    adrp \register, \symbol
    add \register, \register, :lo12:\symbol
.endm

    .section .head, "ax"
head:
    add x13, x18, #0x16 /* "MZ" */
    b boot_entry
    .quad 0                       /* offset from a 2 MiB boundary */
    .quad head_image_size  /* memory needed */
    .quad 0xa                     /* little endian, 4 KiB pages, anywhere in memory */
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long pe_header - head

pe_header:
    .ascii "PE\0\0"
    .short 0xaa64                 /* machine: arm64 */
    .short 2                      /* sections */
    .long 0, 0, 0
    .short section_table - optional_header
    .short 0x206                  /* executable, line numbers and debug information stripped */
optional_header:
    .short 0x20b                  /* PE32+ */
    .byte 1, 0                    /* linker version */
    .long head_text_size /* code */
    .long head_data_size      /* initialized data */
    .long head_zeroed_size           /* zeroed data */
    .long efi_entry - head        /* entry point */
    .long 0x1000                  /* base of code */
    .quad 0                       /* image base */
    .long 0x1000, 0x200           /* section and file alignment */
    .short 0, 0, 1, 0             /* operating system and image version */
    .short 1, 0                   /* subsystem version */
    .long 0
    .long head_image_size  /* image size */
    .long 0x1000                  /* size of the headers */
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

/* VBAR_EL2 is image_head while the MMU is switched on: this is its entry for a synchronous exception from the current EL. */
    .org 0x200
landing_vector:
    mov sp, x20
    msr tpidr_el2, x20
    mov x29, #0
    br x22

    .org 0x1000
/* EFI firmware gets a proper refusal: the kernel starts at EL2 through the Linux entry. */
efi_entry:
    ldr x0, =EFI_UNSUPPORTED
    ret

/* The boot CPU: MMU off, x0 = hpa of the device tree. */
boot_entry:
    mrs x1, CurrentEL
    cmp x1, #8
    b.ne wrong_level
    mov x19, x0
    bl cpu_quiet
    adr_l x23, tables_start
    adr_l x24, bss_end
    bl discard_range
    adrp x0, image_head
    adr_l x1, cpu_areas
    add sp, x1, #EL2_STACK_SIZE
    bl mmu_build_tables
    bl discard_range
    ldr x20, =cpu_areas + EL2_STACK_SIZE
    ldr x22, =boot_landed
    b mmu_on

boot_landed:
    adr_l x0, bss_start
    adr_l x1, bss_end
1:  stp xzr, xzr, [x0]
    stp xzr, xzr, [x0, #16]
    stp xzr, xzr, [x0, #32]
    stp xzr, xzr, [x0, #48]
    add x0, x0, #64
    cmp x0, x1
    b.lo 1b
    mov x0, x19
    bl kernel_main

/* Any other CPU, from a loop of the firmware's that had no more to tell it. */
    .globl spin_entry
spin_entry:
    mrs x1, mpidr_el1
    and x1, x1, #7
    adr_l x2, spin_vcpu
    ldr x0, [x2, x1, lsl #3]
    b cpu_entry

/* Any other CPU, from PSCI CPU_ON: MMU off, x0 = virtual address of its struct vcpu. */
    .globl cpu_entry
cpu_entry:
    mov x20, x0
    bl cpu_quiet
    ldr x22, =cpu_landed
    b mmu_on

cpu_landed:
    mov x0, x20
    bl cpu_main

wrong_level: /* Nothing is known about this machine, not even where it prints. */
    wfi
    b wrong_level

/* EL2h, nothing on, nothing stale, nothing delivered. Keeps x0 and x19..x22. */
cpu_quiet:
    msr spsel, #1
    msr daifset, #0xf
    ldr x1, =SCTLR_RES1
    msr sctlr_el2, x1
    mov x1, #1 << 31 /* RW; E2H is off */
    msr hcr_el2, x1
    isb
    ic iallu
    dsb nsh
    isb
    ret

/* Drop [x23, x24) from the data caches: it is or was written with the MMU off. Clobbers x1..x3. */
discard_range:
    dsb sy
    mrs x1, ctr_el0
    ubfx x1, x1, #16, #4
    mov x2, #4
    lsl x2, x2, x1
    sub x3, x2, #1
    bic x3, x23, x3
1:  dc ivac, x3
    add x3, x3, x2
    cmp x3, x24
    b.lo 1b
    dsb sy
    ret

/* Does not return: lands at landing_vector, which goes on at x22 with the stack of x20. */
mmu_on:
    adrp x0, kernel_tables
    msr ttbr0_el2, x0
    ldr x1, =MAIR_VALUE
    msr mair_el2, x1
    ldr x1, =TCR_VALUE
    mrs x2, id_aa64mmfr0_el1
    and x2, x2, #0xf
    cmp x2, #5 /* 48 bits are all that 4 KiB pages without LPA2 address */
    mov x3, #5
    csel x2, x2, x3, lo
    orr x1, x1, x2, lsl #16
    msr tcr_el2, x1
    ldr x1, =image_head
    msr vbar_el2, x1
    isb
    tlbi alle2
    dsb nsh
    isb
    ldr x1, =SCTLR_ON
    msr sctlr_el2, x1
    isb
1:  b 1b
    .ltorg
