// SPDX-License-Identifier: Apache-2.0
/* As a UEFI application (UEFI Specification 2.10): the bundle is a file beside it. */
#include "stage.h"

#include <arch/cpu.h>
#include <boot/efi/efi.h>
#include <string.h>

#define EFI_MAX_ADDRESS 1
#define READ 1
#define MAP_BYTES (16 * PAGE_SIZE)
#define TRIES 4u
#define OPTIONS_MAX 4096u /* characters */
#define BUNDLE_NAME u"\\bundle.itb"
#define ANNOUNCE u"Bulkhead: "

static const struct efi_guid loaded_image_protocol = {
    0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
static const struct efi_guid file_system_protocol = {
    0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
static const struct efi_guid acpi_table = {
    0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};

static uint8_t map[MAP_BYTES];
static uint64_t map_size, map_stride;

EFI efi_status efi_main(void *image, struct efi_system_table *system);

static efi_status fail(struct efi_system_table *system, const char16_t *why)
{
    system->output->output_string(system->output, ANNOUNCE);
    system->output->output_string(system->output, why);
    system->output->output_string(system->output, u"\r\n");
    return EFI_LOAD_ERROR;
}

static const struct efi_memory_descriptor *next_memory(const struct efi_memory_descriptor *previous)
{
    const uint8_t *next = previous != NULL ? (const uint8_t *)previous + map_stride : map;

    return next + map_stride <= map + map_size ? (const struct efi_memory_descriptor *)next : NULL;
}

bool efi_is_memory(uint64_t address, uint64_t size)
{
    for (const struct efi_memory_descriptor *memory = NULL; (memory = next_memory(memory)) != NULL;) {
        uint64_t bytes = memory->pages * PAGE_SIZE, offset = address - memory->physical;

        if (memory->type < EFI_MEMORY_IO && offset < bytes && size <= bytes - offset)
            return true;
    }
    return false;
}

static uint64_t find_rsdp(const struct efi_system_table *system)
{
    for (uint64_t i = 0; i < system->table_count; i++)
        if (memcmp(&system->tables[i].name, &acpi_table, sizeof(acpi_table)) == 0)
            return (uint64_t)system->tables[i].table;
    return 0;
}

static bool read_bundle(struct efi_boot_services *boot, struct efi_file *file)
{
    uint64_t size, address = UINT32_MAX, read;

    if (file->set_position(file, UINT64_MAX) || file->get_position(file, &size) || file->set_position(file, 0) ||
        !size || size > UINT32_MAX)
        return false;
    read = size;
    if (boot->allocate_pages(EFI_MAX_ADDRESS, EFI_LOADER_DATA, (size + PAGE_SIZE - 1) / PAGE_SIZE, &address) ||
        file->read(file, &read, (void *)address) || read != size)
        return false;
    platform.bundle = (struct memory_range){hpa(address), size};
    return true;
}

/* A word of the options that it was started with: bulkhead.slot=a */
static void read_slot(const struct efi_loaded_image *loaded)
{
    static const char16_t word[] = u"bulkhead.slot=";
    const uint32_t length = sizeof(word) / sizeof(*word) - 1;
    const char16_t *options = loaded->options;
    uint32_t count = loaded->options_size / sizeof(*options);

    if (options == NULL || count > OPTIONS_MAX)
        return;
    for (uint32_t i = 0; i + length < count; i++)
        if (memcmp(options + i, word, sizeof(word) - sizeof(*word)) == 0)
            platform.slot = (char)options[i + length];
}

static bool find_bundle(struct efi_boot_services *boot, void *image)
{
    struct efi_loaded_image *loaded;
    struct efi_file_system *volume;
    struct efi_file *root, *file;
    bool found;

    if (boot->handle_protocol(image, &loaded_image_protocol, (void **)&loaded))
        return false;
    read_slot(loaded);
    if (boot->handle_protocol(loaded->device, &file_system_protocol, (void **)&volume) ||
        volume->open_volume(volume, &root) || root->open(root, &file, BUNDLE_NAME, READ, 0))
        return false;
    found = read_bundle(boot, file);
    file->close(file);
    root->close(root);
    return found;
}

/* The map changes under whoever allocates, and its key with it: a second try is the specification's advice. */
static bool leave_boot_services(struct efi_boot_services *boot, void *image)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        uint32_t version;
        uint64_t key;

        map_size = MAP_BYTES;
        if (boot->get_memory_map(&map_size, map, &key, &map_stride, &version) ||
            map_stride < sizeof(struct efi_memory_descriptor))
            return false;
        if (!boot->exit_boot_services(image, key))
            return true;
    }
    return false;
}

/* Loader's, boot services' and conventional memory is RAM. */
static void describe_memory(void)
{
    struct memory_range piece = {hpa(0), 0};

    for (const struct efi_memory_descriptor *memory = NULL; (memory = next_memory(memory)) != NULL;) {
        if ((memory->type < EFI_LOADER_CODE || memory->type > EFI_BOOT_SERVICES_DATA) &&
            memory->type != EFI_CONVENTIONAL_MEMORY)
            continue;
        if (piece.base.value + piece.size != memory->physical) {
            stage_add_ram(piece.base.value, piece.size);
            piece = (struct memory_range){hpa(memory->physical), 0};
        }
        piece.size += memory->pages * PAGE_SIZE;
    }
    stage_add_ram(piece.base.value, piece.size);
}

EFI efi_status efi_main(void *image, struct efi_system_table *system)
{
    struct efi_boot_services *boot = system->boot;

    by_efi = true;
    facts.rsdp = find_rsdp(system);
    if (!facts.rsdp)
        return fail(system, u"the firmware has no ACPI tables");
    if (control_read(cr4) & CR4_LA57)
        return fail(system, u"the firmware uses page tables of 5 levels");
    boot->set_watchdog(0, 0, 0, NULL);
    if (!find_bundle(boot, image))
        fail(system, u"there is no bundle.itb beside the kernel, or it cannot be read");
    if (stage_in_the_way((uint64_t)stage_start, (uint64_t)(stage_end - stage_start)) ||
        stage_in_the_way(platform.bundle.base.value, platform.bundle.size))
        return fail(system, u"the firmware loads to where the kernel belongs");
    if (!leave_boot_services(boot, image))
        return fail(system, u"the firmware does not let go of the machine");
    describe_memory();
    stage_leave(NULL);
}
