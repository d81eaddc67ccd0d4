/* SPDX-License-Identifier: Apache-2.0 */
/* The Multiboot information (Multiboot Specification 0.6.96, 3.3), as far as it is used. */
#ifndef BOOT_X86_MULTIBOOT_H
#define BOOT_X86_MULTIBOOT_H

#include <stdint.h>

#define MULTIBOOT_COMMAND_LINE (1u << 2)
#define MULTIBOOT_MODULES (1u << 3)
#define MULTIBOOT_MEMORY_MAP (1u << 6)
#define MULTIBOOT_AVAILABLE 1
#define MULTIBOOT_MAP_BYTES_MAX 3072u
#define MULTIBOOT_COMMAND_LINE_MAX 256u

struct multiboot_information {
    uint32_t flags, memory_low, memory_high, boot_device, command_line;
    uint32_t modules_count, modules;
    uint32_t symbols[4];
    uint32_t map_bytes, map;
};
struct multiboot_module {
    uint32_t start, end, string, reserved;
};
struct multiboot_range {
    uint32_t size; /* of what follows */
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

#endif
