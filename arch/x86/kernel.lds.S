/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's image: text, read-only data, data; then what the boot code zeroes. Each on pages of its own. */
#include <arch/layout.h>

OUTPUT_ARCH(i386:x86-64)
ENTRY(image_head)

SECTIONS
{
    . = KERNEL_VA;
    .text : AT(KERNEL_HPA) {
        image_head = .;
        KEEP(*(.head))
        *(.text .text.*)
        . = ALIGN(4096);
        image_text_end = .;
    }
    .rodata : {
        *(.rodata .rodata.*)
        . = ALIGN(4096);
        image_rodata_end = .;
    }
    .data : {
        *(.data .data.*)
        . = ALIGN(8);
    }
    .bss (NOLOAD) : {
        . = ALIGN(4096);
        bss_start = .;
        *(.bss .bss.* COMMON)
        . = ALIGN(64);
        bss_end = .;
    }
    . = ALIGN(4096);
    image_end = .;

    /DISCARD/ : { *(.comment) *(.note*) *(.eh_frame*) }
}
ASSERT(image_end - image_head <= KERNEL_MEMORY_SIZE, "the kernel outgrows its memory")
