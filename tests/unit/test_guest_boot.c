// SPDX-License-Identifier: Apache-2.0
/* x86: kernel images, and what a domain is handed with them. */
#include <arch/boot_params.h>
#include <arch/guest_start.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/domain_tree.h>
#include <core/loader.h>
#include <core/memory.h>
#include <core/seed.h>
#include <core/vpci.h>
#include <lib/elf.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MEMORY (128 * MIB)
#define BASE (MEMORY - DESCRIPTION_BYTES_MAX)
#define FIXED 0x6000

const struct partition_config partitions[] = {
    {.name = "management", .flags = PARTITION_MANAGEMENT, .cpus = 1, .uart_console = 0xff, .command_line = ""},
    {.name = "linux",
     .flags = PARTITION_UART | PARTITION_RTC | PARTITION_WATCHDOG,
     .cpus = 0x06,
     .command_line = "console=ttyS0"},
};
const uint32_t partition_count = 2, channel_count = 17, console_count = 0;
#define NET(slot_)                                                                                                     \
    {                                                                                                                  \
        .device_id = 1, .front = 1, .back = 0, .slot = slot_, .console = 0xff                                          \
    }
const struct channel_config channels[] = {NET(0),
                                          NET(1),
                                          NET(2),
                                          NET(3),
                                          NET(4),
                                          NET(5),
                                          NET(6),
                                          NET(7),
                                          NET(8),
                                          NET(9),
                                          NET(10),
                                          NET(11),
                                          NET(12),
                                          NET(13),
                                          NET(14),
                                          NET(15),
                                          {.device_id = 2, .front = 0, .back = 0}};

struct domain domains[BULKHEAD_PARTITIONS_MAX];
struct platform platform = {.arch = {.tsc_hz = 3000000000}};
static uint8_t next_seed;
static bool seeds = true;

/* --- What the files under test stand on --- */

void log_line(const char *format, ...)
{
    (void)format;
}
struct vpci_host vpci_host(const struct domain *domain)
{
    if (domain->index != 1)
        return (struct vpci_host){0};
    return (struct vpci_host){.functions = 1,
                              .ecam = {GUEST_PCI_ECAM},
                              .buses = 1,
                              .window = {GUEST_PCI_WINDOW},
                              .window_size = GUEST_PCI_WINDOW_SIZE};
}
void check_failed(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: CHECK(%s)\n", file, line, text);
    abort();
}
uint64_t time_ns(void)
{
    return ++next_seed;
}
bool seed_available(void)
{
    return seeds;
}
void seed_take(uint8_t seed[SEED_SIZE])
{
    memset(seed, ++next_seed, SEED_SIZE);
}
bool domain_grants(const struct domain *front, const struct domain *back)
{
    (void)front, (void)back;
    return false;
}
struct hpa status_hpa(void)
{
    return hpa(0x1000);
}
uint64_t status_bytes(void)
{
    return PAGE_SIZE;
}
struct hpa log_ring_page(void)
{
    return hpa(0x2000);
}
uint64_t log_ring_bytes(void)
{
    return PAGE_SIZE;
}
struct hpa console_ring_page(uint32_t index)
{
    return hpa(0x3000 + index * PAGE_SIZE);
}
uint64_t console_ring_bytes(void)
{
    return PAGE_SIZE;
}
struct hpa channel_register_page(uint32_t channel)
{
    return hpa(0x10000 + channel * PAGE_SIZE);
}
struct hpa channel_doorbell_page(const struct domain *back)
{
    (void)back;
    return hpa(0x4000);
}
void passthrough_describe(struct domain *domain, void *tree)
{
    (void)domain, (void)tree;
}
void *kernel_map_blocks(struct hpa base, uint64_t size)
{
    (void)base, (void)size;
    return NULL;
}
void digest_sha256(const void *data, size_t length, uint8_t digest[32])
{
    (void)data, (void)length, (void)digest;
}
void *memory_pages(uint64_t count)
{
    return calloc(count, PAGE_SIZE);
}
void memory_trim(void *last, uint64_t count)
{
    (void)last, (void)count;
}
void *window_open(struct hpa base)
{
    (void)base;
    return NULL;
}
void window_close(void) {}
void memory_scrub(void *address, uint64_t size)
{
    memset(address, 0, size);
}
void memory_copy(void *to, const void *from, uint64_t size)
{
    memcpy(to, from, size);
}

/* --- A domain --- */

static uint64_t file[16384];
static struct plan plan;
static const uint8_t tables_data[] = "RSD PTR and so on";
static const struct image tables = {.name = "acpi-linux", .data = tables_data, .size = sizeof(tables_data)};
static struct image image = {.name = "kernel", .data = (uint8_t *)file, .size = sizeof(file)};
static uint64_t description[DESCRIPTION_BYTES_MAX / 8];
static uint8_t *const bytes = (uint8_t *)description;
static struct domain *const domain = &domains[1];

static int set_up(void **state)
{
    (void)state;
    memset(file, 0, sizeof(file));
    memset(&plan, 0, sizeof(plan));
    memset(description, 0, sizeof(description));
    memset(domains, 0, sizeof(domains));
    image.size = sizeof(file);
    seeds = true;
    *domain = (struct domain){.config = &partitions[1], .index = 1, .vcpu_count = 2, .memory_size = MEMORY};
    domains[0] = (struct domain){.config = &partitions[0], .vcpu_count = 1, .memory_size = MEMORY};
    domains[0].memory_ipa = ipa(0x40000000);
    return 0;
}

static struct setup_header *make_linux(void)
{
    struct setup_header *header = (struct setup_header *)((uint8_t *)file + BOOT_HEADER);

    header->setup_sects = 3;
    header->boot_flag = BOOT_FLAG;
    header->header = BOOT_MAGIC;
    header->version = 0x20f;
    header->xloadflags = XLF_KERNEL_64;
    header->relocatable_kernel = 1;
    header->pref_address = 16 * MIB;
    header->init_size = 64 * MIB;
    return header;
}

static struct description describe(uint64_t initrd)
{
    struct guest_images images = {&image, &tables, ipa(initrd), initrd ? 12345 : 0,
                                  ipa(domain->memory_ipa.value + BASE)};

    return arch_domain_describe(domain, &images, description, sizeof(description));
}

static void linux_goes_where_it_prefers(void **state)
{
    (void)state;
    make_linux();
    assert_true(arch_plan_image(domain, &image, &plan));
    assert_int_equal(plan.entry.value, 16 * MIB + 0x200);
    assert_int_equal(plan.segment[1].offset, 16 * MIB);
    assert_int_equal(plan.segment[1].size, sizeof(file) - 4 * 512);
    assert_ptr_equal(plan.segment[1].data, (uint8_t *)file + 4 * 512);
    assert_int_equal(plan.end, 80 * MIB);
    assert_int_equal(plan.segment[0].offset, 0xffff0); /* what asks for a reset */
    assert_int_equal(domain->arch.start.mode, START_LONG);
}

static void linux_moves_in_a_small_memory(void **state)
{
    (void)state;
    make_linux();
    domain->memory_size = 72 * MIB;
    assert_true(arch_plan_image(domain, &image, &plan));
    assert_int_equal(plan.entry.value, MIB + 0x200);
    memset(&plan, 0, sizeof(plan));
    domain->memory_size = 32 * MIB;
    assert_false(arch_plan_image(domain, &image, &plan));
    domain->memory_size = GUEST_MEMORY_END + MIB;
    assert_false(arch_plan_image(domain, &image, &plan));
}

static void old_and_cut_kernels_are_refused(void **state)
{
    struct setup_header *header = make_linux();

    (void)state;
    header->version = 0x20b;
    assert_false(arch_plan_image(domain, &image, &plan));
    header->version = 0x20f;
    header->xloadflags = 0;
    assert_false(arch_plan_image(domain, &image, &plan));
    header->xloadflags = XLF_KERNEL_64;
    image.size = 4 * 512;
    assert_false(arch_plan_image(domain, &image, &plan));
    image.size = sizeof(file);
    header->pref_address = UINT64_MAX - 5;
    header->relocatable_kernel = 0;
    assert_false(arch_plan_image(domain, &image, &plan));
}

static void linux_is_handed_its_zero_page(void **state)
{
    const struct boot_params *params = (struct boot_params *)(bytes + 0x7000);
    const struct setup_data *seed;
    struct description described;
    uint8_t generation[16];

    (void)state;
    make_linux();
    assert_true(arch_plan_image(domain, &image, &plan));
    described = describe(0x2000000);
    assert_int_equal(described.context, 0x7000);
    assert_true(described.size <= DESCRIPTION_BYTES_MAX);
    assert_int_equal(params->header.ramdisk_image, 0x2000000);
    assert_int_equal(params->header.ramdisk_size, 12345);
    assert_int_equal(params->header.header, BOOT_MAGIC);
    assert_int_equal(params->header.type_of_loader, 0xff);
    assert_string_equal((char *)bytes + (params->header.cmd_line_ptr - BASE), "console=ttyS0");
    assert_memory_equal(bytes + (params->acpi_rsdp_addr - BASE), "RSD PTR ", 8);
    assert_int_equal(params->e820_entries, 4);
    assert_int_equal(params->e820_table[1].base + params->e820_table[1].size, BASE);
    assert_int_equal(params->e820_table[2].base + params->e820_table[2].size, MEMORY);
    assert_int_equal(params->e820_table[3].base, GUEST_PCI_ECAM); /* or Linux does not use it */
    assert_int_equal(params->e820_table[3].type, MEMORY_RESERVED);
    assert_int_equal(domain->arch.start.cr3.value, BASE);
    assert_int_equal(description[0], (BASE + 0x1000) | 7);
    assert_int_equal(description[512], (BASE + 0x2000) | 7);
    assert_int_equal(description[1024 + 2047], 0xffe00087);

    seed = (struct setup_data *)(bytes + (params->header.setup_data - BASE));
    assert_int_equal(seed->type, SETUP_RNG_SEED);
    assert_int_equal(seed->length, 32);
    assert_int_equal(seed->data[31], 0);
    arch_domain_renew(description);
    assert_int_not_equal(seed->data[31], 0);
    memcpy(generation, bytes + FIXED + 32, 16);
    arch_domain_renew(description);
    assert_memory_not_equal(generation, bytes + FIXED + 32, 16);
}

static void without_entropy_there_is_no_seed(void **state)
{
    const struct boot_params *params = (struct boot_params *)(bytes + 0x7000);
    uint8_t generation[16];

    (void)state;
    seeds = false;
    make_linux();
    assert_true(arch_plan_image(domain, &image, &plan));
    describe(0);
    assert_int_equal(params->header.setup_data, 0);
    assert_int_equal(params->header.ramdisk_size, 0);
    arch_domain_renew(description);
    memcpy(generation, bytes + FIXED + 32, 16);
    arch_domain_renew(description);
    assert_memory_not_equal(generation, bytes + FIXED + 32, 16);
}

/* As they are; what is in them, tests/system/test_acpi_tables.py looks at. */
static void tables_of_the_bundle_are_handed_on(void **state)
{
    const struct boot_params *params = (struct boot_params *)(bytes + 0x7000);
    struct description described;

    (void)state;
    make_linux();
    assert_true(arch_plan_image(domain, &image, &plan));
    described = describe(0);
    assert_int_equal(params->acpi_rsdp_addr, BASE + GUEST_DESCRIPTION_ACPI);
    assert_memory_equal(bytes + GUEST_DESCRIPTION_ACPI, tables_data, sizeof(tables_data));
    assert_int_equal(described.size, GUEST_DESCRIPTION_ACPI + sizeof(tables_data));
}

static void elf_is_native_or_pvh(void **state)
{
    struct elf_header *header = (struct elf_header *)file;
    struct elf_program_header *program = (struct elf_program_header *)(header + 1);
    uint32_t note[] = {4, 4, 18, 0x6e6558, 0x1234567};
    struct pvh_start_info *info = (struct pvh_start_info *)(bytes + 0x7000);

    (void)state;
    memcpy(header->magic, ELF_MAGIC, 4);
    header->elf_class = ELF_CLASS_64;
    header->machine = ELF_MACHINE_X86_64;
    header->type = 2;
    header->entry = 0x200010;
    header->program_headers = sizeof(*header);
    header->program_header_size = sizeof(*program);
    header->program_header_count = 2;
    program[0] = (struct elf_program_header){.type = ELF_SEGMENT_LOAD,
                                             .offset = 0x1000,
                                             .physical_address = 0x200000,
                                             .file_size = 100,
                                             .memory_size = 9999};
    assert_true(arch_plan_image(domain, &image, &plan));
    assert_int_equal(domain->arch.start.image, IMAGE_NATIVE);
    assert_int_equal(plan.entry.value, 0x200010);

    program[1] = (struct elf_program_header){.type = ELF_SEGMENT_NOTE, .offset = 0x800, .file_size = sizeof(note)};
    memcpy((uint8_t *)file + 0x800, note, sizeof(note));
    memset(&plan, 0, sizeof(plan));
    assert_true(arch_plan_image(domain, &image, &plan));
    assert_int_equal(domain->arch.start.image, IMAGE_PVH);
    assert_int_equal(domain->arch.start.mode, START_PROTECTED);
    assert_int_equal(plan.entry.value, 0x1234567);
    describe(0x3000000);
    assert_int_equal(info->magic, PVH_MAGIC);
    assert_int_equal(info->memory_map_entries, 4);
    assert_int_equal(info->module_count, 1);
    assert_int_equal(*(uint64_t *)(bytes + (info->modules - BASE)), 0x3000000);

    note[1] = UINT32_MAX; /* notes that do not end in the file */
    memcpy((uint8_t *)file + 0x800, note, sizeof(note));
    program[1].file_size = UINT64_MAX;
    memset(&plan, 0, sizeof(plan));
    assert_true(arch_plan_image(domain, &image, &plan));
    assert_int_equal(domain->arch.start.image, IMAGE_NATIVE);
    program[0].physical_address = UINT64_MAX - 50;
    assert_false(arch_plan_image(domain, &image, &plan));
}

static void a_native_domain_is_handed_a_tree(void **state)
{
    struct guest_images images = {&image, NULL, ipa(0), 0, ipa(0x40000000 + BASE)};
    const void *tree = bytes + 0x7000;
    struct description described;
    int node, length;
    const fdt32_t *cells;

    (void)state;
    domains[0].arch.start = (struct guest_start){.image = IMAGE_NATIVE, .mode = START_LONG};
    described = arch_domain_describe(&domains[0], &images, description, sizeof(description));
    assert_int_equal(described.context, 0x7000);
    assert_int_equal(fdt_check_header(tree), 0);
    assert_int_equal(domains[0].arch.start.cr3.value, 0x40000000 + BASE);
    node = fdt_path_offset(tree, "/bulkhead/doorbell");
    cells = fdt_getprop(tree, node, "interrupts", &length);
    assert_int_equal(length, 8);
    assert_int_equal(fdt32_to_cpu(cells[0]), GUEST_LINE_DOORBELL);
    assert_int_equal(fdt32_to_cpu(cells[1]), 1);
    arch_domain_renew(description);
    cells = fdt_getprop(tree, fdt_path_offset(tree, "/chosen"), "rng-seed", &length);
    assert_int_equal(length, SEED_SIZE);
    assert_int_not_equal(cells[0], 0);
}

static void multiboot_by_addresses_and_by_elf(void **state)
{
    uint32_t *header = (uint32_t *)file + 16;
    struct elf32_header *elf = (struct elf32_header *)file;
    struct elf32_program_header *program = (struct elf32_program_header *)((uint8_t *)file + 0x400);
    const struct multiboot_info *info = (struct multiboot_info *)(bytes + 0x7000);

    (void)state;
    header[0] = 0x1badb002;
    header[1] = 1 << 16;
    header[2] = -header[0] - header[1];
    header[3] = 0x200040; /* the header; load, load_end, bss_end, entry */
    header[4] = 0x200000;
    header[5] = 0x200400;
    header[6] = 0x201000;
    header[7] = 0x200123;
    assert_true(arch_plan_image(domain, &image, &plan));
    assert_int_equal(domain->arch.start.image, IMAGE_MULTIBOOT);
    assert_int_equal(plan.entry.value, 0x200123);
    assert_int_equal(plan.segment[1].offset, 0x200000);
    assert_ptr_equal(plan.segment[1].data, file);
    assert_int_equal(plan.segment[1].size, 0x400);
    assert_int_equal(plan.end, 0x201000);
    describe(0);
    assert_int_equal(info->module_count, 0);
    assert_int_equal(*(uint32_t *)(bytes + (info->map - BASE)), 20);

    header[3] = 0x1fff00; /* before its own load address; behind the file's start */
    assert_false(arch_plan_image(domain, &image, &plan));
    header[3] = 0x300040;
    assert_false(arch_plan_image(domain, &image, &plan));
    header[3] = 0x200040;
    header[5] = 0x100000;
    assert_false(arch_plan_image(domain, &image, &plan));
    header[5] = 0xffffffff;
    assert_false(arch_plan_image(domain, &image, &plan));

    header[1] = 0;
    header[2] = -header[0];
    assert_false(arch_plan_image(domain, &image, &plan));
    memcpy(elf->magic, ELF_MAGIC, 4);
    elf->elf_class = ELF_CLASS_32;
    elf->entry = 0x100020;
    elf->program_headers = 0x400;
    elf->program_header_size = sizeof(*program);
    elf->program_header_count = 1;
    *program = (struct elf32_program_header){
        .type = ELF_SEGMENT_LOAD, .physical_address = 0x100000, .file_size = 0x1000, .memory_size = 0x2000};
    memset(&plan, 0, sizeof(plan));
    assert_true(arch_plan_image(domain, &image, &plan));
    assert_int_equal(plan.entry.value, 0x100020);
    elf->program_headers = 0xfffffff0;
    assert_false(arch_plan_image(domain, &image, &plan));
}

static void anything_else_is_flat(void **state)
{
    (void)state;
    image.size = 7;
    assert_true(arch_plan_image(domain, &image, &plan));
    assert_int_equal(domain->arch.start.image, IMAGE_FLAT);
    assert_int_equal(plan.entry.value, 0x100000);
    image.size = 0;
    memset(&plan, 0, sizeof(plan));
    assert_true(arch_plan_image(domain, &image, &plan));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(linux_goes_where_it_prefers, set_up),
        cmocka_unit_test_setup(linux_moves_in_a_small_memory, set_up),
        cmocka_unit_test_setup(old_and_cut_kernels_are_refused, set_up),
        cmocka_unit_test_setup(linux_is_handed_its_zero_page, set_up),
        cmocka_unit_test_setup(without_entropy_there_is_no_seed, set_up),
        cmocka_unit_test_setup(tables_of_the_bundle_are_handed_on, set_up),
        cmocka_unit_test_setup(elf_is_native_or_pvh, set_up),
        cmocka_unit_test_setup(a_native_domain_is_handed_a_tree, set_up),
        cmocka_unit_test_setup(multiboot_by_addresses_and_by_elf, set_up),
        cmocka_unit_test_setup(anything_else_is_flat, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
