// SPDX-License-Identifier: Apache-2.0
/* What a Multiboot loader says: memory, and the bundle, its first module. */
#include "stage.h"

#include <string.h>

static void read_memory_map(const struct multiboot_information *information)
{
    uint32_t bytes =
        information->map_bytes < MULTIBOOT_MAP_BYTES_MAX ? information->map_bytes : MULTIBOOT_MAP_BYTES_MAX;
    const uint8_t *map = firmware_memory(information->map, bytes);
    struct multiboot_range range;

    for (uint32_t at = 0; map != NULL && at + sizeof(range) <= bytes; at += range.size + 4) {
        memcpy(&range, map + at, sizeof(range));
        if (range.size < sizeof(range) - 4 || range.size > bytes)
            return;
        if (range.type == MULTIBOOT_AVAILABLE)
            stage_add_ram(range.base, range.length);
    }
}

/* A word of the command line: bulkhead.slot=a */
static void read_slot(const struct multiboot_information *information)
{
    static const char word[] = "bulkhead.slot=";
    const size_t length = sizeof(word) - 1;
    const char *line = (const char *)firmware_memory(information->command_line, MULTIBOOT_COMMAND_LINE_MAX);

    for (size_t i = 0; line != NULL && i + length < MULTIBOOT_COMMAND_LINE_MAX && line[i]; i++)
        if (memcmp(line + i, word, length) == 0)
            platform.slot = line[i + length];
}

void multiboot_main(const struct multiboot_information *information)
{
    struct multiboot_module module = {0};
    const void *modules = NULL;

    if (!(information->flags & MULTIBOOT_MEMORY_MAP))
        stage_leave("its loader gives no memory map");
    read_memory_map(information);
    if (information->flags & MULTIBOOT_COMMAND_LINE)
        read_slot(information);
    if ((information->flags & MULTIBOOT_MODULES) && information->modules_count)
        modules = firmware_memory(information->modules, sizeof(module));
    if (modules != NULL)
        memcpy(&module, modules, sizeof(module));
    if (module.end > module.start)
        platform.bundle = (struct memory_range){hpa(module.start), module.end - module.start};
    if (stage_in_the_way(platform.bundle.base.value, platform.bundle.size))
        stage_leave("its loader put the bundle where the kernel belongs");
    stage_leave(NULL);
}
