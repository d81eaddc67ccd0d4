/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's image: text, read-only data, data; then what the boot code zeroes. Each on pages of its own. */
#include <arch/layout.h>

OUTPUT_ARCH(i386:x86-64)
ENTRY(image_head)
EXTERN(efi_main)

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
        . = ALIGN(512);
        image_data_end = .;
    }
    .bss (NOLOAD) : {
        . = ALIGN(4096);
        *(.boot_tables)
        bss_start = .;
        *(.bss .bss.* COMMON)
        . = ALIGN(64);
        bss_end = .;
    }
    . = ALIGN(4096);
    image_end = .;

    /* For the headers in head.S: numbers, not addresses. */
    head_efi_entry = efi_main - image_head;
    head_loaded_size = image_data_end - image_head;
    head_text_end = image_text_end - image_head;
    head_text_size = image_text_end - image_head - 0x1000;
    head_data_size = image_data_end - image_text_end;
    head_zeroed_size = image_end - image_data_end;
    head_data_memory = KERNEL_MEMORY_SIZE - head_text_end;

    /DISCARD/ : { *(.comment) *(.note*) *(.eh_frame*) }
}
ASSERT(image_end - image_head <= KERNEL_MEMORY_SIZE, "the kernel outgrows its memory")
