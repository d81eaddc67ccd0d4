// SPDX-License-Identifier: Apache-2.0
/* The reader of the DMAR table: what it finds, and that it trusts no table that it cannot read to its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <boot/x86/acpi.h>
#include <stdlib.h>
#include <string.h>

uint64_t acpi_get(struct acpi_table table, uint32_t offset, uint32_t width)
{
    uint64_t value = 0;

    if (offset <= table.size && width <= table.size - offset)
        memcpy(&value, table.data + offset, width);
    return value;
}

static uint8_t table[4096];
static uint32_t used;

static void put(uint64_t value, uint32_t width)
{
    memcpy(table + used, &value, width);
    used += width;
}

static void put_scope(uint8_t type, uint8_t id, uint8_t bus, unsigned hops, const uint8_t *path)
{
    put(type, 1);
    put(6 + 2 * hops, 1);
    put(0, 2);
    put(id, 1);
    put(bus, 1);
    for (unsigned i = 0; i < 2 * hops; i++)
        put(path[i], 1);
}

static void put_unit(uint8_t flags, uint16_t segment, uint64_t base, uint16_t scopes_size)
{
    put(0, 2);
    put(16u + scopes_size, 2);
    put(flags, 2);
    put(segment, 2);
    put(base, 8);
}

static void put_region(uint64_t base, uint64_t last, uint16_t segment)
{
    put(1, 2);
    put(24 + 8, 2);
    put(0, 2);
    put(segment, 2);
    put(base, 8);
    put(last, 8);
    put_scope(DMAR_ENDPOINT, 0, 0, 1, (const uint8_t[]){0x1d, 0});
}

/* Of exactly the table's size: a byte more is ASan's. */
static void read_it(void)
{
    uint8_t *copy = malloc(used);

    memcpy(copy, table, used);
    dmar_read((struct acpi_table){copy, used});
    free(copy);
}

static int setup(void **state)
{
    (void)state;
    memset(table, 0, sizeof(table));
    table[37] = 1;
    used = 48;
    put_unit(0, 0, 0xfed90000, 8 + 10);
    put_scope(DMAR_ENDPOINT, 0, 0, 1, (const uint8_t[]){2, 0});
    put_scope(DMAR_BRIDGE, 0, 0x80, 2, (const uint8_t[]){0x1c, 1, 0, 0});
    put_unit(1, 0, 0xfed91000, 8);
    put_scope(DMAR_IOAPIC, 8, 0xf0, 1, (const uint8_t[]){0x1f, 7});
    put_region(0x7b000000, 0x7b7fffff, 0);
    put_region(0x7c000000, 0x7c7fffff, 1);
    put(3, 2); /* an RHSA */
    put(20, 2);
    put(0, 8);
    put(0, 8);
    return 0;
}

static void finds_units_scopes_and_regions(void **state)
{
    (void)state;
    read_it();
    assert_false(dmar.unsound);
    assert_true(dmar.remapping);
    assert_int_equal(dmar.units, 2);
    assert_int_equal(dmar.unit[0].base.value, 0xfed90000);
    assert_false(dmar.unit[0].all);
    assert_true(dmar.unit[1].all);
    assert_int_equal(dmar.scopes, 4);
    assert_int_equal(dmar.scope[0].path[0], 0x10);
    assert_int_equal(dmar.scope[1].type, DMAR_BRIDGE);
    assert_int_equal(dmar.scope[1].bus, 0x80);
    assert_int_equal(dmar.scope[1].hops, 2);
    assert_int_equal(dmar.scope[1].path[0], 0xe1);
    assert_int_equal(dmar.scope[2].of, 1);
    assert_int_equal(dmar.scope[2].id, 8);
    assert_int_equal(dmar.scope[2].path[0], 0xff);
    assert_int_equal(dmar.regions, 1); /* the other is another segment's */
    assert_int_equal(dmar.region[0].size, 0x800000);
    assert_int_equal(dmar.scope[3].of, DMAR_UNITS_MAX);
    assert_int_equal(dmar.scope[3].path[0], 0xe8);
}

static void expect_unsound(void)
{
    read_it();
    assert_true(dmar.unsound);
}

static void a_table_that_does_not_end_is_not_trusted(void **state)
{
    uint32_t size = used;

    (void)state;
    for (used = 0; used < size; used++) { /* cut off anywhere, unless between two structures */
        read_it();
        assert_true(dmar.units <= 2 && dmar.scopes <= 4);
        if (used != 48 && used != 48 + 34 && used != 48 + 34 + 24 && used != size - 20 && used != size - 20 - 32 &&
            used != size - 20 - 64)
            assert_true(dmar.unsound);
    }
    used = size;
    table[50] = 3; /* a structure shorter than its header */
    expect_unsound();
    setup(state);
    table[48 + 16 + 1] = 5; /* a scope likewise */
    expect_unsound();
    setup(state);
    table[48 + 16 + 1] = 200; /* longer than its unit */
    expect_unsound();
}

static void more_than_there_is_room_for_is_not_trusted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DMAR_UNITS_MAX - 2; i++)
        put_unit(0, 0, 0x1000, 0);
    read_it();
    assert_false(dmar.unsound);
    put_unit(0, 0, 0x1000, 0);
    expect_unsound();
    setup(state);
    for (unsigned i = 0; i < DMAR_REGIONS_MAX; i++)
        put_region(0x1000, 0x1fff, 0);
    expect_unsound();
    setup(state);
    put_region(0x2000, 0x1fff, 0); /* ends before it begins */
    expect_unsound();
    setup(state);
    put_unit(0, 0, 0x1000, 16);
    put_scope(DMAR_ENDPOINT, 0, 0, DMAR_PATH_MAX + 1, (const uint8_t[10]){0});
    expect_unsound();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(finds_units_scopes_and_regions, setup),
        cmocka_unit_test_setup(a_table_that_does_not_end_is_not_trusted, setup),
        cmocka_unit_test_setup(more_than_there_is_room_for_is_not_trusted, setup),
    };

    return cmocka_run_group_tests_name("DMAR", tests, NULL, NULL);
}
