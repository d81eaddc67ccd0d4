// SPDX-License-Identifier: Apache-2.0
/* What a Multiboot loader says: memory, and the bundle, its first module (Multiboot Specification 0.6.96, 3.3). */
#include <arch/boot.h>
#include <core/arch.h>
#include <core/memory.h>
#include <string.h>

#define FLAG_MODULES (1u << 3)
#define FLAG_MEMORY_MAP (1u << 6)
#define MEMORY_MAP_BYTES_MAX 8192u
#define AVAILABLE 1

struct information {
    uint32_t flags, memory_low, memory_high, boot_device, command_line;
    uint32_t modules_count, modules;
    uint32_t symbols[4];
    uint32_t map_bytes, map;
};
struct module {
    uint32_t start, end, string, reserved;
};
struct map_entry {
    uint32_t size; /* of what follows */
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

static void read_memory_map(const struct information *information)
{
    uint32_t bytes = information->map_bytes < MEMORY_MAP_BYTES_MAX ? information->map_bytes : MEMORY_MAP_BYTES_MAX;
    const uint8_t *map = kernel_map_memory(hpa(information->map), bytes);
    struct map_entry entry;

    for (uint32_t at = 0; at + sizeof(entry) <= bytes; at += entry.size + 4) {
        memcpy(&entry, map + at, sizeof(entry));
        if (entry.size < sizeof(entry) - 4 || entry.size > bytes)
            return;
        if (entry.type == AVAILABLE)
            platform_add_ram(entry.base, entry.length);
    }
}

void multiboot_read(struct hpa base)
{
    struct information information;
    struct module module;

    memcpy(&information, kernel_map_memory(base, sizeof(information)), sizeof(information));
    if (!(information.flags & FLAG_MEMORY_MAP))
        boot_refuse("its loader gives no memory map");
    read_memory_map(&information);
    if (!(information.flags & FLAG_MODULES) || !information.modules_count)
        return;
    memcpy(&module, kernel_map_memory(hpa(information.modules), sizeof(module)), sizeof(module));
    if (module.end > module.start)
        platform.bundle = (struct memory_range){hpa(module.start), module.end - module.start};
}
