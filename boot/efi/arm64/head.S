/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's PE headers: two sections, loaded anywhere, nothing to be relocated; and the way out. */
    .section .head, "a"
head:
    .ascii "MZ"
    .org 0x3c
    .long pe_header - head
pe_header:
    .ascii "PE\0\0"
    .short 0xaa64                 /* machine: arm64 */
    .short 2                      /* sections */
    .long 0, 0, 0
    .short section_table - optional_header
    .short 0x206                  /* executable, nothing to debug */
optional_header:
    .short 0x20b                  /* PE32+ */
    .byte 1, 0                    /* linker version */
    .long head_text_size, head_data_size, 0
    .long head_entry              /* entry point */
    .long 0x1000                  /* base of code */
    .quad 0                       /* image base */
    .long 0x1000, 0x200           /* section and file alignment */
    .short 0, 0, 1, 0             /* operating system and image version */
    .short 1, 0                   /* subsystem version */
    .long 0
    .long head_image_size, 0x1000 /* image and headers */
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
    .long head_data_size, head_data
    .long head_data_size, head_data
    .long 0, 0
    .short 0, 0
    .long 0xc0000040              /* initialized data, readable, writable */
    .org 0x1000

    .section .data.head, "aw" /* so that the section stands in the file, zeroed data and all */
    .quad 0

/* void leave(uint64_t kernel, uint64_t tree): MMU and caches of EL2 off, then the kernel's entry as Linux's boot
 * protocol has it. Memory that is read from here on with caches off is clean: the kernel, the tree and these lines. */
    .section .text.leave, "ax"
    .globl leave, leave_end
    .balign 64
leave:
    msr daifset, #0xf
    mov x4, x0
    mov x0, x1
    mrs x5, sctlr_el2
    bic x5, x5, #1 << 0  /* M */
    bic x5, x5, #1 << 2  /* C */
    bic x5, x5, #1 << 12 /* I */
    msr sctlr_el2, x5
    isb
    tlbi alle2
    ic iallu
    dsb sy
    isb
    mov x1, #0
    mov x2, #0
    mov x3, #0
    br x4
leave_end:
