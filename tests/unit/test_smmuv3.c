// SPDX-License-Identifier: Apache-2.0
/*
 * SMMUv3 (devices/iommu/smmuv3.c) against units that are threads: they acknowledge, and execute commands as they come.
 */
#include <arch/stage2.h>
#include <core/arch.h>
#include <core/log.h>
#include <core/memory.h>
#include <devices/iommu/smmuv3.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNITS SMMUV3_UNITS_MAX
#define IDR0_GOOD 0x0d44101bu /* as QEMU's */
#define IDR1_GOOD 0x00e739d0u /* queues of 2^19, streams of 16 bits */
#define IDR5_GOOD 0x00000014u /* 44 bits, 4 KiB */
#define ABORT (1u << 20)
#define UPDATE (1u << 31)
#define OVERFLOW (1u << 31)
#define COMMANDS_MAX 64

static struct unit {
    _Alignas(4096) uint8_t registers[0x20000];
    uint64_t commands[COMMANDS_MAX][2];
    _Atomic uint32_t count;
    _Atomic bool deaf, wrong;
} models[UNITS];
static _Atomic bool over;
static pthread_t threads[UNITS];

static volatile uint32_t *at(struct unit *unit, uint32_t offset)
{
    return (volatile uint32_t *)(unit->registers + offset);
}

static uint64_t wide(struct unit *unit, uint32_t offset)
{
    return *at(unit, offset) | (uint64_t)*at(unit, offset + 4) << 32;
}

static void execute(struct unit *unit)
{
    uint64_t base = wide(unit, 0x90);
    uint32_t mask = (2u << (base & 31)) - 1, consumed = *at(unit, 0x9c) & mask;
    const uint64_t *command = (const uint64_t *)(base & 0xfffffffffffe0) + 2 * (consumed & mask >> 1);

    if (consumed == (*at(unit, 0x98) & mask))
        return;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    switch (command[0] & 0xff) {
    case 0x03:                         /* of a stream */
        unit->wrong |= command[1] & 1; /* the descriptor has to be forgotten too */
        break;
    case 0x04: /* of all */
    case 0x28:
    case 0x30:
    case 0x46:
        break;
    default:
        unit->wrong = true;
    }
    if (unit->count < COMMANDS_MAX)
        memcpy(unit->commands[unit->count++], command, 16);
    *at(unit, 0x9c) = (consumed + 1) & mask;
}

static void *run(void *argument)
{
    struct unit *unit = argument;

    while (!over) {
        uint32_t gbpa = *at(unit, 0x44), control = *at(unit, 0x20);

        if (gbpa & UPDATE)
            *at(unit, 0x44) = gbpa & ~UPDATE;
        *at(unit, 0x24) = control;
        *at(unit, 0x54) = *at(unit, 0x50);
        if ((control & 8) && !unit->deaf)
            execute(unit);
        sched_yield();
    }
    return NULL;
}

/* What the driver asks of the kernel. */

void *memory_pages_aligned(uint64_t count)
{
    void *pages = aligned_alloc(count * PAGE_SIZE, count * PAGE_SIZE);

    return memset(pages, 0, count * PAGE_SIZE);
}
void *memory_pages(uint64_t count)
{
    return memory_pages_aligned(count);
}
struct hpa kernel_hpa(const void *address)
{
    return hpa((uint64_t)address);
}
void *kernel_map_device(struct hpa base, uint64_t size)
{
    assert_int_equal(size, sizeof(models[0].registers));
    return models[base.value].registers;
}
unsigned stage2_bits(void)
{
    return 40;
}
uint64_t stage2_vtcr(void)
{
    return 0x80023558; /* 40 bits, from level 1, write-back, inner shareable; output of 40 bits */
}
static unsigned lines;
void log_line(const char *format, ...)
{
    (void)format;
    lines++;
}
void check_failed(const char *file, int line, const char *text)
{
    mock_assert(0, text, file, line);
    abort();
}

static struct smmuv3 *take(unsigned index, uint32_t idr0, uint32_t idr1, uint32_t idr5)
{
    struct unit *unit = &models[index];

    *at(unit, 0x00) = idr0;
    *at(unit, 0x04) = idr1;
    *at(unit, 0x14) = idr5;
    *at(unit, 0x20) = 1; /* firmware has left it on */
    *at(unit, 0x44) = 0x1000;
    if (!threads[index])
        pthread_create(&threads[index], NULL, run, unit);
    return smmuv3_take(index, hpa(index));
}

/* The entry of a stream as the unit finds it; NULL: there is none. */
static const uint64_t *entry_of(struct unit *unit, uint32_t stream)
{
    uint64_t base = wide(unit, 0x80) & 0xfffffffffffc0;
    uint32_t config = *at(unit, 0x88);

    if (stream >> (config & 63))
        return NULL;
    if (!(config >> 16 & 3))
        return (const uint64_t *)base + stream * 8;

    uint64_t leaf = ((const uint64_t *)base)[stream >> 6];

    assert_int_equal(config >> 6 & 31, 6);
    if (!(leaf & 31))
        return NULL;
    assert_int_equal(leaf & 31, 7);
    return (const uint64_t *)(leaf & 0xfffffffffffc0) + (stream & 63) * 8;
}

static bool blocked(struct unit *unit, uint32_t stream)
{
    const uint64_t *entry = entry_of(unit, stream);

    return !entry || !(entry[0] & 1);
}

static struct smmuv3 *good;
static const struct iommu_space space = {.root_hpa = 0x123450000, .id = 5};

static void everything_is_blocked_at_first(void **state)
{
    (void)state;
    good = take(0, IDR0_GOOD, IDR1_GOOD, IDR5_GOOD);
    assert_null(smmuv3_trouble(good));
    assert_int_equal(*at(&models[0], 0x44), ABORT);
    assert_int_equal(*at(&models[0], 0x20), 0xd);
    for (uint32_t stream = 0; stream < 1u << 16; stream++)
        assert_true(blocked(&models[0], stream));
    assert_int_equal(models[0].commands[0][0], 0x04); /* forgets what firmware had */
    assert_int_equal(models[0].commands[1][0], 0x30);
    assert_int_equal(models[0].commands[2][0], 0x46);
}

static void a_stream_is_its_domains_while_attached(void **state)
{
    const uint64_t *entry;

    (void)state;
    assert_false(smmuv3_prepare(good, 1u << 16));
    assert_true(smmuv3_prepare(good, 0x1234));
    assert_true(smmuv3_prepare(good, 0x1234) && blocked(&models[0], 0x1234));
    models[0].count = 0;
    smmuv3_attach(good, 0x1234, &space);
    entry = entry_of(&models[0], 0x1234);
    assert_int_equal(entry[0], 0xd);
    assert_int_equal(entry[1] >> 28 & 3, 0); /* no ATS: a device's own translations are not believed */
    assert_int_equal(entry[2] & 0xffff, 5);
    assert_int_equal(entry[2] >> 32 & 0xffff, 0x3558);
    assert_int_equal(entry[2] >> 48, 4 | 1u << 3 | 1u << 10); /* 44 bits; AArch64; faults are recorded */
    assert_int_equal(entry[3], space.root_hpa);
    assert_int_equal(models[0].count, 4);
    assert_int_equal(models[0].commands[2][0], 0x03 | 0x1234ull << 32);
    assert_int_equal(models[0].commands[3][0], 0x46);
    for (uint32_t stream = 0; stream < 1u << 16; stream++)
        assert_true(stream == 0x1234 || blocked(&models[0], stream));

    models[0].count = 0;
    smmuv3_attach(good, 0x1234, NULL);
    smmuv3_invalidate(good, &space);
    assert_true(blocked(&models[0], 0x1234));
    assert_int_equal(models[0].commands[2][0], 0x28 | 5ull << 32);
    assert_int_equal(models[0].commands[3][0], 0x46);
    for (uint32_t i = 0; i < 1000; i++) { /* round and round the queue */
        smmuv3_attach(good, 0x1234, i % 2 ? &space : NULL);
        assert_true(blocked(&models[0], 0x1234) == !(i % 2));
    }
    expect_assert_failure(smmuv3_attach(good, 0x4000, &space)); /* not prepared */
}

static uint32_t fault_count, fault_stream;
static uint64_t fault_address;
static bool fault_write;
static void refused(const struct smmuv3 *unit, uint32_t stream, uint64_t address, bool write)
{
    assert_ptr_equal(unit, good);
    fault_count++;
    fault_stream = stream;
    fault_address = address;
    fault_write = write;
}

static void record(uint32_t kind, uint64_t flags, uint64_t address)
{
    uint64_t base = wide(&models[0], 0xa0);
    uint32_t mask = (2u << (base & 31)) - 1, produced = *at(&models[0], 0x100a8);
    uint64_t *event = (uint64_t *)(base & 0xfffffffffffe0) + 4 * (produced & mask >> 1);

    event[0] = kind | 7ull << 32;
    event[1] = flags;
    event[2] = address;
    *at(&models[0], 0x100a8) = ((produced + 1) & mask) | (produced & OVERFLOW);
}

static void faults_are_taken(void **state)
{
    (void)state;
    assert_true(smmuv3_listen(good, true));
    assert_int_equal(*at(&models[0], 0x50), 4);
    record(0x10, 1ull << 39, 0x80000000);
    assert_false(smmuv3_listen(good, true)); /* it is there already, and will not interrupt */
    smmuv3_poll(good, refused);
    assert_true(fault_count == 1 && fault_stream == 7 && fault_address == 0x80000000 && fault_write);
    record(0x13, 1ull << 35, 0x1000);
    smmuv3_poll(good, refused);
    assert_true(fault_count == 2 && fault_address == 0x1000 && !fault_write);
    record(0x04, 0, 0x7777); /* a bad entry: no address */
    smmuv3_poll(good, refused);
    assert_true(fault_count == 3 && fault_address == 0);
    fault_count = 0;
    for (uint32_t i = 0; i < 128; i++)
        record(0x10, 0, i);
    *at(&models[0], 0x100a8) |= OVERFLOW;
    smmuv3_poll(good, refused);
    assert_int_equal(fault_count, 128);
    assert_int_equal(*at(&models[0], 0x100ac), *at(&models[0], 0x100a8)); /* the overflow acknowledged too */
    smmuv3_poll(good, refused);
    assert_int_equal(fault_count, 128);
    *at(&models[0], 0x100a8) ^= 77; /* a unit that says anything: no more than a queue's length a time */
    smmuv3_poll(good, refused);
    assert_true(fault_count <= 256);
}

static void what_cannot_be_used_blocks(void **state)
{
    const uint32_t bad[][3] = {{IDR0_GOOD & ~1u, IDR1_GOOD, IDR5_GOOD},
                               {IDR0_GOOD & ~(1u << 4), IDR1_GOOD, IDR5_GOOD},
                               {IDR0_GOOD & ~(3u << 2), IDR1_GOOD, IDR5_GOOD},
                               {IDR0_GOOD, IDR1_GOOD | 1u << 30, IDR5_GOOD},
                               {IDR0_GOOD, IDR1_GOOD, 0x11},
                               {IDR0_GOOD, IDR1_GOOD, 0x44}};

    (void)state;
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct smmuv3 *unit = take(1, bad[i][0], bad[i][1], bad[i][2]);

        assert_non_null(smmuv3_trouble(unit));
        assert_int_equal(*at(&models[1], 0x20), 0);
        assert_int_equal(*at(&models[1], 0x44), ABORT);
        assert_false(smmuv3_prepare(unit, 0));
        smmuv3_poll(unit, refused);
    }
}

static void a_linear_table(void **state)
{
    struct smmuv3 *unit = take(2, IDR0_GOOD & ~(3u << 27), IDR1_GOOD, IDR5_GOOD);

    (void)state;
    assert_null(smmuv3_trouble(unit));
    assert_true(smmuv3_prepare(unit, 255) && !smmuv3_prepare(unit, 256));
    smmuv3_attach(unit, 255, &space);
    for (uint32_t stream = 0; stream < 300; stream++)
        assert_true(stream == 255 || blocked(&models[2], stream));
    assert_false(blocked(&models[2], 255));
}

static void a_unit_that_stops_blocks_all(void **state)
{
    struct smmuv3 *unit = take(3, IDR0_GOOD, IDR1_GOOD, IDR5_GOOD);

    (void)state;
    assert_true(smmuv3_prepare(unit, 1));
    smmuv3_attach(unit, 1, &space);
    models[3].deaf = true;
    lines = 0;
    smmuv3_attach(unit, 1, NULL);
    assert_non_null(smmuv3_trouble(unit));
    assert_int_equal(*at(&models[3], 0x20), 0);
    assert_int_equal(*at(&models[3], 0x44), ABORT);
    smmuv3_attach(unit, 1, &space); /* costs no more waiting, and changes nothing */
    smmuv3_invalidate(unit, &space);
    assert_int_equal(*at(&models[3], 0x20), 0);
    assert_int_equal(lines, 1);
    for (uint32_t i = 0; i < UNITS; i++)
        assert_false(models[i].wrong);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_blocked_at_first),
        cmocka_unit_test(a_stream_is_its_domains_while_attached),
        cmocka_unit_test(faults_are_taken),
        cmocka_unit_test(a_linear_table),
        cmocka_unit_test(a_unit_that_stops_blocks_all),
        cmocka_unit_test(what_cannot_be_used_blocks),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    over = true;
    return failed;
}
