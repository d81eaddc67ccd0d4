// SPDX-License-Identifier: Apache-2.0
/* x86: a domain's nested page tables, in NPT's and EPT's format: what is mapped and nothing else, pages laid over it.
 */
#include "../../arch/x86/vendor.h"

#include <arch/stage2.h>
#include <core/arch.h>
#include <core/memory.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define POOL_PAGES 64
#define POOL_HPA 0x1200000ull
#define GIB (1024 * MIB)
#define RWX (STAGE2_READ | STAGE2_WRITE | STAGE2_EXECUTE)
#define FRAME 0x000ffffffffff000ull

const struct vendor svm = {
    .format = {.table = 0x67, .read = 0x65, .write = 0x2, .no_execute = 1ull << 63, .device = 0x18, .large = 0x80}};
const struct vendor vmx = {
    .format = {.table = 7, .read = 1, .write = 2, .execute = 4, .normal = 6 << 3, .large = 1 << 7}};
const struct vendor *vendor;

static uint8_t *pool;
static uint64_t used;
static const struct partition_config config = {.name = "guest"};
static struct domain domain;
static struct vcpu vcpu = {.domain = &domain};

struct vcpu *vcpu_current(void)
{
    return &vcpu;
}
void *memory_pages(uint64_t count)
{
    uint8_t *pages = pool + used * PAGE_SIZE;

    used += count;
    assert_true(used <= POOL_PAGES);
    return pages;
}
struct hpa kernel_hpa(const void *address)
{
    return hpa((uint64_t)((const uint8_t *)address - pool) + POOL_HPA);
}
static unsigned cleaned;
void cache_clean(const void *address, uint64_t size)
{
    (void)address, (void)size;
    cleaned++;
}
void check_failed(const char *file, int line, const char *text)
{
    mock_assert(0, text, file, line);
    abort();
}

/* As the CPU walks: the leaf for `address`, 0 if there is none, and the bits of the address that it leaves. */
static uint64_t walk(uint64_t address, unsigned *shift)
{
    uint64_t table = domain.arch.stage2_root;

    for (*shift = 39;; *shift -= 9) {
        uint64_t entry = ((uint64_t *)(pool + (table - POOL_HPA)))[address >> *shift & 511];

        if (entry == 0 || *shift == 12 || (*shift < 39 && (entry & vendor->format.large)))
            return entry;
        assert_int_equal(entry & ~FRAME, vendor->format.table);
        table = entry & FRAME;
    }
}

static void expect(uint64_t address, uint64_t to, unsigned size_shift)
{
    unsigned shift;
    uint64_t entry = walk(address, &shift);

    assert_int_equal(shift, size_shift);
    assert_int_equal(entry & FRAME, to & ~((1ull << shift) - 1));
}

static void expect_nothing(uint64_t address)
{
    unsigned shift;

    assert_int_equal(walk(address, &shift), 0);
}

static int setup(void **state)
{
    vendor = *state ? *state : &svm;
    free(pool);
    pool = calloc(POOL_PAGES, PAGE_SIZE);
    used = 0;
    memset(&domain, 0, sizeof(domain));
    domain.config = &config;
    domain.memory = hpa(0x80000000);
    domain.memory_size = GIB + 4 * MIB;
    stage2_create(&domain);
    return 0;
}

static void test_blocks(void **state)
{
    (void)state;
    stage2_map(&domain, ipa(0), domain.memory, domain.memory_size, RWX);
    expect(0x123456, 0x80000000, 30);
    expect(GIB, 0x80000000 + GIB, 21);
    expect(GIB + 3 * MIB, 0x80000000 + GIB + 2 * MIB, 21);
    expect_nothing(GIB + 4 * MIB);
    expect_nothing(3 * GIB);
    expect_nothing(1ull << 39);
    stage2_map(&domain, ipa(0xfeb00000), hpa(0x5000), 2 * PAGE_SIZE, STAGE2_READ);
    expect(0xfeb00000, 0x5000, 12);
    expect(0xfeb01fff, 0x6000, 12);
    expect_nothing(0xfeb02000);
    expect_nothing(0xfeaff000);
}

static void test_rights(void **state)
{
    const struct nested_format *format = &vendor->format;
    unsigned shift;
    uint64_t entry;

    (void)state;
    stage2_map(&domain, ipa(0x1000), hpa(0x5000), PAGE_SIZE, STAGE2_READ);
    stage2_map(&domain, ipa(0x2000), hpa(0x6000), PAGE_SIZE, STAGE2_READ | STAGE2_WRITE | STAGE2_DEVICE);
    stage2_map(&domain, ipa(0x3000), hpa(0x7000), PAGE_SIZE, RWX);
    entry = walk(0x1000, &shift);
    assert_int_equal(entry & ~FRAME, format->read | format->no_execute | format->normal);
    assert_int_equal(entry & format->write & 2, 0);
    entry = walk(0x2000, &shift);
    assert_int_equal(entry & ~FRAME, format->read | format->write | format->no_execute | format->device);
    entry = walk(0x3000, &shift);
    assert_int_equal(entry & ~FRAME, format->read | format->write | format->execute | format->normal);
}

static void test_mistakes(void **state)
{
    (void)state;
    stage2_map(&domain, ipa(0), domain.memory, 4 * MIB, RWX);
    expect_assert_failure(stage2_map(&domain, ipa(2 * MIB), hpa(0), 2 * MIB, RWX));
    expect_assert_failure(stage2_map(&domain, ipa(2 * MIB), hpa(0), PAGE_SIZE, RWX));
    expect_assert_failure(stage2_map(&domain, ipa(8 * MIB + 1), hpa(0), PAGE_SIZE, RWX));
    expect_assert_failure(stage2_map(&domain, ipa(1ull << 48), hpa(0), PAGE_SIZE, RWX));
    expect_assert_failure(stage2_map(&domain, ipa(-PAGE_SIZE), hpa(0), 2 * PAGE_SIZE, RWX));
}

static void test_overlay(void **state)
{
    uint64_t page = 5 * MIB + 3 * PAGE_SIZE;

    (void)state;
    stage2_map(&domain, ipa(0), domain.memory, domain.memory_size, RWX);
    assert_true(stage2_overlay(&domain, ipa(page), hpa(0x9000), STAGE2_READ));
    assert_true(vcpu.arch.flush);
    expect(page, 0x9000, 12);
    expect(page - PAGE_SIZE, 0x80000000 + page - PAGE_SIZE, 12);
    expect(page + PAGE_SIZE, 0x80000000 + page + PAGE_SIZE, 12);
    expect(6 * MIB, 0x80000000 + 6 * MIB, 21);
    assert_true(stage2_overlay(&domain, ipa(page), hpa(0), 0));
    expect(page, 0x80000000 + page, 12);
    stage2_overlay_reset(&domain);
    expect(page, 0x80000000, 30);
    assert_false(stage2_overlay(&domain, ipa(domain.memory_size), hpa(0x9000), RWX));
    assert_false(stage2_overlay(&domain, ipa(UINT64_MAX & -PAGE_SIZE), hpa(0x9000), RWX));
    assert_false(stage2_overlay(&domain, ipa(12), hpa(0x9000), RWX));
}

/* A guest that lays pages everywhere runs out of tables; its next start has them again. */
static void test_overlays_end(void **state)
{
    uint64_t *spare;

    (void)state;
    stage2_map(&domain, ipa(0), domain.memory, domain.memory_size, RWX);
    spare = domain.arch.spare;
    for (unsigned start = 0; start < 100; start++) {
        unsigned count = 0;

        while (stage2_overlay(&domain, ipa((count + start) * 2 * MIB), hpa(0x9000), RWX))
            count++;
        assert_int_equal(count, 10);
        for (unsigned i = 0; i < count; i++)
            assert_true(stage2_overlay(&domain, ipa((i + start) * 2 * MIB), hpa(0), 0));
        stage2_overlay_reset(&domain);
        assert_ptr_equal(domain.arch.spare, spare);
        expect((start + 3) * 2 * MIB, 0x80000000, 30);
    }
}

/* A device's tables: three levels, no page of 1 GiB (VT-d); and entries that say how deep they lead (AMD-Vi). */
static void test_devices(void **state)
{
    static const struct nested_format vtd = {.table = 3, .read = 1, .write = 2, .large = 0x80};
    static const struct nested_format amdvi = {.table = 1, .level = 1 << 9, .read = 1, .write = 2};
    struct nested_tables tables = {.format = &vtd, .top_shift = 30, .largest_shift = 21, .clean = true};
    uint64_t *second, *last;

    (void)state;
    tables.root = memory_pages(1);
    tables.root_hpa = kernel_hpa(tables.root).value;
    nested_map(&tables, 0x40000000, 0x80000000, 2 * MIB + PAGE_SIZE, STAGE2_READ | STAGE2_WRITE);
    second = (uint64_t *)(pool + ((tables.root[1] & FRAME) - POOL_HPA));
    assert_int_equal(tables.root[1] & ~FRAME, 3);
    assert_int_equal(second[0], 0x80000083);
    assert_int_equal(second[1] & ~FRAME, 3);
    last = (uint64_t *)(pool + ((second[1] & FRAME) - POOL_HPA));
    assert_int_equal(last[0], 0x80200003);
    assert_int_equal(last[1], 0);
    assert_int_equal(cleaned, 6); /* two tables, four entries */

    tables = (struct nested_tables){.format = &amdvi, .top_shift = 39, .largest_shift = 30};
    tables.root = memory_pages(1);
    tables.root_hpa = kernel_hpa(tables.root).value;
    nested_map(&tables, GIB, GIB, GIB + 2 * MIB, STAGE2_READ);
    assert_int_equal(tables.root[0] & ~FRAME, 1 | 3 << 9);
    second = (uint64_t *)(pool + ((tables.root[0] & FRAME) - POOL_HPA));
    assert_int_equal(second[1], GIB | 1);
    assert_int_equal(second[2] & ~FRAME, 1 | 2 << 9);
    last = (uint64_t *)(pool + ((second[2] & FRAME) - POOL_HPA));
    assert_int_equal(last[0], 2 * GIB | 1);
    nested_map(&tables, 2 * GIB + 2 * MIB, 0, PAGE_SIZE, STAGE2_READ);
    assert_int_equal(last[1] & ~FRAME, 1 | 1 << 9);
    assert_int_equal(cleaned, 6);
}

int main(void)
{
#define BOTH(test)                                                                                                     \
    {#test " (NPT)", test, setup, NULL, (void *)&svm},                                                                 \
    {                                                                                                                  \
#test " (EPT)", test, setup, NULL, (void *)&vmx                                                                \
    }
    const struct CMUnitTest tests[] = {
        BOTH(test_blocks), BOTH(test_rights), BOTH(test_mistakes), BOTH(test_overlay), BOTH(test_overlays_end),
        cmocka_unit_test_setup_teardown(test_devices, setup, NULL),
    };

    return cmocka_run_group_tests_name("nested paging", tests, NULL, NULL);
}
