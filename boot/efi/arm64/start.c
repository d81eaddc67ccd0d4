// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel is entered as Linux's boot protocol has it (Documentation/arch/arm64/booting.rst): at EL2, MMU off, with a
 * device tree. The firmware's own tree, where it gives one, with the memory that UEFI's map has; else one made of
 * ACPI's tables. So the kernel itself knows neither UEFI nor ACPI. The firmware checks the kernel (Secure Boot) when it
 * is asked to load it; what it has loaded is not started.
 */
#include "acpi_tree.h"
#include "board_devices.h"

#include <boot/efi/measure.h>
#include <boot/efi/start.h>
#include <config.h>
#include <libfdt.h>
#include <string.h>

#define KERNEL_ROOM 0x200000u /* image and the pages behind it; aligned to that (arch/arm64/include/arch/layout.h) */
#define TREE_ROOM 0x20000u    /* for ours, and behind the firmware's; */
#define TREE_MAX 0x200000u    /* Linux's boot protocol has no larger ones */
#define MAP_BYTES 0x10000u
#define TRIES 4u

#ifdef CONFIG_GIC_V2
#define WANTS_GICV2 true
#else
#define WANTS_GICV2 false
#endif

void leave(uint64_t kernel, uint64_t tree) __attribute__((noreturn, visibility("hidden")));
extern const char leave_end[] __attribute__((visibility("hidden")));

static const struct efi_guid acpi_guid = {0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};
static const struct efi_guid tree_guid = {0xb1b621d5, 0xf19c, 0x41a5, {0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0}};
static const struct efi_guid random_guid = {
    0x3152bca5, 0xeade, 0x433d, {0x86, 0x2e, 0xc0, 0x1c, 0xdc, 0x29, 0x1f, 0x44}};

struct random_number_generator {
    void *information;
    EFI efi_status (*get)(struct random_number_generator *, const struct efi_guid *algorithm, uint64_t size,
                          uint8_t *value);
};

static uint8_t *map; /* UEFI's, of memory */
static uint64_t map_size, map_stride;
static struct facts facts;
static const void *firmware_tree;
static uint32_t tree_room;

static void *find_table(const struct efi_guid *name)
{
    for (uint64_t i = 0; i < system_table->table_count; i++)
        if (memcmp(&system_table->tables[i].name, name, sizeof(*name)) == 0)
            return system_table->tables[i].table;
    return NULL;
}

static bool read_map(uint64_t *key)
{
    uint32_t version;

    map_size = MAP_BYTES;
    return !boot->get_memory_map(&map_size, map, key, &map_stride, &version) &&
           map_stride >= sizeof(struct efi_memory_descriptor);
}

static const struct efi_memory_descriptor *next_memory(const struct efi_memory_descriptor *previous)
{
    const uint8_t *next = previous != NULL ? (const uint8_t *)previous + map_stride : map;

    return next + map_stride <= map + map_size ? (const struct efi_memory_descriptor *)next : NULL;
}

const uint8_t *firmware_memory(uint64_t address, uint64_t size)
{
    for (const struct efi_memory_descriptor *memory = NULL; (memory = next_memory(memory)) != NULL;)
        if (memory->type < EFI_MEMORY_IO && address >= memory->physical &&
            address - memory->physical < memory->pages * PAGE &&
            size <= memory->pages * PAGE - (address - memory->physical))
            return (const uint8_t *)address;
    return NULL;
}

/* Takes the place of the smallest one where there are too many. */
static void add_ram(struct region region)
{
    uint32_t place = 0;

    for (uint32_t i = 0; i < facts.ram_count; i++) {
        struct region *known = &facts.ram[i];

        if (known->base + known->size == region.base) {
            known->size += region.size;
            return;
        }
        if (region.base + region.size == known->base) {
            known->base = region.base;
            known->size += region.size;
            return;
        }
        if (known->size < facts.ram[place].size)
            place = i;
    }
    if (facts.ram_count < REGIONS_MAX)
        place = facts.ram_count++;
    else if (region.size <= facts.ram[place].size)
        return;
    facts.ram[place] = region;
}

/* Loader's, boot services' and conventional memory is RAM. */
static void read_ram(void)
{
    facts.ram_count = 0;
    for (const struct efi_memory_descriptor *memory = NULL; (memory = next_memory(memory)) != NULL;)
        if ((memory->type >= EFI_LOADER_CODE && memory->type <= EFI_BOOT_SERVICES_DATA) ||
            memory->type == EFI_CONVENTIONAL_MEMORY)
            add_ram((struct region){memory->physical, memory->pages * PAGE});
}

/* --- The firmware's own tree --- */

static const char *put_numbers(void *tree, int node, const char *name, const uint64_t *value, uint32_t count)
{
    uint64_t cells[2 * REGIONS_MAX];

    for (uint32_t i = 0; i < count; i++)
        cells[i] = cpu_to_fdt64(value[i]);
    return fdt_setprop(tree, node, name, cells, (int)(8 * count)) ? "the firmware's device tree cannot be extended"
                                                                  : NULL;
}

static const char *copy_tree(void *tree)
{
    const uint64_t ends[] = {facts.bundle.base, facts.bundle.base + facts.bundle.size};
    uint64_t ram[2 * REGIONS_MAX];
    const char *problem;
    int node, length;

    if (fdt_open_into(firmware_tree, tree, (int)tree_room) || fdt_address_cells(tree, 0) != 2 ||
        fdt_size_cells(tree, 0) != 2)
        return "the firmware's device tree is damaged, too large, or has no addresses of 64 bits";
    while ((node = fdt_node_offset_by_prop_value(tree, -1, "device_type", "memory", 7)) >= 0)
        if (fdt_del_node(tree, node))
            return "the firmware's device tree cannot be changed";
    for (uint32_t i = 0; i < facts.ram_count; i++) {
        ram[2 * i] = facts.ram[i].base;
        ram[2 * i + 1] = facts.ram[i].size;
    }
    node = fdt_add_subnode(tree, 0, "memory");
    if (node < 0 || fdt_setprop(tree, node, "device_type", "memory", 7) ||
        put_numbers(tree, node, "reg", ram, 2 * facts.ram_count) != NULL)
        return "the firmware's device tree cannot be extended";
    node = fdt_path_offset(tree, "/chosen");
    if (node < 0)
        node = fdt_add_subnode(tree, 0, "chosen");
    problem = put_numbers(tree, node, "linux,initrd-start", &ends[0], 1);
    if (problem == NULL)
        problem = put_numbers(tree, node, "linux,initrd-end", &ends[1], 1);
    if (problem == NULL && facts.slot[0] != 0 &&
        fdt_setprop(tree, node, "bulkhead,slot", facts.slot, sizeof(facts.slot)))
        problem = "the firmware's device tree cannot be extended";
    if (problem == NULL && facts.seeded && fdt_getprop(tree, node, "rng-seed", &length) == NULL &&
        fdt_setprop(tree, node, "rng-seed", facts.seed, sizeof(facts.seed)))
        problem = "the firmware's device tree cannot be extended";
    if (problem == NULL && fdt_add_mem_rsv(tree, (uint64_t)tree, tree_room))
        problem = "the firmware's device tree cannot be extended";
    return problem;
}

static const char *make_tree(void *tree)
{
    read_ram();
    return firmware_tree != NULL ? copy_tree(tree) : acpi_tree_make(tree, tree_room, &facts);
}

/* --- The kernel --- */

static void gather_seed(void)
{
    struct random_number_generator *generator;

    facts.seeded = !boot->locate_protocol(&random_guid, NULL, (void **)&generator) &&
                   !generator->get(generator, NULL, sizeof(facts.seed), facts.seed);
}

/* The firmware's word on it, by which Secure Boot checks it. */
static efi_status check_kernel(void *image, void *device, const struct bytes *kernel)
{
    struct efi_device_path *path = NULL;
    efi_status status;
    void *handle;

    boot->handle_protocol(device, &device_path_guid, (void **)&path);
    status = boot->load_image(false, image, path, kernel->data, kernel->length, &handle);
    if (status == 0)
        boot->unload_image(handle);
    return status;
}

/* To where caches do not matter. */
static void clean(const void *from, uint64_t size)
{
    uint64_t type, line;

    __asm__ volatile("mrs %0, ctr_el0" : "=r"(type));
    line = 4ull << (type >> 16 & 15);
    for (uint64_t at = (uint64_t)from & ~(line - 1); at < (uint64_t)from + size; at += line)
        __asm__ volatile("dc civac, %0" ::"r"(at) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
}

const char *start_kernel(void *image, void *device, char slot, const struct bytes *kernel, const struct bytes *bundle)
{
    uint32_t log_at = (bundle->length + PAGE - 1) & ~(PAGE - 1), log_room;
    uint64_t level, key, place;
    uint8_t *room, *copy;
    const char *problem;
    efi_status status;
    void *tree;

    __asm__ volatile("mrs %0, CurrentEL" : "=r"(level));
    if (level >> 2 != 2)
        return "the firmware runs at EL1: the machine's virtualization (EL2) is off, or somebody else's";
    firmware_tree = find_table(&tree_guid);
    facts.rsdp = (uint64_t)find_table(&acpi_guid);
    if (firmware_tree == NULL && facts.rsdp == 0)
        return "the firmware gives neither a device tree nor ACPI's tables";
    tree_room = TREE_ROOM;
    if (firmware_tree != NULL && fdt_check_header(firmware_tree) == 0)
        tree_room += fdt_totalsize(firmware_tree);
    if (tree_room > TREE_MAX)
        return "the firmware's device tree is larger than 2 MiB";
    status = check_kernel(image, device, kernel);
    if (status)
        return load_problem(status);
    room = allocate(2 * KERNEL_ROOM);
    log_room = measure_room();
    copy = allocate((uint64_t)log_at + log_room);
    tree = allocate(tree_room);
    map = allocate(MAP_BYTES);
    if (kernel->length > KERNEL_ROOM || room == NULL || copy == NULL || tree == NULL || map == NULL)
        return "there is no memory for it";
    place = ((uint64_t)room + KERNEL_ROOM - 1) & ~(uint64_t)(KERNEL_ROOM - 1);
    memset((void *)place, 0, KERNEL_ROOM);
    memcpy((void *)place, kernel->data, kernel->length);
    memcpy(copy, bundle->data, bundle->length);
    facts.bundle = (struct region){(uint64_t)copy, log_room > 0 ? (uint64_t)log_at + log_room : bundle->length};
    if (log_room > 0)
        measure_place(copy + log_at);
    facts.slot[0] = slot;
    facts.wants_gicv2 = WANTS_GICV2;
    facts.device = board_devices;
    facts.device_count = sizeof(board_devices) / sizeof(*board_devices);
    gather_seed();
    if (!read_map(&key))
        return "the firmware gives no map of memory";
    problem = make_tree(tree); /* now, for its problems; then again, with the map that counts */
    if (problem != NULL)
        return problem;
    say(firmware_tree != NULL ? "Bulkhead: the machine describes itself by a device tree\r\n"
                              : "Bulkhead: the machine describes itself by ACPI\r\n");
    for (uint32_t i = 0;; i++) {
        if (i == TRIES || !read_map(&key))
            return "the firmware does not let go of the machine";
        if (!boot->exit_boot_services(image, key))
            break;
    }
    make_tree(tree);
    clean((void *)place, KERNEL_ROOM);
    clean(tree, tree_room);
    clean((const void *)leave, (uint64_t)(leave_end - (const char *)(uintptr_t)leave));
    leave(place, (uint64_t)tree);
}
