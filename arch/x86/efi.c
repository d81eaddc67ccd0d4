// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel as a UEFI application (UEFI Specification 2.10): gathers what a Multiboot loader would give, in the same
 * form, leaves boot services and enters the kernel. The bundle is a file beside it. This file runs wherever firmware
 * put the image: it is compiled position-independent, and calls nothing but what is.
 */
#include <arch/boot.h>
#include <arch/cpu.h>
#include <arch/multiboot.h>
#include <core/address.h>

typedef uint16_t char16_t;
#define EFI __attribute__((ms_abi))
#define EFI_ERROR (1ull << 63)
#define EFI_LOAD_ERROR (EFI_ERROR | 1)
#define ALLOCATE_MAX_ADDRESS 1
#define LOADER_DATA 2
#define READ 1
#define MAP_BYTES (16 * PAGE_SIZE)
#define BUNDLE_NAME u"\\bundle.itb"
#define ANNOUNCE u"Bulkhead: "

struct guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};
struct memory_descriptor {
    uint32_t type;
    uint64_t physical, virtual, pages, attribute;
};

struct file {
    uint64_t revision;
    EFI uint64_t (*open)(struct file *, struct file **opened, const char16_t *name, uint64_t mode, uint64_t attributes);
    EFI uint64_t (*close)(struct file *);
    void *delete;
    EFI uint64_t (*read)(struct file *, uint64_t *size, void *buffer);
    void *write;
    EFI uint64_t (*get_position)(struct file *, uint64_t *position);
    EFI uint64_t (*set_position)(struct file *, uint64_t position);
};
struct file_system {
    uint64_t revision;
    EFI uint64_t (*open_volume)(struct file_system *, struct file **root);
};
struct loaded_image {
    uint32_t revision;
    void *parent, *system_table, *device;
};
struct text_output {
    void *reset;
    EFI uint64_t (*output_string)(struct text_output *, const char16_t *text);
};
struct boot_services {
    uint8_t header[24];
    void *tpl[2];
    EFI uint64_t (*allocate_pages)(uint32_t type, uint32_t memory_type, uint64_t pages, uint64_t *address);
    void *free_pages;
    EFI uint64_t (*get_memory_map)(uint64_t *size, void *map, uint64_t *key, uint64_t *stride, uint32_t *version);
    void *pool_event_protocol[11];
    EFI uint64_t (*handle_protocol)(void *handle, const struct guid *protocol, void **interface);
    void *more[9];
    EFI uint64_t (*exit_boot_services)(void *image, uint64_t key);
    void *count, *stall;
    EFI uint64_t (*set_watchdog)(uint64_t seconds, uint64_t code, uint64_t size, const char16_t *data);
};
struct system_table {
    uint8_t header[24];
    void *vendor;
    uint64_t revision;
    void *input_handle, *input, *output_handle;
    struct text_output *output;
    void *error_handle, *error, *runtime;
    struct boot_services *boot;
    uint64_t table_count;
    struct {
        struct guid name;
        void *table;
    } * tables;
};

/* What boot services give, in one piece of memory that outlives them. */
struct handover {
    struct multiboot_information information;
    struct multiboot_module module;
    struct multiboot_range range[MULTIBOOT_RANGES_MAX];
    uint8_t map[MAP_BYTES];
};

static const struct guid loaded_image_protocol = {
    0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
static const struct guid file_system_protocol = {
    0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
static const struct guid acpi_table = {0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};

EFI uint64_t efi_main(void *image, struct system_table *system);

static uint64_t fail(struct system_table *system, const char16_t *why)
{
    system->output->output_string(system->output, ANNOUNCE);
    system->output->output_string(system->output, why);
    system->output->output_string(system->output, u"\r\n");
    return EFI_LOAD_ERROR;
}

static bool same(const struct guid *a, const struct guid *b)
{
    const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;

    return x[0] == y[0] && x[1] == y[1];
}

static uint64_t find_rsdp(const struct system_table *system)
{
    for (uint64_t i = 0; i < system->table_count; i++)
        if (same(&system->tables[i].name, &acpi_table))
            return (uint64_t)system->tables[i].table;
    return 0;
}

static uint64_t allocate(struct boot_services *boot, uint64_t bytes)
{
    uint64_t address = UINT32_MAX;

    if (boot->allocate_pages(ALLOCATE_MAX_ADDRESS, LOADER_DATA, (bytes + PAGE_SIZE - 1) / PAGE_SIZE, &address))
        return 0;
    return address;
}

static bool read_bundle(struct boot_services *boot, struct file *file, struct multiboot_module *module)
{
    uint64_t size, address, read;

    if (file->set_position(file, UINT64_MAX) || file->get_position(file, &size) || file->set_position(file, 0) ||
        !size || size > UINT32_MAX)
        return false;
    address = allocate(boot, size);
    read = size;
    if (!address || file->read(file, &read, (void *)address) || read != size)
        return false;
    module->start = (uint32_t)address;
    module->end = (uint32_t)(address + size);
    return true;
}

static bool find_bundle(struct boot_services *boot, void *image, struct multiboot_module *module)
{
    struct loaded_image *loaded;
    struct file_system *volume;
    struct file *root, *file;
    bool found;

    if (boot->handle_protocol(image, &loaded_image_protocol, (void **)&loaded) ||
        boot->handle_protocol(loaded->device, &file_system_protocol, (void **)&volume) ||
        volume->open_volume(volume, &root) || root->open(root, &file, BUNDLE_NAME, READ, 0))
        return false;
    found = read_bundle(boot, file, module);
    file->close(file);
    root->close(root);
    return found;
}

/* Loader's, boot services' and conventional memory is RAM. */
static void describe_memory(struct handover *handover, uint64_t size, uint64_t stride)
{
    uint32_t count = 0;

    for (uint64_t at = 0; at + stride <= size && count < MULTIBOOT_RANGES_MAX; at += stride) {
        const struct memory_descriptor *from = (const struct memory_descriptor *)(handover->map + at);
        struct multiboot_range *range = &handover->range[count];

        if (from->type < 1 || (from->type > 4 && from->type != 7))
            continue;
        if (count && range[-1].base + range[-1].length == from->physical) {
            range[-1].length += from->pages * PAGE_SIZE;
            continue;
        }
        range->size = sizeof(*range) - sizeof(range->size);
        range->base = from->physical;
        range->length = from->pages * PAGE_SIZE;
        range->type = MULTIBOOT_AVAILABLE;
        count++;
    }
    handover->information.map = (uint32_t)(uint64_t)handover->range;
    handover->information.map_bytes = count * (uint32_t)sizeof(handover->range[0]);
}

/* The map changes under whoever allocates, and its key with it: a second try is the specification's advice. */
static bool leave_boot_services(struct boot_services *boot, void *image, struct handover *handover)
{
    for (unsigned tries = 0; tries < 4; tries++) {
        uint64_t size = MAP_BYTES, key, stride;
        uint32_t version;

        if (boot->get_memory_map(&size, handover->map, &key, &stride, &version))
            return false;
        if (boot->exit_boot_services(image, key))
            continue;
        describe_memory(handover, size, stride);
        return true;
    }
    return false;
}

EFI uint64_t efi_main(void *image, struct system_table *system)
{
    struct boot_services *boot = system->boot;
    struct handover *handover = (struct handover *)allocate(boot, sizeof(*handover));
    struct multiboot_information *information = &handover->information;

    if (!handover)
        return fail(system, u"no memory");
    if (!(cpuid(0x80000001, 0).edx >> 26 & 1)) /* efi_leave() uses one */
        return fail(system, u"the CPU has no pages of 1 GiB");
    boot->set_watchdog(0, 0, 0, NULL);
    *information = (struct multiboot_information){.flags = MULTIBOOT_MEMORY_MAP, .rsdp = find_rsdp(system)};
    if (find_bundle(boot, image, &handover->module)) {
        information->flags |= MULTIBOOT_MODULES;
        information->modules_count = 1;
        information->modules = (uint32_t)(uint64_t)&handover->module;
    } else {
        fail(system, u"there is no bundle.itb beside the kernel, or it cannot be read");
    }
    if (!leave_boot_services(boot, image, handover))
        return fail(system, u"the firmware does not let go of the machine");
    efi_leave(information);
}
