// SPDX-License-Identifier: Apache-2.0
/* x86: a bundle's images and load plans, and what a domain is handed by the kernel. What is in a plan,
 * tests/system/test_load_plan.py looks at. */
#include <bulkhead/guest_map.h>
#include <bulkhead/load_plan.h>
#include <core/arch.h>
#include <core/bundle.h>
#include <core/domain_tree.h>
#include <core/loader.h>
#include <core/seed.h>
#include <core/vpci.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MEMORY (4 * MIB)
#define BASE (MEMORY - LOAD_DESCRIPTION_SIZE)

const struct partition_config partitions[] = {
    {.name = "management",
     .flags = PARTITION_MANAGEMENT,
     .cpus = 1,
     .uart_console = 0xff,
     .plan = "plan-management",
     .command_line = ""},
    {.name = "linux",
     .flags = PARTITION_UART | PARTITION_RTC | PARTITION_WATCHDOG,
     .cpus = 0x06,
     .plan = "plan-linux",
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
static const char *said;
static struct image images[3]; /* the bundle */
static bool damaged;           /* it is */
static uint8_t memory[MEMORY] __attribute__((aligned(4096)));

#include "core/loader.c" /* which keeps what it learned at boot; here there are many boots */

/* --- What the files under test stand on --- */

void log_line(const char *format, ...)
{
    said = format;
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
struct hpa status_hpa(void)
{
    return hpa(0x1000);
}
uint64_t status_bytes(void)
{
    return PAGE_SIZE;
}
void passthrough_describe(struct domain *domain, void *tree)
{
    (void)domain, (void)tree;
}
void *kernel_map_blocks(struct hpa base, uint64_t size)
{
    (void)base, (void)size;
    return images;
}
const struct bundle_trust bundle_trust;
bool bundle_open(const void *data, uint64_t size, const struct bundle_trust *trust)
{
    (void)data, (void)size;
    assert_ptr_equal(trust, &bundle_trust);
    return !damaged;
}
const struct image *bundle_image_at(uint32_t number)
{
    return number < 3 ? &images[number] : NULL;
}
const struct image *bundle_image(const char *name)
{
    for (uint32_t i = 0; i < 3; i++)
        if (!strcmp(images[i].name, name))
            return &images[i];
    return NULL;
}
void slot_refused(void)
{
    log_line("refused");
}
void *memory_pages(uint64_t count)
{
    static uint64_t pages[LOAD_DESCRIPTION_SIZE / 8];

    assert_true(count * PAGE_SIZE <= sizeof(pages));
    memset(pages, 0, sizeof(pages));
    return pages;
}
void memory_trim(void *last, uint64_t count)
{
    (void)last, (void)count;
}
void *window_open(struct hpa base)
{
    assert_true(base.value + WINDOW_SIZE <= MEMORY);
    return memory + base.value;
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

/* --- A bundle --- */

static uint8_t kernel[5000];
static struct {
    struct load_plan plan;
    uint8_t blob[512];
} file;
static struct domain *const domain = &domains[1];

/* The loader as at boot, with a bundle of the kernel and the plan in `file`. */
static bool plan(void)
{
    static const struct load_plan management = {.magic = LOAD_PLAN_MAGIC, .memory_size = MEMORY, .entry = 0x10};

    images[0] = (struct image){"kernel", kernel, sizeof(kernel)};
    images[1] = (struct image){"plan-linux", (const uint8_t *)&file, sizeof(file)};
    images[2] = (struct image){"plan-management", (const uint8_t *)&management, sizeof(management)};
    platform.bundle.size = 1;
    memset(plans, 0, sizeof(plans));
    loader_init();
    return loader_plan(domain);
}

static int set_up(void **state)
{
    (void)state;
    memset(memory, 0xa5, sizeof(memory));
    memset(domains, 0, sizeof(domains));
    memset(&file, 0x77, sizeof(file));
    for (size_t i = 0; i < sizeof(kernel); i++)
        kernel[i] = (uint8_t)(i * 7 + 1);
    file.plan = (struct load_plan){
        .magic = LOAD_PLAN_MAGIC,
        .protocol = LOAD_LINUX,
        .memory_size = MEMORY,
        .entry = 0x100200,
        .segments = 2,
        .segment =
            {{.image = 0, .from = 1000, .size = 4000, .to = 2 * MIB - 50},
             {.image = 1, .from = sizeof(file.plan), .size = sizeof(file.blob), .to = BASE + GUEST_DESCRIPTION_BOOT}},
    };
    seeds = true;
    damaged = false;
    *domain = (struct domain){.config = &partitions[1], .index = 1, .vcpu_count = 2, .memory_size = MEMORY};
    domains[0] = (struct domain){.config = &partitions[0], .vcpu_count = 1, .memory_size = MEMORY};
    domains[0].memory_ipa = ipa(0x40000000);
    return 0;
}

static void segments_are_copied_and_the_rest_is_zero(void **state)
{
    (void)state;
    assert_true(plan());
    assert_int_equal(loader_entry(domain).value, 0x100200);
    assert_int_equal(loader_context(domain).value, BASE + GUEST_DESCRIPTION_BOOT);
    assert_true(domain->arch.start.wide);
    for (int start = 0; start < 2; start++) {
        loader_load(domain);
        assert_memory_equal(memory + 2 * MIB - 50, kernel + 1000, 4000);
        assert_memory_equal(memory + BASE + GUEST_DESCRIPTION_BOOT, file.blob, sizeof(file.blob));
        for (uint64_t i = 0; i < BASE; i++)
            if (i < 2 * MIB - 50 || i >= 2 * MIB - 50 + 4000)
                assert_int_equal(memory[i], 0);
        for (uint64_t i = BASE + GUEST_DESCRIPTION_BOOT + sizeof(file.blob); i < MEMORY; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0x5a, sizeof(memory));
    }
}

static void linux_has_a_map_descriptors_and_seeds(void **state)
{
    const uint64_t *table = (uint64_t *)(memory + BASE);
    const uint32_t *seed = (uint32_t *)(memory + BASE + GUEST_DESCRIPTION_SEED);
    uint8_t first[GUEST_DESCRIPTION_BOOT - GUEST_DESCRIPTION_SEED];

    (void)state;
    assert_true(plan());
    loader_load(domain);
    assert_int_equal(domain->arch.start.cr3.value, BASE);
    assert_int_equal(domain->arch.start.gdt.value, BASE + 0x6000);
    assert_int_equal(table[0], (BASE + 0x1000) | 7);
    assert_int_equal(table[512], (BASE + 0x2000) | 7);
    assert_int_equal(table[1024 + 2047], 0xffe00087);
    assert_int_equal(table[0x6000 / 8 + GUEST_CS / 8], 0x00af9b000000ffff);
    assert_int_equal(seed[0], 0); /* setup_data: next, type, length */
    assert_int_equal(seed[2], 9);
    assert_int_equal(seed[3], SEED_SIZE);
    assert_int_not_equal(seed[4], 0);
    memcpy(first, seed, sizeof(first));
    loader_load(domain);
    assert_memory_not_equal(first + 16, seed + 4, SEED_SIZE);
    assert_memory_not_equal(first + GUEST_DESCRIPTION_GENERATION_ID - GUEST_DESCRIPTION_SEED,
                            memory + BASE + GUEST_DESCRIPTION_GENERATION_ID, 16);
}

static void without_entropy_the_seed_is_empty(void **state)
{
    const uint32_t *seed = (uint32_t *)(memory + BASE + GUEST_DESCRIPTION_SEED);
    uint8_t generation[16];

    (void)state;
    seeds = false;
    assert_true(plan());
    loader_load(domain);
    assert_int_equal(seed[3], 0);
    memcpy(generation, memory + BASE + GUEST_DESCRIPTION_GENERATION_ID, 16);
    loader_load(domain);
    assert_memory_not_equal(generation, memory + BASE + GUEST_DESCRIPTION_GENERATION_ID, 16);
}

static void other_protocols_start_without_paging(void **state)
{
    (void)state;
    for (uint32_t protocol = LOAD_PVH; protocol <= LOAD_FLAT; protocol++) {
        file.plan.protocol = protocol;
        assert_true(plan());
        loader_load(domain);
        assert_false(domain->arch.start.wide);
        assert_int_equal(((uint64_t *)(memory + BASE + 0x6000))[GUEST_CS / 8], 0x00cf9b000000ffff);
        assert_memory_equal(memory + BASE + GUEST_DESCRIPTION_BOOT, file.blob, sizeof(file.blob));
    }
}

/* As the builder makes it: what is known of the machine, and room for seeds. */
static void put_tree(void)
{
    static const uint8_t seed[SEED_SIZE];
    void *tree = file.blob;

    file.plan.protocol = LOAD_TREE;
    file.plan.segments = 1;
    file.plan.tree = sizeof(file.plan);
    file.plan.tree_size = sizeof(file.blob);
    fdt_create(tree, sizeof(file.blob));
    fdt_finish_reservemap(tree);
    fdt_begin_node(tree, "");
    fdt_property_u32(tree, "interrupt-parent", 1);
    fdt_begin_node(tree, "chosen");
    fdt_property_string(tree, "bootargs", "quiet");
    fdt_property(tree, "rng-seed", seed, sizeof(seed));
    fdt_property(tree, "kaslr-seed", seed, 8);
    fdt_end_node(tree);
    fdt_begin_node(tree, "cpus");
    fdt_begin_node(tree, "cpu@0");
    fdt_end_node(tree);
    fdt_end_node(tree);
    fdt_end_node(tree);
    assert_int_equal(fdt_finish(tree), 0);
}

static void a_native_domain_is_handed_a_tree(void **state)
{
    const void *tree = memory + BASE + GUEST_DESCRIPTION_BOOT;
    int length, chosen;
    const fdt32_t *cells;
    const fdt64_t *reg;

    (void)state;
    put_tree();
    assert_true(plan());
    loader_load(domain);
    assert_true(domain->arch.start.wide);
    assert_int_equal(fdt_check_header(tree), 0);
    assert_int_equal(fdt32_to_cpu(*(fdt32_t *)fdt_getprop(tree, 0, "interrupt-parent", &length)), 1);
    assert_true(fdt_path_offset(tree, "/cpus/cpu@0") > 0);
    assert_true(fdt_path_offset(tree, "/bulkhead") < 0);
    reg = fdt_getprop(tree, fdt_path_offset(tree, "/memory@0"), "reg", &length);
    assert_int_equal(fdt64_ld(reg + 1), MEMORY);
    chosen = fdt_path_offset(tree, "/chosen");
    assert_string_equal(fdt_getprop(tree, chosen, "bootargs", &length), "quiet");
    cells = fdt_getprop(tree, chosen, "rng-seed", &length);
    assert_int_equal(length, SEED_SIZE);
    assert_int_not_equal(cells[0], 0);
    assert_int_equal(fdt_num_mem_rsv(tree), 0);

    seeds = false;
    assert_true(plan());
    loader_load(domain);
    chosen = fdt_path_offset(tree, "/chosen");
    assert_null(fdt_getprop(tree, chosen, "rng-seed", &length));
    assert_null(fdt_getprop(tree, chosen, "kaslr-seed", &length));
}

static void the_management_domain_finds_the_status_page(void **state)
{
    const void *tree = memory + BASE + GUEST_DESCRIPTION_BOOT;
    const fdt32_t *cells;
    const fdt64_t *reg;
    int length;

    (void)state;
    assert_true(plan());
    assert_true(loader_plan(&domains[0]));
    assert_int_equal(loader_entry(&domains[0]).value, 0x40000010);
    assert_int_equal(loader_context(&domains[0]).value, 0x40000000 + BASE + GUEST_DESCRIPTION_BOOT);
    assert_int_equal(domains[0].arch.start.cr3.value, 0x40000000 + BASE);
    loader_load(&domains[0]);
    cells = fdt_getprop(tree, fdt_path_offset(tree, "/bulkhead"), "interrupts", &length);
    assert_int_equal(length, 8);
    assert_int_equal(fdt32_to_cpu(cells[0]), GUEST_LINE_DOORBELL);
    assert_int_equal(fdt32_to_cpu(cells[1]), 1);
    reg = fdt_getprop(tree, fdt_path_offset(tree, "/bulkhead"), "reg", &length);
    assert_int_equal(fdt64_ld(reg + 0), status_hpa().value);
    reg = fdt_getprop(tree, fdt_path_offset(tree, "/timer"), "timebase-frequency", &length);
    assert_int_equal(fdt64_ld(reg), 3000000000);
}

/* Not even a damaged tree brings the kernel down. */
static void a_damaged_tree_is_cut_short(void **state)
{
    uint8_t good[sizeof(file.blob)];

    (void)state;
    put_tree();
    memcpy(good, file.blob, sizeof(good));
    for (size_t at = 0; at < sizeof(good); at++) {
        memcpy(file.blob, good, sizeof(good));
        file.blob[at] ^= 0xff;
        assert_true(plan());
    }
    file.plan.tree_size = 3;
    assert_true(plan());
}

/* A bundle that a builder got wrong, or that belongs to another kernel. */
static void plans_that_lead_out_of_image_or_memory_are_refused(void **state)
{
    struct load_segment *segment = &file.plan.segment[0];
    const struct load_plan good = file.plan;
    const struct load_segment bad[] = {
        {.image = 3, .size = 1},
        {.image = UINT32_MAX},
        {.from = sizeof(kernel) + 1},
        {.from = UINT64_MAX},
        {.from = 1, .size = sizeof(kernel)},
        {.from = 8, .size = UINT64_MAX},
        {.size = 2, .to = MEMORY - 1},
        {.size = 8, .to = UINT64_MAX - 3},
        {.to = MEMORY + 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        *segment = bad[i];
        assert_false(plan());
        assert_non_null(strstr(said, "segment"));
    }
    file.plan = good;
    file.plan.segments = LOAD_SEGMENTS_MAX + 1;
    assert_false(plan());
    file.plan = good;
    file.plan.magic++;
    assert_false(plan());
    file.plan = good;
    file.plan.memory_size *= 2;
    assert_false(plan());
    assert_non_null(strstr(said, "made for another kernel"));
    file.plan = good;
    file.plan.tree = sizeof(file) - 1;
    file.plan.tree_size = 2;
    assert_false(plan());
    file.plan.tree = UINT64_MAX;
    assert_false(plan());
    file.plan.tree = 0;
    file.plan.tree_size = UINT64_MAX;
    assert_false(plan());
    file.plan = good;
    file.plan.segments = LOAD_SEGMENTS_MAX;
    assert_true(plan()); /* empty ones */
    file.plan = good;
    damaged = true;
    assert_false(plan());
    assert_non_null(strstr(said, "refused"));
}

static void a_domain_above_the_map_is_refused(void **state)
{
    (void)state;
    assert_true(plan());
    domains[0].memory_ipa = ipa(GUEST_MEMORY_END);
    assert_false(loader_plan(&domains[0]));
    assert_non_null(strstr(said, "its memory ends at"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(segments_are_copied_and_the_rest_is_zero, set_up),
        cmocka_unit_test_setup(linux_has_a_map_descriptors_and_seeds, set_up),
        cmocka_unit_test_setup(without_entropy_the_seed_is_empty, set_up),
        cmocka_unit_test_setup(other_protocols_start_without_paging, set_up),
        cmocka_unit_test_setup(a_native_domain_is_handed_a_tree, set_up),
        cmocka_unit_test_setup(the_management_domain_finds_the_status_page, set_up),
        cmocka_unit_test_setup(a_damaged_tree_is_cut_short, set_up),
        cmocka_unit_test_setup(plans_that_lead_out_of_image_or_memory_are_refused, set_up),
        cmocka_unit_test_setup(a_domain_above_the_map_is_refused, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
