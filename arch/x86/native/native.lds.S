/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A native domain's program: position-independent, linked at 0, loaded by program headers anywhere on a 4 KiB boundary.
 * start.S relocates it. Text is executable, constants are read-only (once relocated), the rest is read-write.
 */
OUTPUT_FORMAT(elf64-x86-64)
ENTRY(start)

PHDRS
{
    text PT_LOAD FLAGS(5);
    constants PT_LOAD FLAGS(4);
    data PT_LOAD FLAGS(6);
    dynamic PT_DYNAMIC FLAGS(4);
}

SECTIONS
{
    image_start = .;
    .text : { KEEP(*(.text.start)) *(.text .text.*) } :text

    . = ALIGN(4096);
    text_end = .;
    .rodata : { *(.rodata .rodata.*) } :constants
    .rela.dyn : { *(.rela .rela.*) }
    rela_start = ADDR(.rela.dyn);
    rela_end = rela_start + SIZEOF(.rela.dyn);
    .dynamic : { *(.dynamic) } :constants :dynamic
    .dynsym : { *(.dynsym) } :constants
    .dynstr : { *(.dynstr) }
    .hash : { *(.hash) *(.gnu.hash) }
    .eh_frame : { *(.eh_frame) }
    .relro : ALIGN(16) {
        *(.data.rel.ro .data.rel.ro.*)
        *(.got .got.plt)
        modules_start = .;
        KEEP(*(SORT(modules.*)))
        modules_end = .;
        . = ALIGN(8);
        __start_commands = .;
        KEEP(*(commands))
        __stop_commands = .;
    }

    . = ALIGN(4096);
    constants_end = .;
    .data : { *(.data .data.*) } :data
    . = ALIGN(16);
    bss_start = .;
    .bss (NOLOAD) : { *(.bss .bss.* COMMON) . = ALIGN(4096); }
    bss_end = .;
    image_end = .;

    /DISCARD/ : { *(.comment) *(.note .note.*) *(.interp) }
}
