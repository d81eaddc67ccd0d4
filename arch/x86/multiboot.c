// SPDX-License-Identifier: Apache-2.0
/* What the loader says: memory, and the bundle, its first module. efi.c says it in the same form. */
#include <arch/multiboot.h>

#include <arch/boot.h>
#include <core/arch.h>
#include <string.h>

#define MAP_BYTES_MAX (MULTIBOOT_RANGES_MAX * sizeof(struct multiboot_range))

static void read_memory_map(const struct multiboot_information *information)
{
    uint32_t bytes = information->map_bytes < MAP_BYTES_MAX ? information->map_bytes : MAP_BYTES_MAX;
    const uint8_t *map = kernel_map_memory(hpa(information->map), bytes);
    struct multiboot_range range;

    for (uint32_t at = 0; at + sizeof(range) <= bytes; at += range.size + 4) {
        memcpy(&range, map + at, sizeof(range));
        if (range.size < sizeof(range) - 4 || range.size > bytes)
            return;
        if (range.type == MULTIBOOT_AVAILABLE)
            platform_add_ram(range.base, range.length);
    }
}

void multiboot_read(struct hpa base)
{
    struct multiboot_information information;
    struct multiboot_module module;

    memcpy(&information, kernel_map_memory(base, sizeof(information)), sizeof(information));
    if (!(information.flags & MULTIBOOT_MEMORY_MAP))
        boot_refuse("its loader gives no memory map");
    read_memory_map(&information);
    if (boot_by_efi)
        platform.arch.rsdp = hpa(information.rsdp);
    if (!(information.flags & MULTIBOOT_MODULES) || !information.modules_count)
        return;
    memcpy(&module, kernel_map_memory(hpa(information.modules), sizeof(module)), sizeof(module));
    if (module.end > module.start)
        platform.bundle = (struct memory_range){hpa(module.start), module.end - module.start};
}
