// SPDX-License-Identifier: Apache-2.0
/*
 * What a domain is handed at its start, at the end of its memory: tables for an identity map, what its boot protocol
 * asks for, its command line and ACPI tables; or a device tree.
 */
#include "guest_tree.h"

#include <arch/boot_params.h>
#include <arch/guest_start.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/domain_tree.h>
#include <core/loader.h>
#include <core/log.h>
#include <core/platform.h>
#include <core/seed.h>
#include <libfdt.h>
#include <string.h>

/* Offsets into the description. */
enum {
    AT_TABLES = 0, /* identity map of 4 GiB: levels 4, 3, four times level 2 */
    AT_FIXED = 0x6000, /* GUEST_DESCRIPTION_GENERATION_ID is in it */
    AT_BOOT = 0x7000, /* boot_params, start_info, Multiboot's information, the device tree */
    AT_COMMAND_LINE = 0x8000,
    AT_ACPI = GUEST_DESCRIPTION_ACPI,
};
#define COMMAND_LINE_MAX 2048
#define TABLE_ENTRIES 512
#define ENTRY_TABLE 0x07ull /* present, writable, user */
#define ENTRY_BLOCK 0x87ull
#define LOW_MEMORY_END 0xa0000ull
#define HIGH_MEMORY 0x100000ull

struct fixed {
    uint64_t gdt[4];
    uint8_t generation_id[16];
    struct setup_data seed; /* length 0: there is none */
};
_Static_assert(DESCRIPTION_BYTES_MAX == GUEST_DESCRIPTION_SIZE && AT_ACPI + TABLES_BYTES_MAX == DESCRIPTION_BYTES_MAX &&
                   AT_FIXED + offsetof(struct fixed, generation_id) == GUEST_DESCRIPTION_GENERATION_ID,
               "tools/resolver/acpi.py");

struct handover {
    struct domain *domain;
    const struct guest_images *images;
    uint8_t *bytes;
    uint64_t base; /* ipa of the description */
    struct ipa rsdp;
    uint64_t used;
};

static void write_tables(const struct handover *handover)
{
    uint64_t *table = (uint64_t *)(handover->bytes + AT_TABLES), base = handover->base + AT_TABLES;

    table[0] = (base + PAGE_SIZE) | ENTRY_TABLE;
    for (uint64_t i = 0; i < 4; i++)
        table[TABLE_ENTRIES + i] = (base + (2 + i) * PAGE_SIZE) | ENTRY_TABLE;
    for (uint64_t i = 0; i < 4 * TABLE_ENTRIES; i++)
        table[2 * TABLE_ENTRIES + i] = i * 2 * MIB | ENTRY_BLOCK;
}

static void write_fixed(const struct handover *handover)
{
    struct fixed *fixed = (struct fixed *)(handover->bytes + AT_FIXED);
    struct guest_start *start = &handover->domain->arch.start;

    fixed->gdt[GUEST_CS / 8] = start->mode == START_LONG ? 0x00af9b000000ffff : 0x00cf9b000000ffff;
    fixed->gdt[GUEST_DS / 8] = 0x00cf93000000ffff;
    fixed->seed.type = SETUP_RNG_SEED;
    fixed->seed.length = seed_available() ? sizeof(fixed->seed.data) : 0;
    start->gdt = ipa(handover->base + AT_FIXED);
    start->cr3 = ipa(handover->base + AT_TABLES);
}

/* The guest's memory as e820 tells it; at most MEMORY_RANGES. */
#define MEMORY_RANGES 4
static void describe_memory(const struct handover *handover, struct e820_entry entries[MEMORY_RANGES])
{
    uint64_t end = handover->domain->memory_ipa.value + handover->domain->memory_size;

    entries[0] = (struct e820_entry){0, LOW_MEMORY_END, MEMORY_RAM};
    entries[1] = (struct e820_entry){HIGH_MEMORY, handover->base - HIGH_MEMORY, MEMORY_RAM};
    entries[2] = (struct e820_entry){handover->base, end - handover->base, MEMORY_ACPI};
    entries[3] = (struct e820_entry){GUEST_PCI_ECAM, MIB, MEMORY_RESERVED};
}

/* Linux's zero page: the header as in the file, and what the loader fills in. */
static void write_linux(const struct handover *handover)
{
    struct boot_params *params = (struct boot_params *)(handover->bytes + AT_BOOT);
    const struct fixed *fixed = (const struct fixed *)(handover->bytes + AT_FIXED);
    struct setup_header *header = &params->header;

    memcpy(header, handover->images->kernel->data + BOOT_HEADER, sizeof(*header));
    header->type_of_loader = LOADER_UNDEFINED;
    header->vid_mode = VIDEO_MODE_NORMAL;
    header->cmd_line_ptr = (uint32_t)(handover->base + AT_COMMAND_LINE);
    header->ramdisk_image = (uint32_t)handover->images->initrd.value;
    header->ramdisk_size = (uint32_t)handover->images->initrd_size;
    header->setup_data = fixed->seed.length ? handover->base + AT_FIXED + offsetof(struct fixed, seed) : 0;
    params->acpi_rsdp_addr = handover->rsdp.value;
    params->e820_entries = MEMORY_RANGES;
    describe_memory(handover, params->e820_table);
}

static void write_pvh(const struct handover *handover)
{
    struct {
        struct pvh_start_info info;
        struct pvh_module module;
        struct pvh_memory memory[MEMORY_RANGES];
    } *pvh = (void *)(handover->bytes + AT_BOOT);
    uint64_t at = handover->base + AT_BOOT;
    struct e820_entry memory[MEMORY_RANGES];

    pvh->info = (struct pvh_start_info){
        .magic = PVH_MAGIC,
        .version = 1,
        .module_count = handover->images->initrd_size ? 1 : 0,
        .modules = at + offsetof(typeof(*pvh), module),
        .command_line = handover->base + AT_COMMAND_LINE,
        .rsdp = handover->rsdp.value,
        .memory_map = at + offsetof(typeof(*pvh), memory),
        .memory_map_entries = MEMORY_RANGES,
    };
    pvh->module = (struct pvh_module){handover->images->initrd.value, handover->images->initrd_size, 0, 0};
    describe_memory(handover, memory);
    for (unsigned i = 0; i < MEMORY_RANGES; i++)
        pvh->memory[i] = (struct pvh_memory){memory[i].base, memory[i].size, memory[i].type, 0};
}

static void write_multiboot(const struct handover *handover)
{
    struct {
        struct multiboot_info info;
        struct multiboot_module module;
        struct multiboot_memory memory[MEMORY_RANGES];
    } *multiboot = (void *)(handover->bytes + AT_BOOT);
    uint32_t at = (uint32_t)handover->base + AT_BOOT, initrd = (uint32_t)handover->images->initrd.value;
    struct e820_entry memory[MEMORY_RANGES];

    multiboot->info = (struct multiboot_info){
        .flags = MULTIBOOT_MEMORY | MULTIBOOT_CMDLINE | MULTIBOOT_MODULES | MULTIBOOT_MAP,
        .memory_low = LOW_MEMORY_END / 1024,
        .memory_high = (uint32_t)((handover->base - HIGH_MEMORY) / 1024),
        .command_line = (uint32_t)handover->base + AT_COMMAND_LINE,
        .module_count = handover->images->initrd_size ? 1 : 0,
        .modules = at + offsetof(typeof(*multiboot), module),
        .map_length = sizeof(multiboot->memory),
        .map = at + offsetof(typeof(*multiboot), memory),
    };
    multiboot->module = (struct multiboot_module){initrd, initrd + (uint32_t)handover->images->initrd_size, 0, 0};
    describe_memory(handover, memory);
    for (unsigned i = 0; i < MEMORY_RANGES; i++)
        multiboot->memory[i] = (struct multiboot_memory){sizeof(memory[i]), memory[i]};
}

static void write_machine(struct handover *handover)
{
    const struct image *tables = handover->images->tables;
    const char *command_line = handover->domain->config->command_line;
    size_t length = strlen(command_line);

    CHECK(length < COMMAND_LINE_MAX);
    memcpy(handover->bytes + AT_COMMAND_LINE, command_line, length + 1);
    handover->used = AT_ACPI;
    if (!tables)
        return;
    handover->rsdp = ipa(handover->base + AT_ACPI);
    memcpy(handover->bytes + AT_ACPI, tables->data, tables->size);
    handover->used += tables->size;
}

struct description arch_domain_describe(struct domain *domain, const struct guest_images *images, void *buffer,
                                        size_t size)
{
    struct handover handover = {.domain = domain, .images = images, .bytes = buffer, .base = images->description.value};

    CHECK(size == DESCRIPTION_BYTES_MAX);
    write_tables(&handover);
    write_fixed(&handover);
    if (domain->arch.start.image == IMAGE_NATIVE) {
        handover.used = AT_BOOT + guest_tree_write(domain, images, handover.bytes + AT_BOOT, size - AT_BOOT);
        return (struct description){.size = handover.used, .context = AT_BOOT};
    }
    write_machine(&handover);
    if (domain->arch.start.image == IMAGE_LINUX)
        write_linux(&handover);
    else if (domain->arch.start.image == IMAGE_MULTIBOOT)
        write_multiboot(&handover);
    else
        write_pvh(&handover);
    return (struct description){.size = handover.used, .context = AT_BOOT};
}

void arch_domain_renew(void *description)
{
    struct fixed *fixed = (struct fixed *)((uint8_t *)description + AT_FIXED);
    uint8_t seed[SEED_SIZE];
    uint64_t now = time_ns();

    if (seed_available()) {
        seed_take(seed);
        memcpy(fixed->seed.data, seed, sizeof(fixed->seed.data));
        seed_take(seed);
        memcpy(fixed->generation_id, seed, sizeof(fixed->generation_id));
    } else { /* no secret, but another one each time */
        memcpy(fixed->generation_id, &now, sizeof(now));
    }
    if (!fdt_check_header((uint8_t *)description + AT_BOOT))
        tree_renew((uint8_t *)description + AT_BOOT);
}
