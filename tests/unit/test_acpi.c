// SPDX-License-Identifier: Apache-2.0
/* The reader of ACPI tables (boot/x86/acpi.c) on those of a small PC: tests/fuzz/corpus/acpi/pc, behind its first byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <boot/x86/acpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIOS 0xe0000u
#define MAPPINGS_MAX 256
#define TABLES 64u /* offset of the RSDT or XSDT */

struct platform platform;
struct facts facts;
static uint8_t memory[0x20000];
static void *mappings[MAPPINGS_MAX];
static unsigned mapping_count;

/* Of exactly that size: a byte more is ASan's. */
const uint8_t *firmware_memory(uint64_t address, uint64_t size)
{
    uint8_t *mapping = calloc(1, size);

    for (uint64_t i = 0; i < size; i++)
        if (address + i - BIOS < sizeof(memory))
            mapping[i] = memory[address + i - BIOS];
    assert_true(mapping_count < MAPPINGS_MAX);
    return mappings[mapping_count++] = mapping;
}

static const char *read_tables(void)
{
    const char *flaw;

    platform = (struct platform){.cpu_count = 1};
    facts = (struct facts){.clock_port = 0x70};
    flaw = acpi_read();
    while (mapping_count > 0)
        free(mappings[--mapping_count]);
    return flaw;
}

static int setup(void **state)
{
    FILE *file = fopen("tests/fuzz/corpus/acpi/pc", "rb");
    uint64_t tables = BIOS + TABLES;

    (void)state;
    memset(memory, 0, sizeof(memory));
    assert_non_null(file);
    assert_int_not_equal(fgetc(file), EOF);
    assert_true(fread(memory + TABLES, 1, sizeof(memory) - TABLES, file) > 500);
    fclose(file);
    memcpy(memory, "RSD PTR ", 8);
    memory[15] = 2;
    memcpy(memory + 24, &tables, 8);
    for (unsigned i = 0; i < 20; i++)
        if (i != 8)
            memory[8] = (uint8_t)(memory[8] - memory[i]);
    return 0;
}

static void finds_what_a_pc_has(void **state)
{
    (void)state;
    assert_null(read_tables());
    assert_int_equal(platform.cpu_count, 3);
    assert_int_equal(platform.arch.apic_id[1], 1);
    assert_int_equal(platform.arch.apic_id[2], 300); /* an x2APIC entry */
    assert_int_equal(platform.arch.ioapic_count, 1);
    assert_int_equal(platform.arch.ioapic[0].base.value, 0xfec00000);
    assert_int_equal(platform.arch.isa[0].line, 2); /* an override */
    assert_int_equal(platform.arch.isa[4].line, 4);
    assert_int_equal(platform.pci.ecam.value, 0xb0000000);
    assert_int_equal(platform.pci.bus_last, 255);
    assert_int_equal(facts.hpet, 0xfed00000);
    assert_int_equal(facts.pm_timer_port, 0x608);
    assert_true(facts.pm_timer_32);
    assert_int_equal(platform.arch.reset_port, 0xcf9);
    assert_int_equal(platform.arch.reset_memory.value, 0);
    assert_int_equal(platform.arch.reset_value, 15);
    assert_true(platform.arch.can_sleep);
    assert_int_equal(platform.arch.sleep_port[0], 0x604);
    assert_int_equal(platform.arch.sleep_type[0], 5);
    assert_int_equal(platform.arch.sleep_type[1], 1);
    assert_int_equal(facts.clock_port, 0x70);
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    memory[TABLES] ^= 1;
    assert_string_equal(read_tables(), "its ACPI tables are damaged");
    memory[0] ^= 1;
    assert_string_equal(read_tables(), "its firmware has no ACPI tables");
}

/* One wrong byte in a table: that table is not used, or none is. */
static void a_damaged_table_is_not_used(void **state)
{
    (void)state;
    memory[TABLES + 40] ^= 0x80; /* in the root */
    assert_string_equal(read_tables(), "its ACPI tables name no IOAPIC");
    memory[TABLES + 40] ^= 0x80;
    memory[TABLES + 68 + 44 + 3] ^= 2; /* the first CPU's number, in the MADT behind it */
    assert_string_equal(read_tables(), "its ACPI tables name no IOAPIC");
    assert_int_equal(platform.cpu_count, 1);
}

/* The FADT of the corpus lies behind the MADT. */
static void a_reset_register_may_lie_in_memory(void **state)
{
    uint8_t *fadt = memory + TABLES;

    (void)state;
    while (memcmp(fadt, "FACP", 4))
        fadt += 4;
    assert_int_equal(fadt[116], 1); /* its address space: ports */
    fadt[116] = 0;
    fadt[9]++; /* the checksum */
    assert_null(read_tables());
    assert_int_equal(platform.arch.reset_port, 0);
    assert_int_not_equal(platform.arch.reset_memory.value, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(finds_what_a_pc_has, setup),
        cmocka_unit_test_setup(says_what_is_wrong, setup),
        cmocka_unit_test_setup(a_damaged_table_is_not_used, setup),
        cmocka_unit_test_setup(a_reset_register_may_lie_in_memory, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
