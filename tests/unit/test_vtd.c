// SPDX-License-Identifier: Apache-2.0
/*
 * The VT-d driver on two units that behave as the specification says: what the emulator's does not have (several units,
 * scopes, units that do not answer, fault records). Whenever the driver looks at the time, the units do what they were
 * told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arch/apic.h>
#include <arch/dmar.h>
#include <arch/stage2.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/pci.h>
#include <devices/iommu/vtd.h>
#include <stdlib.h>
#include <string.h>

#define UNITS 2
#define BUS 0x40u /* behind the bridge at 00:1c.0 */
#define FRO 0x20u /* fault records at 0x200, two of them */
#define CAP (0x2ull | 1ull << 4 | 1ull << 10 | 38ull << 16 | (uint64_t)FRO << 24 | 3ull << 34 | 1ull << 40)
#define ECAP (1ull << 1 | 1ull << 3 | 1ull << 4)

struct platform platform;
struct cpu cpus[BULKHEAD_CPUS_MAX] = {{.id = 7}, {.id = 0x1234}};
struct dmar dmar;
static struct unit_model {
    uint8_t registers[4096] __attribute__((aligned(4096)));
    uint32_t head;
    unsigned done[8]; /* descriptors by type */
    bool dead;
} models[UNITS];
static uint64_t now;
static struct {
    unsigned faults, reserved;
    uint32_t requester;
    uint64_t address;
    enum iommu_refusal what;
    struct nested_tables tables;
} seen;

static uint32_t *at32(unsigned unit, uint32_t offset)
{
    return (uint32_t *)(models[unit].registers + offset);
}
static uint64_t *at64(unsigned unit, uint32_t offset)
{
    return (uint64_t *)(models[unit].registers + offset);
}

static void work(unsigned unit)
{
    struct unit_model *model = &models[unit];
    uint32_t *command = at32(unit, 0x18), *status = at32(unit, 0x1c);

    if (model->dead)
        return;
    *status = (*command & (1u << 31 | 1u << 26 | 1u << 25)) | ((*status | *command) & (1u << 30 | 1u << 24));
    if (!(*status & 1u << 26)) {
        model->head = 0;
        return;
    }
    while (model->head != *at64(unit, 0x88)) {
        uint64_t *descriptor = (uint64_t *)(*at64(unit, 0x90) + model->head);

        model->done[descriptor[0] & 7]++;
        if ((descriptor[0] & 15) == 5)
            *(uint32_t *)descriptor[1] = (uint32_t)(descriptor[0] >> 32);
        model->head = (model->head + 16) % 4096;
    }
}

uint64_t time_ns(void)
{
    for (unsigned i = 0; i < UNITS; i++)
        work(i);
    return now += 1000000;
}
void *kernel_map_device(struct hpa base, uint64_t size)
{
    (void)size;
    return models[base.value / PAGE_SIZE - 1].registers;
}
struct hpa kernel_hpa(const void *address)
{
    return hpa((uint64_t)address);
}
void *memory_pages(uint64_t count)
{
    static uint8_t pool[128][PAGE_SIZE] __attribute__((aligned(4096)));
    static uint64_t used;

    used += count;
    assert_true(used <= 128);
    return pool[used - count];
}
void cache_clean(const void *address, uint64_t size)
{
    (void)address, (void)size;
}
void nested_map(const struct nested_tables *tables, uint64_t from, uint64_t to, uint64_t length, uint32_t rights)
{
    (void)from, (void)to, (void)length, (void)rights;
    seen.tables = *tables;
}
struct pci_function *pci_find(uint16_t requester)
{
    static struct pci_function bridge = {.bridge = true}, endpoint;

    return requester == 0x1c << 3 ? &bridge : requester == 0x10 ? &endpoint : NULL;
}
uint32_t pci_read(const struct pci_function *function, uint32_t offset, uint32_t width)
{
    (void)function, (void)width;
    assert_int_equal(offset, PCI_BUSES);
    return BUS << 8 | (BUS + 1) << 16;
}
void iommu_reserve(uint32_t requester, struct hpa base, uint64_t size)
{
    assert_int_equal(requester, BUS << 8);
    assert_int_equal(base.value, 0x7b000000);
    assert_int_equal(size, 0x1000);
    seen.reserved++;
}
void iommu_fault(uint32_t requester, uint64_t address, enum iommu_refusal what)
{
    seen.faults++;
    seen.requester = requester;
    seen.address = address;
    seen.what = what;
}
void log_line(const char *format, ...)
{
    (void)format;
}
void check_failed(const char *file, int line, const char *text)
{
    mock_assert(0, text, file, line);
    abort();
}

static struct iommu start(void)
{
    memset(models, 0, sizeof(models));
    for (unsigned i = 0; i < UNITS; i++) {
        *at64(i, 0x08) = CAP;
        *at64(i, 0x10) = ECAP;
    }
    *at64(1, 0x08) = CAP & ~(1ull << 35); /* no pages of 1 GiB */
    dmar = (struct dmar){
        .unit = {{hpa(PAGE_SIZE), 0, false}, {hpa(2 * PAGE_SIZE), 0, false}},
        .units = UNITS,
        .region = {{hpa(0x7b000000), 0x1000}},
        .regions = 1,
        .scope = {{0, DMAR_ENDPOINT, 0, 0, 1, {0x10}},
                  {1, DMAR_BRIDGE, 0, 0, 1, {0x1c << 3}},
                  {1, DMAR_IOAPIC, 9, 0xf0, 1, {0xf8}},
                  {DMAR_UNITS_MAX, DMAR_ENDPOINT, 0, 0, 2, {0x1c << 3, 0}}},
        .scopes = 4,
        .remapping = true,
    };
    platform.arch.ioapic_count = 1;
    platform.arch.ioapic[0].id = 9;
    return vtd_find();
}

static void a_unit_that_does_not_answer_is_none(void **state)
{
    (void)state;
    start();
    models[1].dead = true;
    memset(models[1].registers + 0x18, 0, 8);
    assert_null(vtd_find().ops);
}

static void a_table_that_is_not_sound_is_none(void **state)
{
    (void)state;
    start();
    dmar.unsound = true;
    assert_null(vtd_find().ops);
}

static void takes_all_units(void **state)
{
    struct iommu iommu = start();

    (void)state;
    assert_non_null(iommu.ops);
    assert_int_equal(iommu.address_bits, 39);
    assert_int_equal(iommu.spaces_max, 255);
    assert_false(iommu.messages_forgeable);
    for (unsigned i = 0; i < UNITS; i++) {
        assert_int_equal(*at32(i, 0x1c), 0xc7000000); /* translation, root, queue, remapping, its table */
        assert_int_equal(*at64(i, 0x20), *at64(0, 0x20));
        assert_int_equal(*at64(i, 0xb8) & 0xfff, 0x808); /* x2APIC, 512 entries */
        assert_int_equal(*at32(i, 0x3c), VECTOR_IOMMU);
        assert_int_equal(*at32(i, 0x40), 0xfee07000);
        assert_true(models[i].done[1] && models[i].done[2] && models[i].done[4]);
    }
    assert_int_equal(platform.arch.ioapic[0].requester, 0xf0f8);
    assert_int_equal(seen.reserved, 1);
}

static void knows_who_is_whose(void **state)
{
    struct iommu iommu = start();

    (void)state;
    assert_true(iommu.ops->covers(0x10));
    assert_true(iommu.ops->covers(0x1c << 3));
    assert_true(iommu.ops->covers(BUS << 8 | 0x18));
    assert_true(iommu.ops->covers((BUS + 1) << 8));
    assert_false(iommu.ops->covers((BUS + 2) << 8));
    assert_false(iommu.ops->covers(0x18));
    dmar.unit[1].all = true;
    assert_true(iommu.ops->covers(0x18));
    dmar.unit[1].segment = 1;
    assert_false(iommu.ops->covers(0x20));
}

static void lets_in_and_out(void **state)
{
    struct iommu iommu = start();
    struct iommu_space space = {.id = 3};
    uint64_t *root = (uint64_t *)*at64(0, 0x20), *entry;
    unsigned before;

    (void)state;
    iommu.ops->create(&space);
    assert_true(iommu.ops->covers(0x10));
    entry = (uint64_t *)(root[0] & ~0xfffull) + 2 * 0x10;
    assert_int_equal(root[0] & 0xfff, 1);
    assert_int_equal(entry[0], 0);
    iommu.ops->map(&space, ipa(0), hpa(0), PAGE_SIZE, STAGE2_READ);
    assert_ptr_equal(seen.tables.root, space.root);
    assert_int_equal(seen.tables.top_shift, 39);
    assert_int_equal(seen.tables.largest_shift, 21); /* what both have */
    assert_true(seen.tables.clean);
    iommu.ops->attach(0x10, &space);
    assert_int_equal(entry[0], space.root_hpa | 1);
    assert_int_equal(entry[1], 3 << 8 | 2);
    before = models[0].done[1];
    iommu.ops->attach(0x10, NULL);
    assert_int_equal(entry[0], 0);
    assert_int_equal(models[0].done[1], before + 1); /* nothing cached is left */
    assert_int_equal(models[1].done[2], models[0].done[2]);
    for (unsigned i = 0; i < 300; i++) /* the queue goes round */
        iommu.ops->invalidate(&space);
    models[1].dead = true;
    expect_assert_failure(iommu.ops->invalidate(&space));
}

static void remaps_messages(void **state)
{
    struct iommu iommu = start();
    struct message message;
    uint64_t *entry = (uint64_t *)(*at64(0, 0xb8) & ~0xfffull) + 2 * 300;
    unsigned before = models[1].done[4];

    (void)state;
    assert_true(iommu.ops->remap(300, 0x10, 1, 0x41, &message));
    assert_int_equal(message.address, 0xfee00010 | 300 << 5);
    assert_int_equal(message.data, 0);
    assert_int_equal(entry[0], 0x1234ull << 32 | 0x41 << 16 | 1);
    assert_int_equal(entry[1], 1 << 18 | 0x10); /* only this one sends it */
    assert_int_equal(models[1].done[4], before + 1);
    assert_true(iommu.ops->remap(300, 0x10, 0, 0x42, &message));
    assert_int_equal(entry[0], 7ull << 32 | 0x42 << 16 | 1);
    assert_true(iommu.ops->remap(300, 0x10, 0, 0, &message));
    assert_int_equal(entry[0], 0);
}

static void a_cpu_out_of_reach_gets_no_message(void **state)
{
    struct iommu iommu;
    struct message message;

    (void)state;
    start();
    *at64(1, 0x10) &= ~(1ull << 4);
    iommu = vtd_find();
    assert_int_equal(*at64(0, 0xb8) & 0x800, 0);
    assert_false(iommu.ops->remap(1, 0x10, 1, 0x41, &message));
    assert_true(iommu.ops->remap(1, 0x10, 0, 0x41, &message));
    assert_int_equal(((uint64_t *)(*at64(0, 0xb8) & ~0xfffull))[2], 7ull << 40 | 0x41 << 16 | 1);
}

static void reports_faults(void **state)
{
    struct iommu iommu = start();

    (void)state;
    iommu.ops->poll_faults();
    assert_int_equal(seen.faults, 0);
    *at64(1, 0x210) = 0x123456789000;
    *at64(1, 0x218) = 1ull << 63 | 1ull << 62 | 6ull << 32 | 0x4018;
    *at32(1, 0x34) = 1 << 8 | 2; /* the second record is the first */
    iommu.ops->poll_faults();
    assert_int_equal(seen.faults, 1);
    assert_int_equal(seen.requester, 0x4018);
    assert_int_equal(seen.address, 0x123456789000);
    assert_int_equal(seen.what, IOMMU_REFUSED_READ);
    *at32(1, 0x34) = 1 << 8 | 2;
    *at64(1, 0x210) = 300ull << 48;
    *at64(1, 0x218) = 1ull << 63 | 0x26ull << 32 | 0x10;
    iommu.ops->poll_faults();
    assert_int_equal(seen.requester, 0x10);
    assert_int_equal(seen.address, 300);
    assert_int_equal(seen.what, IOMMU_REFUSED_MESSAGE);
    iommu.ops->listen(true);
    assert_int_equal(*at32(1, 0x38), 0);
    iommu.ops->listen(false);
    assert_int_equal(*at32(1, 0x38), 1u << 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_all_units),
        cmocka_unit_test(a_unit_that_does_not_answer_is_none),
        cmocka_unit_test(a_table_that_is_not_sound_is_none),
        cmocka_unit_test(knows_who_is_whose),
        cmocka_unit_test(lets_in_and_out),
        cmocka_unit_test(remaps_messages),
        cmocka_unit_test(reports_faults),
        cmocka_unit_test(a_cpu_out_of_reach_gets_no_message),
    };

    return cmocka_run_group_tests_name("VT-d", tests, NULL, NULL);
}
