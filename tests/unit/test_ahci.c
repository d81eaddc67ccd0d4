/* SPDX-License-Identifier: Apache-2.0 */
/* The AHCI driver against a controller and a disk that behave, and such that do not. */
#include "devices/disk/driver.c" /* its list of disks begins anew with each test */
#include "tests/unit/fake_pci.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>

#include "tests/unit/disk_requests.h"
// clang-format on

#define SECTORS 4096u
#define PORT 2u /* where the disk is */
#define BASE (0x100u + PORT * 0x80u)

/* --- The controller with one disk --- */

static struct {
    uint32_t cap, ghc, is;
    uint32_t list, list_high, pis, cmd, sctl, ci, sact, tfd;
    bool queuing, wide, trim, linked, silent, keeps_running, keeps_reset;
    uint64_t bad;          /* a sector that cannot be read */
    uint32_t serial, held; /* mask of slots, while silent */
    uint32_t commands[256], resets, port_resets, done_queued, most;
    uint64_t trimmed, trimmed_from;
    uint8_t *store;
} c;

struct header {
    uint16_t flags, regions;
    uint32_t transferred;
    uint64_t table;
    uint32_t reserved[4];
};

static uint64_t lba_of(const uint8_t *fis)
{
    return fis[4] | (uint64_t)fis[5] << 8 | (uint64_t)fis[6] << 16 | (uint64_t)fis[8] << 24 | (uint64_t)fis[9] << 32 |
           (uint64_t)fis[10] << 40;
}

static struct header *header_of(uint32_t slot)
{
    return (struct header *)(c.list | (uint64_t)c.list_high << 32) + slot;
}

/* Moves what the slot's regions say; all of it must be there. */
static void move(const struct header *header, uint8_t *at, uint64_t bytes, bool write)
{
    const uint8_t *table = (const uint8_t *)header->table;

    assert_int_equal(header->flags & 31, 5);
    assert_int_equal(header->flags >> 6 & 1, write);
    for (uint32_t i = 0; i < header->regions; i++) {
        uint64_t address;
        uint32_t length;

        memcpy(&address, table + 0x80 + 16 * i, 8);
        memcpy(&length, table + 0x80 + 16 * i + 12, 4);
        length++;
        assert_int_equal((address | length) % 2, 0);
        assert_true(length <= bytes);
        if (write)
            memcpy(at, (void *)address, length);
        else
            memcpy((void *)address, at, length);
        at += length;
        bytes -= length;
    }
    assert_int_equal(bytes, 0);
}

static void identify(uint16_t *word)
{
    memset(word, 0, 512);
    for (uint32_t i = 0; i < 10; i++)
        word[10 + i] = (uint16_t)(c.serial + i);
    word[75] = 31;
    word[76] = c.queuing ? 0x100 : 0;
    word[83] = 0x6400;
    word[100] = (uint16_t)(c.wide ? SECTORS / 8 : SECTORS);
    if (c.wide) {
        word[106] = 0x5000;
        word[117] = 2048;
    }
    word[169] = c.trim;
}

static void interrupt(uint32_t cause)
{
    c.pis |= cause;
    c.is |= 1u << PORT;
    fake_interrupt();
}

static void report_error(void)
{
    c.tfd = 0x0441;
    interrupt(1u << 30);
}

static void carry_out(uint32_t slot)
{
    struct header *header = header_of(slot);
    const uint8_t *fis = (const uint8_t *)header->table;
    uint32_t block = c.wide ? 4096 : 512;
    uint64_t lba = lba_of(fis), blocks = fis[12] | fis[13] << 8;
    bool queued = fis[2] == 0x60 || fis[2] == 0x61;

    assert_int_equal(fis[0], 0x27);
    assert_int_equal(fis[1], 0x80);
    c.commands[fis[2]]++;
    if (queued) {
        assert_int_equal(fis[12] >> 3, slot);
        blocks = fis[3] | fis[11] << 8;
    }
    if (fis[2] != 0xec && fis[2] != 0xea && fis[2] != 6 && lba <= c.bad && c.bad < lba + blocks) {
        report_error();
        return;
    }
    switch (fis[2]) {
    case 0xec: {
        uint16_t word[256];

        identify(word);
        move(header, (uint8_t *)word, 512, false);
        break;
    }
    case 0x25:
    case 0x60:
        move(header, c.store + lba * block, blocks * block, false);
        break;
    case 0x35:
    case 0x61:
        move(header, c.store + lba * block, blocks * block, true);
        break;
    case 0x06: {
        uint64_t range[64];

        assert_int_equal(fis[3], 1);
        move(header, (uint8_t *)range, 512, true);
        c.trimmed_from = range[0] & 0xffffffffffff;
        for (uint32_t i = 0; i < 64; i++)
            c.trimmed += range[i] >> 48;
        break;
    }
    default:
        assert_int_equal(fis[2], 0xea);
        assert_int_equal(c.ci, 1u << slot); /* alone */
        break;
    }
    c.ci &= ~(1u << slot);
    c.sact &= ~(1u << slot);
    c.tfd = 0x50;
    interrupt(queued ? 8 : 1);
}

static void issue(uint32_t slots)
{
    c.ci |= slots;
    if ((uint32_t)__builtin_popcount(c.ci) > c.most)
        c.most = (uint32_t)__builtin_popcount(c.ci);
    for (uint32_t i = 0; i < 32; i++)
        if (slots >> i & 1 && !c.silent && !(c.tfd & 1))
            carry_out(i);
}

uint32_t model_read(uint32_t offset)
{
    switch (offset) {
    case 0x00:
        return c.cap;
    case 0x04:
        return c.ghc;
    case 0x08:
        return c.is;
    case 0x0c:
        return 0x3f;
    case BASE + 0x10:
        return c.pis;
    case BASE + 0x18:
        return c.cmd | (c.cmd & 1 ? 0x8000 : 0) | (c.cmd & 0x10 ? 0x4000 : 0) | (c.keeps_running ? 0x8000 : 0);
    case BASE + 0x20:
        return c.tfd;
    case BASE + 0x24:
        return 0x101;
    case BASE + 0x28:
        return c.linked ? 0x123 : 0;
    case BASE + 0x34:
        return c.sact;
    case BASE + 0x38:
        return c.ci;
    default:
        return 0;
    }
}

void model_write(uint32_t offset, uint32_t value)
{
    switch (offset) {
    case 0x04:
        c.resets += value & 1;
        c.ghc = c.keeps_reset ? value : value & ~1u;
        break;
    case 0x08:
        c.is &= ~value;
        break;
    case BASE + 0x00:
        c.list = value;
        break;
    case BASE + 0x04:
        c.list_high = value;
        break;
    case BASE + 0x10:
        c.pis &= ~value;
        break;
    case BASE + 0x18:
        if (!(value & 1) && c.cmd & 1)
            c.ci = c.sact = 0;
        if (value & 1 && !(c.cmd & 1)) {
            assert_true(fake_master);
            c.tfd &= ~1u;
        }
        c.cmd = value & 0xffff3fff;
        break;
    case BASE + 0x2c:
        if (c.sctl & 1 && !(value & 1)) {
            c.port_resets++;
            c.tfd = 0x50;
            c.pis |= 1u << 6;
        }
        c.sctl = value;
        break;
    case BASE + 0x34:
        c.sact |= value;
        break;
    case BASE + 0x38:
        issue(value);
        break;
    default:
        break;
    }
}

/* --- Requests --- */

static enum disk_result do_one(struct test_request *test, uint8_t operation, uint64_t sector, uint64_t sectors)
{
    give(test, operation, sector, sectors);
    fake_pass(30000000000ull);
    assert_true(test->done);
    return test->result;
}

static int set_up(void **state)
{
    (void)state;
    free(c.store);
    memset(&c, 0, sizeof c);
    c.store = malloc(SECTORS * 512);
    for (uint32_t i = 0; i < SECTORS * 512; i++)
        c.store[i] = (uint8_t)(i * 7 + (i >> 9));
    c.cap = 1u << 31 | 1u << 30 | 31u << 8;
    c.tfd = 0x50;
    c.bad = UINT64_MAX;
    c.queuing = c.trim = c.linked = true;
    disk_count = 0;
    fake_pci_reset();
    fake_class = 0x010601;
    return 0;
}

static void start(void)
{
    assert_true(ahci_probe(&fake_function));
    assert_non_null(disk_get(0));
}

/* --- Tests --- */

static void test_finding_it(void **state)
{
    (void)state;
    fake_class = 0x010802;
    assert_false(ahci_probe(&fake_function));
    fake_class = 0x010601;
    c.linked = false;
    assert_true(ahci_probe(&fake_function)); /* no disks: not even a line */
    assert_null(disk_get(0));
    assert_int_equal(fake_log_lines, 0);
    assert_false(fake_master);
    c.linked = true;
    start();
    assert_int_equal(disk_get(0)->sectors, SECTORS);
    assert_int_equal(disk_get(0)->block_size, 512);
    assert_true(disk_get(0)->has_flush && disk_get(0)->has_discard && !disk_get(0)->has_write_zeroes);
    assert_int_equal(c.ghc, 1u << 31 | 2);

    set_up(NULL);
    c.wide = true;
    c.trim = false;
    start();
    assert_int_equal(disk_get(0)->block_size, 4096);
    assert_int_equal(disk_get(0)->sectors, SECTORS);
    assert_false(disk_get(0)->has_discard);

    set_up(NULL);
    c.keeps_reset = true;
    assert_true(ahci_probe(&fake_function));
    assert_null(disk_get(0));
    assert_false(fake_master);
}

static void transfers(uint32_t align)
{
    struct test_request test = {0};
    uint8_t memory[32 * 512 + 64];

    for (uint32_t offset = 0; offset < 5; offset++)
        for (uint32_t sectors = align; sectors <= 32; sectors += align) {
            one_segment(&test, memory + offset, sectors * 512); /* odd addresses go by a copy */
            assert_int_equal(do_one(&test, DISK_READ, 8 * align, sectors), DISK_OK);
            assert_memory_equal(memory + offset, c.store + 8 * align * 512, sectors * 512);
            memset(memory, (int)(offset + sectors), sizeof memory);
            assert_int_equal(do_one(&test, DISK_WRITE, 128, sectors), DISK_OK);
            assert_memory_equal(c.store + 128 * 512, memory, sectors * 512);
        }
}

static void test_transfers(void **state)
{
    (void)state;
    start();
    transfers(1);
    assert_true(c.commands[0x60] && c.commands[0x61] && !c.commands[0x25]);
    set_up(NULL);
    c.queuing = false;
    start();
    transfers(1);
    assert_true(!c.commands[0x60] && c.commands[0x25] && c.commands[0x35]);
    set_up(NULL);
    c.wide = true;
    start();
    transfers(8);
    set_up(NULL);
    c.cap &= ~(1u << 31); /* 32-bit addresses: it does not reach this program's memory */
    assert_true(ahci_probe(&fake_function));
    assert_null(disk_get(0));
}

static void test_flush_and_trim(void **state)
{
    struct test_request test[5] = {0};
    uint8_t memory[4][512];

    (void)state;
    start();
    c.silent = true;
    for (uint32_t i = 0; i < 2; i++) {
        one_segment(&test[i], memory[i], 512);
        give(&test[i], DISK_WRITE, i, 1);
    }
    give(&test[2], DISK_FLUSH, 0, 0);
    one_segment(&test[3], memory[3], 512);
    give(&test[3], DISK_READ, 3, 1);
    fake_run();
    assert_int_equal(c.ci, 3); /* neither the flush nor what comes after it */
    c.silent = false;
    issue(3);
    fake_run();
    for (uint32_t i = 0; i < 4; i++)
        assert_true(test[i].done && test[i].result == DISK_OK);
    assert_int_equal(c.commands[0xea], 1);
    assert_int_equal(do_one(&test[4], DISK_DISCARD, 100, 3000), DISK_OK);
    assert_int_equal(c.trimmed, 3000);
    assert_int_equal(c.trimmed_from, 100);
    assert_int_equal(do_one(&test[4], DISK_WRITE_ZEROES, 0, 8), DISK_UNSUPPORTED);
}

static void test_a_bad_sector_among_queued_ones(void **state)
{
    static struct test_request test[80];
    static uint8_t memory[80][512];

    (void)state;
    start();
    c.silent = true;
    for (uint32_t i = 0; i < 80; i++) {
        test[i] = (struct test_request){0};
        one_segment(&test[i], memory[i], 512);
        give(&test[i], DISK_READ, i, 1);
    }
    fake_run();
    assert_int_equal(c.ci, ~0u);
    c.bad = 17;
    c.silent = false;
    for (uint32_t i = 0; i < 32; i++)
        if (!(c.tfd & 1))
            carry_out(i);
    fake_pass(2000000000);
    for (uint32_t i = 0; i < 80; i++) {
        assert_true(test[i].done);
        assert_int_equal(test[i].result, i == 17 ? DISK_IO_ERROR : DISK_OK);
        if (i != 17)
            assert_memory_equal(memory[i], c.store + i * 512, 512);
    }
    assert_int_equal(disk_get(0)->errors, 1);
    assert_int_equal(disk_get(0)->resets, 1);
    assert_true(c.commands[0x25] > 0); /* one by one */
    c.commands[0x60] = 0;
    assert_int_equal(do_one(&test[0], DISK_READ, 0, 1), DISK_OK);
    assert_int_equal(c.commands[0x60], 1); /* and queued again */
}

static void test_one_that_is_late(void **state)
{
    struct test_request late = {0}, fresh = {0};
    uint8_t memory[2][512];

    (void)state;
    start();
    one_segment(&late, memory[0], 512);
    one_segment(&fresh, memory[1], 512);
    c.silent = true;
    give(&late, DISK_READ, 1, 1);
    fake_pass(DISK_TIMEOUT_NS / 2);
    give(&fresh, DISK_READ, 2, 1);
    fake_pass(DISK_TIMEOUT_NS / 4);
    c.silent = false;
    fake_pass(DISK_TIMEOUT_NS / 2);
    assert_true(late.done && late.result == DISK_IO_ERROR);
    assert_true(fresh.done && fresh.result == DISK_OK);
    assert_memory_equal(memory[1], c.store + 2 * 512, 512);
    assert_int_equal(disk_get(0)->resets, 1);
}

static void test_a_disk_that_is_pulled_out(void **state)
{
    struct test_request test = {0};
    uint8_t memory[512];

    (void)state;
    start();
    one_segment(&test, memory, 512);
    c.silent = true;
    give(&test, DISK_READ, 1, 1);
    fake_run();
    c.linked = false;
    interrupt(1u << 22);
    fake_pass(1000000000);
    assert_false(test.done); /* it may come back */
    c.linked = true;
    c.silent = false;
    fake_pass(1000000000);
    assert_true(test.done && test.result == DISK_OK);
    c.linked = false;
    interrupt(1u << 22);
    fake_pass(1000000000);
    c.linked = true;
    c.serial = 99; /* another one */
    assert_int_equal(do_one(&test, DISK_READ, 1, 1), DISK_GONE);
}

static void test_a_controller_that_does_not_stop(void **state)
{
    struct test_request test = {0};
    uint8_t memory[512];

    (void)state;
    start();
    one_segment(&test, memory, 512);
    c.silent = c.keeps_running = true;
    give(&test, DISK_READ, 1, 1);
    fake_pass(DISK_TIMEOUT_NS + 2 * DISK_LOOK_NS);
    fake_pass(2000000000);
    assert_true(test.done && test.result == DISK_GONE);
    assert_false(fake_master); /* before anybody had the memory back */
    assert_int_equal(do_one(&test, DISK_READ, 1, 1), DISK_GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_finding_it, set_up),
        cmocka_unit_test_setup(test_transfers, set_up),
        cmocka_unit_test_setup(test_flush_and_trim, set_up),
        cmocka_unit_test_setup(test_a_bad_sector_among_queued_ones, set_up),
        cmocka_unit_test_setup(test_one_that_is_late, set_up),
        cmocka_unit_test_setup(test_a_disk_that_is_pulled_out, set_up),
        cmocka_unit_test_setup(test_a_controller_that_does_not_stop, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
