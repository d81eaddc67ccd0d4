// SPDX-License-Identifier: Apache-2.0
/* arm64: stage 2's tables for machines of each size: what is mapped and nothing else, walked as VTCR_EL2 says (D8.2).
 */
#include <arch/stage2.h>
#include <arch/sysreg.h>
#include <core/arch.h>
#include <core/log.h>
#include <core/memory.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define POOL_PAGES 64
#define POOL_HPA 0x10002200000ull
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define RWX (STAGE2_READ | STAGE2_WRITE | STAGE2_EXECUTE)
#define FRAME 0x0000fffffffff000ull

static uint8_t *pool;
static uint64_t used, parange;
static const struct partition_config config = {.name = "guest"};
static struct domain domain;
static unsigned invalidated;

uint64_t fake_sysreg(const char *name)
{
    return strcmp(name, "vttbr_el2") ? parange : domain.arch.vttbr;
}
void tlb_invalidate_current(void)
{
    invalidated++;
}
void *memory_pages_aligned(uint64_t count)
{
    uint8_t *pages;

    used = (used + count - 1) / count * count;
    pages = pool + used * PAGE_SIZE;
    used += count;
    assert_true(used <= POOL_PAGES);
    return pages;
}
void *memory_pages(uint64_t count)
{
    return memory_pages_aligned(count);
}
struct hpa kernel_hpa(const void *address)
{
    return hpa((uint64_t)((const uint8_t *)address - pool) + POOL_HPA);
}
void check_failed(const char *file, int line, const char *text)
{
    mock_assert(0, text, file, line);
    abort();
}

/* As the CPU walks: the leaf for `address`, 0 if there is none, and the bits of the address that it leaves. */
static uint64_t walk(uint64_t address, unsigned *shift)
{
    uint64_t vtcr = stage2_vtcr(), table = domain.arch.vttbr & FRAME;
    unsigned bits = 64 - (vtcr & 63), level = 2 - (vtcr >> 6 & 3);
    uint64_t index = address >> (39 - 9 * level);

    assert_true(level <= 1 && (level == 1 || parange >= 4)); /* level 0: not where addresses have less than 44 bits */
    assert_true(bits > (level ? 30 : 39) && bits <= (level ? 43 : 48));
    assert_int_equal(table & ((8ull << (bits - (39 - 9 * level))) - 1), 0);
    if (address >> bits)
        return 0;
    for (*shift = 39 - 9 * level;; *shift -= 9) {
        uint64_t entry = ((uint64_t *)(pool + (table - POOL_HPA)))[index];

        if (!(entry & 1) || *shift == 12 || !(entry & 2)) {
            assert_true(!(entry & 1) || *shift < 39);
            return entry;
        }
        table = entry & FRAME;
        index = address >> (*shift - 9) & 511;
    }
}

static void expect(uint64_t address, uint64_t to, unsigned size_shift)
{
    unsigned shift;
    uint64_t entry = walk(address, &shift);

    assert_int_equal(entry & FRAME, to);
    assert_int_equal(shift, size_shift);
    assert_true(stage2_is_mapped(&domain, ipa(address)));
}

static void expect_nothing(uint64_t address)
{
    unsigned shift;

    assert_int_equal(walk(address, &shift), 0);
    assert_false(stage2_is_mapped(&domain, ipa(address)));
}

struct machine {
    uint64_t highest, parange;
    unsigned bits, domain_parange;
    bool root_is_level_0;
};

static void make(const struct machine *machine)
{
    memset(pool, 0, POOL_PAGES * PAGE_SIZE);
    used = 1;
    parange = machine->parange;
    domain = (struct domain){.config = &config, .index = 2};
    stage2_init(machine->highest);
    assert_int_equal(stage2_bits(), machine->bits);
    assert_int_equal(stage2_parange(), machine->domain_parange);
    assert_int_equal((stage2_vtcr() >> 6 & 3) == 2, machine->root_is_level_0);
    stage2_create(&domain);
    assert_int_equal(domain.arch.vttbr >> 48, 3);
}

/* RAM to the highest address, in pieces of all sizes; devices below. */
static void fill(const struct machine *machine)
{
    uint64_t top = machine->highest + 1;

    make(machine);
    stage2_map(&domain, ipa(4 * GIB), hpa(top - GIB), GIB, RWX);
    stage2_map(&domain, ipa(0x9000000), hpa(0x60000000), PAGE_SIZE, STAGE2_READ | STAGE2_WRITE | STAGE2_DEVICE);
    stage2_map(&domain, ipa(top - GIB), hpa(top - GIB), 2 * MIB + PAGE_SIZE, STAGE2_READ);
    stage2_map(&domain, ipa(top - PAGE_SIZE), hpa(PAGE_SIZE), PAGE_SIZE, STAGE2_READ);
    expect(4 * GIB, top - GIB, 30);
    expect(5 * GIB - PAGE_SIZE, top - GIB, 30);
    expect(0x9000000, 0x60000000, 12);
    expect(top - GIB, top - GIB, 21);
    expect(top - GIB + 2 * MIB, top - GIB + 2 * MIB, 12);
    expect(top - PAGE_SIZE, PAGE_SIZE, 12);
    expect_nothing(0);
    expect_nothing(0x9001000);
    expect_nothing(top - GIB + 2 * MIB + PAGE_SIZE);
    expect_nothing(top - 2 * PAGE_SIZE);
    /* What another entry of the root, or another table of a concatenated one, would show. */
    expect_nothing((top - GIB) & (512 * GIB - 1));
    expect_nothing((top - PAGE_SIZE) & (512 * GIB - 1));
    stage2_invalidate(&domain);
}

static void test_sizes(void **state)
{
    static const struct machine machines[] = {
        {64 * GIB - 1, 1, 36, 1, false},
        {64 * GIB - 1, 5, 36, 1, false},
        {256 * GIB - 1, 5, 40, 2, false},
        {TIB - 1, 2, 40, 2, false},
        {TIB + 2 * GIB - 1, 3, 42, 3, false},
        {4 * TIB - 1, 3, 42, 3, false},
        {TIB - 1, 4, 44, 4, true},
        {TIB + 2 * GIB - 1, 5, 44, 4, true},
        {16 * TIB - 1, 6, 44, 4, true},
        {16 * TIB + GIB - 1, 5, 48, 5, true},
        {256 * TIB - 1, 6, 48, 5, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(machines) / sizeof(*machines); i++) {
        /* Below 512 GiB the mirror images that fill() looks for are the pages themselves. */
        if (machines[i].highest >> 39)
            fill(&machines[i]);
        else
            make(&machines[i]);
        assert_true(stage2_vtcr() >> 31 & 1);
        assert_int_equal(stage2_vtcr() >> 16 & 7, parange > 5 ? 5 : parange);
    }
    assert_true(invalidated > 0);
}

/* A block of 512 GiB is none that there is. */
static void test_terabyte(void **state)
{
    (void)state;
    make(&(struct machine){2 * TIB - 1, 5, 44, 4, true});
    stage2_map(&domain, ipa(0), hpa(0), TIB, RWX);
    expect(TIB - PAGE_SIZE, TIB - GIB, 30);
    expect(512 * GIB, 512 * GIB, 30);
    expect_nothing(TIB);
}

static void test_mistakes(void **state)
{
    (void)state;
    parange = 3;
    expect_assert_failure(stage2_init(4 * TIB));
    make(&(struct machine){TIB + GIB - 1, 5, 44, 4, true});
    expect_assert_failure(stage2_map(&domain, ipa(0x800), hpa(0), PAGE_SIZE, RWX));
    expect_assert_failure(stage2_map(&domain, ipa(16 * TIB - PAGE_SIZE), hpa(0), 2 * PAGE_SIZE, RWX));
    stage2_map(&domain, ipa(TIB), hpa(TIB), 2 * MIB, RWX);
    expect_assert_failure(stage2_map(&domain, ipa(TIB + PAGE_SIZE), hpa(0), PAGE_SIZE, RWX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_terabyte),
        cmocka_unit_test(test_mistakes),
    };

    pool = aligned_alloc(8 * PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
