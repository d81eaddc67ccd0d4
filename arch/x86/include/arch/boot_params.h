/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What boot protocols hand over: Linux's (Documentation/arch/x86/boot.rst, zero-page.rst), PVH's start information
 * (Xen's include/public/arch-x86/hvm/start_info.h), Multiboot's (0.6.96, section 3.3).
 */
#ifndef ARCH_BOOT_PARAMS_H
#define ARCH_BOOT_PARAMS_H

#include <stdint.h>

#define BOOT_HEADER 0x1f1 /* where it begins, in the file and in boot_params */
#define BOOT_FLAG 0xaa55
#define BOOT_MAGIC 0x53726448 /* "HdrS" */
#define BOOT_VERSION_MIN 0x20c
#define XLF_KERNEL_64 1
#define LOADER_UNDEFINED 0xff
#define SETUP_RNG_SEED 9
#define VIDEO_MODE_NORMAL 0xffff

struct __attribute__((packed)) setup_header {
    uint8_t setup_sects;
    uint16_t root_flags;
    uint32_t syssize;
    uint16_t ram_size, vid_mode, root_dev, boot_flag;
    uint8_t jump, header_length; /* the header ends at 0x202 + header_length */
    uint32_t header;
    uint16_t version;
    uint32_t realmode_switch;
    uint16_t start_sys_seg, kernel_version;
    uint8_t type_of_loader, loadflags;
    uint16_t setup_move_size;
    uint32_t code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
    uint16_t heap_end_ptr;
    uint8_t ext_loader_version, ext_loader_type;
    uint32_t cmd_line_ptr, initrd_addr_max, kernel_alignment;
    uint8_t relocatable_kernel, min_alignment;
    uint16_t xloadflags;
    uint32_t cmdline_size, hardware_subarch;
    uint64_t hardware_subarch_data;
    uint32_t payload_offset, payload_length;
    uint64_t setup_data, pref_address;
    uint32_t init_size, handover_offset, kernel_info_offset;
};

enum memory_type { MEMORY_RAM = 1, MEMORY_RESERVED = 2, MEMORY_ACPI = 3 }; /* ACPI, table 15-4 */
struct __attribute__((packed)) e820_entry {
    uint64_t base, size;
    uint32_t type;
};

#define E820_ENTRIES_MAX 128
struct __attribute__((packed)) boot_params {
    uint8_t screen_info[0x70];
    uint64_t acpi_rsdp_addr;
    uint8_t pad0[0x1e8 - 0x78];
    uint8_t e820_entries;
    uint8_t pad1[BOOT_HEADER - 0x1e9];
    struct setup_header header;
    uint8_t pad2[0x2d0 - BOOT_HEADER - sizeof(struct setup_header)];
    struct e820_entry e820_table[E820_ENTRIES_MAX];
    uint8_t pad3[0x1000 - 0x2d0 - E820_ENTRIES_MAX * sizeof(struct e820_entry)];
};
_Static_assert(sizeof(struct boot_params) == 0x1000, "the zero page");

struct setup_data {
    uint64_t next;
    uint32_t type, length;
    uint8_t data[32];
};

#define PVH_MAGIC 0x336ec578
struct pvh_start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp, memory_map;
    uint32_t memory_map_entries, reserved;
};
struct pvh_module {
    uint64_t base, size, command_line, reserved;
};
struct pvh_memory {
    uint64_t base, size;
    uint32_t type, reserved;
};

enum multiboot_info_flags { MULTIBOOT_MEMORY = 1, MULTIBOOT_CMDLINE = 4, MULTIBOOT_MODULES = 8, MULTIBOOT_MAP = 64 };
struct multiboot_info {
    uint32_t flags, memory_low, memory_high, boot_device, command_line, module_count, modules, symbols[4];
    uint32_t map_length, map;
};
struct multiboot_module {
    uint32_t start, end, string, reserved;
};
struct __attribute__((packed)) multiboot_memory {
    uint32_t size; /* of what follows */
    struct e820_entry entry;
};

#endif
