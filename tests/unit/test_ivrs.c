// SPDX-License-Identifier: Apache-2.0
/* The reader of AMD's IVRS (arch/x86/ivrs.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <boot/x86/acpi.h>
#include <stdlib.h>
#include <string.h>

static uint8_t bytes[4096];
static uint32_t used;

uint64_t acpi_get(struct acpi_table table, uint32_t offset, uint32_t width)
{
    uint64_t value = 0;

    if (offset <= table.size && width <= table.size - offset)
        memcpy(&value, table.data + offset, width);
    return value;
}

static void put(uint64_t value, uint32_t width)
{
    memcpy(bytes + used, &value, width);
    used += width;
}

static void entry(uint8_t kind, uint16_t requester, uint8_t setting)
{
    put(kind, 1);
    put(requester, 2);
    put(setting, 1);
}

/* Its length is written by end(). */
static uint32_t unit(uint8_t kind, uint16_t requester, uint64_t base)
{
    uint32_t at = used;

    put(kind, 4);
    put(requester, 2);
    put(0x40, 2);
    put(base, 8);
    put(0, 2); /* segment */
    put(0, 2);
    put(0, 4);
    if (kind != 0x10) {
        put(0, 8);
        put(0, 8);
    }
    return at;
}

static void end(uint32_t at)
{
    uint16_t size = (uint16_t)(used - at);

    memcpy(bytes + at + 2, &size, sizeof(size));
}

static void memory(uint8_t kind, uint16_t first, uint16_t last, uint64_t base, uint64_t size)
{
    put(kind | 7u << 8 | 32u << 16, 4);
    put(first, 2);
    put(last, 2);
    put(0, 8);
    put(base, 8);
    put(size, 8);
}

/* In memory of exactly that size: a byte more is ASan's. */
static void read_it(void)
{
    uint8_t *copy = malloc(used);

    memcpy(copy, bytes, used);
    ivrs_read((struct acpi_table){copy, used});
    free(copy);
}

static int setup(void **state)
{
    (void)state;
    memset(bytes, 0, sizeof(bytes));
    used = 36;
    put(1 | 48u << 8 | 64u << 15, 4); /* 48 physical bits */
    put(0, 8);
    return 0;
}

static void expect_range(uint32_t i, uint16_t first, uint16_t last, uint16_t alias)
{
    assert_true(i < ivrs.range_count);
    assert_int_equal(ivrs.range[i].first, first);
    assert_int_equal(ivrs.range[i].last, last);
    assert_int_equal(ivrs.range[i].alias, alias);
}

static void a_unit_its_devices_and_memory(void **state)
{
    uint32_t at = unit(0x10, 0x0002, 0xfed80000);

    (void)state;
    entry(0, 0, 0);       /* padding */
    entry(2, 0x0010, 0);  /* 00:02.0 */
    entry(3, 0x0100, 2);  /* 01:00.0 ... */
    entry(4, 0x01ff, 0);  /* ... 01:1f.7 */
    entry(66, 0x0200, 0); /* 02:00.0 says that it is 00:14.4 */
    put((uint64_t)0x00a4 << 8, 4);
    entry(67, 0x0300, 0);
    put((uint64_t)0x00a5 << 8, 4);
    entry(4, 0x0307, 0);
    entry(70, 0x0018, 0);
    put(0, 4);
    entry(72, 0, 0xd7); /* the IOAPIC */
    put(1 | 0x00a0u << 8 | 1u << 24, 4);
    entry(72, 0, 0); /* an HPET */
    put(0 | 0x00a0u << 8 | 2u << 24, 4);
    end(at);
    memory(0x21, 0x0010, 0, 0x7f000000, 0x10000);
    memory(0x22, 0x0100, 0x0107, 0x7e000000, 0x1000);
    memory(0x20, 5, 0, 0x7d000000, 0x1000);
    read_it();
    assert_false(ivrs.damaged);
    assert_int_equal(ivrs.physical_bits, 48);
    assert_int_equal(ivrs.unit_count, 1);
    assert_int_equal(ivrs.unit[0].base.value, 0xfed80000);
    assert_int_equal(ivrs.unit[0].requester, 2);
    assert_int_equal(ivrs.range_count, 5);
    expect_range(0, 0x0010, 0x0010, 0);
    expect_range(1, 0x0100, 0x01ff, 0);
    expect_range(2, 0x0200, 0x0200, 0x00a4);
    expect_range(3, 0x0300, 0x0307, 0x00a5);
    expect_range(4, 0x0018, 0x0018, 0);
    assert_int_equal(ivrs.ioapic_count, 1);
    assert_int_equal(ivrs.ioapic[0].id, 1);
    assert_int_equal(ivrs.ioapic[0].requester, 0x00a0);
    assert_int_equal(ivrs.memory_count, 3);
    assert_int_equal(ivrs.memory[1].first, 0x0100);
    assert_int_equal(ivrs.memory[1].last, 0x0107);
    assert_int_equal(ivrs.memory[2].first, 0);
    assert_int_equal(ivrs.memory[2].last, 0xffff);
}

/* The newest type that firmware has tells of a unit; the older ones repeat it. */
static void the_newest_block_of_a_unit_counts(void **state)
{
    uint32_t at = unit(0x10, 0x0002, 0xfed80000);

    (void)state;
    entry(2, 0x0010, 0);
    end(at);
    at = unit(0x11, 0x0002, 0xfed80000);
    entry(2, 0x0011, 0);
    end(at);
    at = unit(0x40, 0x0002, 0xfed80000);
    entry(240, 0x0012, 0); /* a device with a name of ACPI's: 8 + 8 bytes, and a text of 5 */
    memcpy(bytes + used, "AMDI0020", 8);
    used += 16;
    put(1, 1);
    put(5, 1);
    put(0x414243, 5);
    entry(1, 0x1234, 0);
    end(at);
    at = unit(0x11, 0x0102, 0xfed90000);
    entry(2, 0x0113, 0);
    end(at);
    read_it();
    assert_false(ivrs.damaged);
    assert_int_equal(ivrs.unit_count, 2);
    assert_int_equal(ivrs.range_count, 2);
    expect_range(0, 0, 0xffff, 0);
    expect_range(1, 0x0113, 0x0113, 0);
}

static void damage_is_noticed(void **state)
{
    uint32_t at = unit(0x10, 2, 0xfed80000);

    (void)state;
    entry(66, 0x0010, 0); /* 8 bytes, of which 4 are missing */
    end(at);
    read_it();
    assert_true(ivrs.damaged);
    assert_int_equal(ivrs.range_count, 0);

    setup(NULL);
    put(0x10 | 3u << 16, 4); /* a block shorter than its header */
    read_it();
    assert_true(ivrs.damaged);

    setup(NULL);
    put(0x10 | 100u << 16, 4); /* one beyond the table */
    read_it();
    assert_true(ivrs.damaged);

    setup(NULL);
    end(unit(0x10, 2, 0xfed80800)); /* registers that begin within a page */
    read_it();
    assert_true(ivrs.damaged && ivrs.unit_count == 0);

    setup(NULL);
    memory(0x22, 0x0107, 0x0100, 0x7e000000, 0x1000);
    read_it();
    assert_true(ivrs.damaged && ivrs.memory_count == 0);
}

static void there_are_limits(void **state)
{
    uint32_t at;

    (void)state;
    for (uint32_t i = 0; i < IVRS_UNITS_MAX + 1; i++) {
        if (i == IVRS_UNITS_MAX) {
            read_it();
            assert_false(ivrs.damaged);
        }
        end(unit(0x10, (uint16_t)i, 0xfed80000 + i * 0x4000));
    }
    read_it();
    assert_true(ivrs.damaged);
    assert_int_equal(ivrs.unit_count, IVRS_UNITS_MAX);

    setup(NULL);
    at = unit(0x10, 0, 0xfed80000);
    for (uint32_t n = 0; n < IVRS_RANGES_MAX + 1; n++)
        entry(2, (uint16_t)n, 0);
    end(at);
    read_it();
    assert_true(ivrs.damaged);
    assert_int_equal(ivrs.range_count, IVRS_RANGES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_unit_its_devices_and_memory, setup),
        cmocka_unit_test_setup(the_newest_block_of_a_unit_counts, setup),
        cmocka_unit_test_setup(damage_is_noticed, setup),
        cmocka_unit_test_setup(there_are_limits, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
