/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's PE headers: two sections, loaded anywhere, nothing to be relocated. PE_MACHINE is the includer's. */
    .section .head, "a"
head:
    .ascii "MZ"
    .org 0x3c
    .long pe_header - head
pe_header:
    .ascii "PE\0\0"
    .short PE_MACHINE
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
    .long head_data_memory, head_data
    .long head_data_size, head_data_offset
    .long 0, 0
    .short 0, 0
    .long 0xc0000040              /* initialized data, readable, writable */
    .org 0x1000

    .section .data.head, "aw" /* so that the section stands in the file, zeroed data and all */
    .quad 0
