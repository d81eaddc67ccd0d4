/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of SD host controllers against a controller and a card that behave, and such that do not. */
#include "devices/disk/driver.c" /* its list of disks begins anew with each test */
#include "tests/unit/fake_pci.h"
#include <lib/tree.h>
#include <mgmt/module.h>
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
#define WORDS 128u

extern const struct module module_sdhci;

/* --- The controller and its card --- */

enum { IDLE, READY, IDENTIFICATION, STANDBY, TRANSFER, SENDING, RECEIVING, PROGRAMMING };

static struct {
    uint32_t version, capabilities;
    uint32_t clock, control, status, status_enable, signal_enable, block, argument, response[4];
    uint32_t inhibit;            /* bits of the present state */
    uint32_t command, at, moved; /* of the transfer; words of its block; blocks */
    uint32_t power_ups, busy;    /* answers until the card is ready */
    uint32_t state, bits_v2, structure, status_bits, stop_bits, errors, errors_at, error_times;
    bool inserted, protect_pin, app, old, byte_addressed, keeps_reset, unstable, mute, stalls, ends_early, broken_cd;
    bool flickers;    /* the card, says its controller */
    bool slow, later; /* each block takes its time: ready() ends it */
    uint32_t identity, commands[64], interrupts, reads;
    uint8_t *store;
} c;

static void update(void)
{
    c.status &= c.status_enable | 0x8000;
    c.status = c.status >> 16 ? c.status | 0x8000 : c.status & ~0x8000u;
    if (c.status & c.signal_enable) {
        c.interrupts++;
        fake_interrupt();
    }
}

static void report(uint32_t bits)
{
    c.status |= bits & c.status_enable;
    update();
}

static void put_bits(uint32_t high, uint32_t low, uint64_t value)
{
    for (uint32_t bit = low; bit <= high; bit++) {
        uint32_t at = bit - 8;

        c.response[at / 32] &= ~(1u << at % 32);
        c.response[at / 32] |= (uint32_t)(value >> (bit - low) & 1) << at % 32;
    }
}

static void put_specific_data(void)
{
    memset(c.response, 0, sizeof c.response);
    put_bits(127, 126, c.structure);
    put_bits(83, 80, c.structure ? 9 : 10);
    if (c.structure) {
        put_bits(69, 48, SECTORS / 1024 - 1);
    } else {
        put_bits(73, 62, 63); /* 64 times 2^5 blocks of 1 KiB */
        put_bits(49, 47, 3);
    }
    put_bits(13, 12, c.bits_v2);
}

static uint32_t card_status(void)
{
    uint32_t bits = c.status_bits;

    return bits | c.state << 9 | (c.state == PROGRAMMING ? 0 : 0x100) | (c.app ? 0x20 : 0);
}

static void end_of_transfer(void)
{
    c.inhibit &= ~2u;
    if (c.block >> 16 > 1)
        c.response[3] = card_status() | c.stop_bits;
    c.state = c.command >= 24 && c.busy ? PROGRAMMING : TRANSFER;
    report(2);
}

/* The next block is there, or there is room for it. */
static void ready(void)
{
    c.later = false;
    if (c.errors && c.moved == c.errors_at && c.error_times) {
        c.error_times--;
        report(c.errors << 16);
        return;
    }
    if (c.ends_early && c.moved == 1) {
        end_of_transfer();
        return;
    }
    if (c.moved == c.block >> 16) {
        end_of_transfer();
        return;
    }
    c.at = 0;
    report(c.command >= 24 ? 0x10 : 0x20);
}

static void next_block(void)
{
    c.later = true;
    if (!c.stalls && !c.slow)
        ready();
}

static void begin_transfer(uint32_t index, uint32_t mode)
{
    uint32_t blocks = c.block >> 16, sector = c.byte_addressed ? c.argument / 512 : c.argument;

    assert_int_equal(c.state, TRANSFER);
    assert_int_equal(c.block & 0xfff, 512);
    assert_false(mode & 1); /* never by DMA */
    assert_int_equal(!!(mode & 0x10), index < 24);
    assert_int_equal(mode & 0x26, blocks > 1 ? 0x26 : 0);
    assert_int_equal(index, (index < 24 ? 17 : 24) + (blocks > 1));
    assert_true(sector + blocks <= SECTORS);
    assert_int_equal(c.control & 2, 2);
    c.command = index;
    c.moved = 0;
    c.inhibit |= 2;
    c.state = index < 24 ? SENDING : RECEIVING;
    next_block();
}

static void carry_out(uint32_t register_value)
{
    uint32_t index = register_value >> 24 & 63, mode = register_value & 0xffff;
    bool app = c.app;

    assert_int_equal(c.clock & 7, 7); /* the card's clock runs */
    assert_int_equal(c.control >> 8 & 15, 15);
    assert_false(c.inhibit & 1);
    c.commands[index]++;
    c.app = false;
    c.response[0] = card_status();
    if (!c.inserted || c.mute || (index == 8 && c.old)) {
        report(1u << 16);
        return;
    }
    switch (index) {
    case 0:
        c.state = IDLE;
        break;
    case 8:
        c.response[0] = c.argument;
        break;
    case 55:
        c.app = true;
        c.response[0] = card_status();
        break;
    case 41:
        assert_true(app);
        assert_int_equal(!!(c.argument >> 30), !c.old);
        c.response[0] = 0x00ff8000 | (c.byte_addressed ? 0 : 1u << 30);
        if (c.power_ups) {
            c.power_ups--;
        } else {
            c.response[0] |= 1u << 31;
            c.state = READY;
        }
        break;
    case 2:
        assert_int_equal(c.state, READY);
        for (uint32_t i = 0; i < 4; i++)
            c.response[i] = c.identity + i;
        c.state = IDENTIFICATION;
        break;
    case 3:
        c.response[0] = 0x12340000;
        c.state = STANDBY;
        break;
    case 9:
        assert_int_equal(c.argument, 0x12340000);
        put_specific_data();
        break;
    case 7:
        assert_int_equal(c.argument, 0x12340000);
        c.state = TRANSFER;
        break;
    case 6:
        assert_true(app);
        assert_int_equal(c.argument, 2);
        break;
    case 16:
        assert_int_equal(c.argument, 512);
        break;
    case 13:
        c.response[0] = card_status();
        if (c.state == PROGRAMMING && !--c.busy)
            c.state = TRANSFER;
        break;
    default:
        report(1);
        if (!(c.status_bits & 0xfdf80000))
            begin_transfer(index, mode);
        return;
    }
    report(1 | ((register_value >> 16 & 3) == 3 ? 2 : 0));
}

static uint32_t read_buffer(void)
{
    uint32_t sector = (c.byte_addressed ? c.argument / 512 : c.argument) + c.moved, value;

    assert_int_equal(c.state, SENDING);
    assert_true(c.at < WORDS);
    memcpy(&value, c.store + sector * 512 + c.at++ * 4, 4);
    if (c.at == WORDS) {
        c.moved++;
        next_block();
    }
    return value;
}

static void write_buffer(uint32_t value)
{
    uint32_t sector = (c.byte_addressed ? c.argument / 512 : c.argument) + c.moved;

    assert_int_equal(c.state, RECEIVING);
    assert_true(c.at < WORDS);
    memcpy(c.store + sector * 512 + c.at++ * 4, &value, 4);
    if (c.at == WORDS) {
        c.moved++;
        next_block();
    }
}

uint32_t model_read(uint32_t offset)
{
    c.reads++;
    switch (offset) {
    case 0x10:
    case 0x14:
    case 0x18:
    case 0x1c:
        return c.response[(offset - 0x10) / 4];
    case 0x20:
        return read_buffer();
    case 0x24:
        return c.inhibit | (c.inserted ? 1u << 16 : 0) | 1u << 17 | (c.protect_pin ? 0 : 1u << 19);
    case 0x2c:
        return c.clock;
    case 0x30:
        return c.status | (c.flickers ? 0x80 : 0);
    case 0x34:
        return c.status_enable;
    case 0x38:
        return c.signal_enable;
    case 0x40:
        return c.capabilities;
    case 0xfc:
        return c.version << 16;
    default:
        fail_msg("register %x is read", offset);
        return 0;
    }
}

static void write_clock(uint32_t value)
{
    if (value & 1u << 24) {
        c.status = c.status_enable = c.signal_enable = c.control = c.clock = c.inhibit = 0;
        if (c.keeps_reset)
            c.clock = value;
        return;
    }
    if (value & 1u << 25)
        c.inhibit &= ~1u;
    c.clock = value & ~(7u << 24);
    if (value & 1 && !c.unstable)
        c.clock |= 2;
    if ((value & 5) == 5) {
        uint32_t n = (value >> 8 & 0xff) | (value >> 6 & 3) << 8;
        uint32_t base = c.capabilities >> 8 & 0xff;

        base = base < 200 ? 200 : base;
        assert_true(n > 0);
        assert_true(base * 1000 / (2 * n) <= (c.control & 2 ? 25000u : 400u) || n == 0x80); /* as slow as it can */
    }
}

void model_write(uint32_t offset, uint32_t value)
{
    switch (offset) {
    case 0x04:
        c.block = value;
        break;
    case 0x08:
        c.argument = value;
        break;
    case 0x0c:
        carry_out(value);
        break;
    case 0x20:
        write_buffer(value);
        break;
    case 0x28:
        c.control = value;
        break;
    case 0x2c:
        write_clock(value);
        break;
    case 0x30:
        c.status &= ~value;
        update();
        break;
    case 0x34:
        c.status_enable = value;
        break;
    case 0x38:
        c.signal_enable = value;
        update();
        break;
    default:
        fail_msg("register %x is written", offset); /* among them those that DMA would need */
    }
}

/* --- The tree --- */

int tree_compatible(int previous, const char *compatible)
{
    return previous < 0 && !strcmp(compatible, "arasan,sdhci-8.9a") ? 7 : -1;
}
struct tree_range tree_reg(int node, uint32_t index)
{
    assert_int_equal(node, 7);
    return index ? (struct tree_range){0} : (struct tree_range){FAKE_REGISTERS, 0x1000};
}
uint32_t tree_interrupt(int node, uint32_t index, bool *level)
{
    (void)node, (void)index;
    *level = false; /* as fake_pci.c wants it */
    return 24;
}
bool tree_has(int node, const char *property)
{
    (void)node;
    return c.broken_cd && !strcmp(property, "broken-cd");
}
void memory_map(uint64_t base, uint64_t size, enum memory_kind kind)
{
    assert_int_equal(base, FAKE_REGISTERS);
    assert_true(size && kind == MEMORY_DEVICE);
}

/* --- Requests --- */

static enum disk_result do_one(struct test_request *test, uint8_t operation, uint64_t sector, uint64_t sectors)
{
    give(test, operation, sector, sectors);
    fake_pass(60000000000ull);
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
    c.version = 2;
    c.capabilities = 1u << 24 | 100u << 8;
    c.inserted = true;
    c.structure = 1;
    c.power_ups = 5;
    c.identity = 0x1234;
    disk_count = 0;
    fake_pci_reset();
    return 0;
}

static void start(void)
{
    module_sdhci.start();
    assert_non_null(disk_get(0));
    assert_int_equal(disk_get(0)->sectors, SECTORS);
    assert_int_equal(fake_log_lines, 0);
    fake_run();
}

static void start_in_vain(void)
{
    uint64_t begun = fake_now;

    module_sdhci.start();
    assert_null(disk_get(0));
    assert_int_equal(fake_log_lines, 1); /* that says why */
    assert_true(fake_now - begun < 10000000000ull);
    assert_int_equal(c.signal_enable, 0);
    set_up(NULL);
}

/* --- Tests --- */

static void test_finding_it(void **state)
{
    (void)state;
    start();
    assert_int_equal(disk_get(0)->block_size, 512);
    assert_false(disk_get(0)->read_only || disk_get(0)->has_flush || disk_get(0)->has_discard);
    assert_int_equal(c.signal_enable, 0x80); /* the card's removal */
    set_up(NULL);
    c.structure = 0; /* of 2 GB at the most, addressed by bytes */
    c.byte_addressed = true;
    start();
    set_up(NULL);
    c.structure = 0;
    c.byte_addressed = c.old = true; /* knows no SEND_IF_COND */
    c.version = 1;                   /* and a controller with divisors that are powers of two */
    start();
    set_up(NULL);
    c.bits_v2 = 1;
    start();
    assert_true(disk_get(0)->read_only);
    set_up(NULL);
    c.protect_pin = true;
    start();
    assert_true(disk_get(0)->read_only);
    set_up(NULL);
    c.broken_cd = true;
    start();
}

static void test_what_does_not_come_up(void **state)
{
    (void)state;
    c.inserted = false;
    start_in_vain();
    c.broken_cd = true;
    c.inserted = false;
    start_in_vain();
    c.mute = true;
    start_in_vain();
    c.keeps_reset = true;
    start_in_vain();
    c.unstable = true;
    start_in_vain();
    c.power_ups = UINT32_MAX;
    start_in_vain();
    c.structure = 2; /* of more than 2 TB */
    start_in_vain();
    c.structure = 3;
    start_in_vain();
    c.capabilities = 100u << 8;
    start_in_vain();
    c.status_bits = 1u << 25; /* locked */
    start_in_vain();
}

static void transfers(void)
{
    struct test_request test = {0};
    uint8_t memory[32 * 512 + 64];

    for (uint32_t offset = 0; offset < 5; offset++)
        for (uint32_t sectors = 1; sectors <= 32; sectors += 3) {
            uint32_t first = 100 + offset;

            test.segment[0] = (struct segment){memory + offset, first};
            test.segment[1] = (struct segment){memory + offset + first, sectors * 512 - first};
            test.request.segments = 2;
            assert_int_equal(do_one(&test, DISK_READ, 8, sectors), DISK_OK);
            assert_memory_equal(memory + offset, c.store + 8 * 512, sectors * 512);
            memset(memory, (int)(offset + sectors), sizeof memory);
            memory[offset + 77] = 9;
            assert_int_equal(do_one(&test, DISK_WRITE, SECTORS - 32, sectors), DISK_OK);
            assert_memory_equal(c.store + (SECTORS - 32) * 512, memory + offset, sectors * 512);
        }
    assert_int_equal(c.signal_enable, 0x80);
    assert_int_equal(disk_get(0)->errors + disk_get(0)->resets, 0);
}

static void test_transfers(void **state)
{
    (void)state;
    start();
    transfers();
    assert_true(c.commands[17] && c.commands[18] && c.commands[24] && c.commands[25]);
    assert_int_equal(c.commands[13], c.commands[24] + c.commands[25]);
    set_up(NULL);
    c.structure = 0;
    c.byte_addressed = true;
    start();
    transfers();
}

static void test_what_it_cannot_do(void **state)
{
    struct test_request test = {0};
    static uint8_t memory[512 * 512];

    (void)state;
    start();
    assert_int_equal(do_one(&test, DISK_FLUSH, 0, 0), DISK_UNSUPPORTED);
    assert_int_equal(do_one(&test, DISK_DISCARD, 0, 8), DISK_UNSUPPORTED);
    one_segment(&test, memory, 2 * 512);
    assert_int_equal(do_one(&test, DISK_READ, SECTORS - 1, 2), DISK_IO_ERROR);
    one_segment(&test, memory, sizeof memory);
    assert_int_equal(do_one(&test, DISK_READ, 0, 512), DISK_IO_ERROR); /* more than max_transfer */
    one_segment(&test, memory, 256 * 512);
    assert_int_equal(do_one(&test, DISK_READ, 0, 256), DISK_OK);
}

/* A WRITE is not done before the card says that it is. */
static void test_a_write_is_safe_when_done(void **state)
{
    struct test_request test = {0};
    uint8_t memory[1024];

    (void)state;
    start();
    memset(memory, 3, sizeof memory);
    one_segment(&test, memory, sizeof memory);
    c.busy = 4;
    give(&test, DISK_WRITE, 7, 2);
    fake_run();
    assert_false(test.done);
    assert_int_equal(c.commands[13], 1);
    fake_pass(100000000);
    assert_true(test.done && test.result == DISK_OK);
    assert_int_equal(c.commands[13], 5);
}

static void test_many_at_once(void **state)
{
    static struct test_request test[40];
    static uint8_t memory[40][1024];

    (void)state;
    start();
    for (uint32_t i = 0; i < 40; i++) {
        test[i] = (struct test_request){0};
        one_segment(&test[i], memory[i], 1024);
        give(&test[i], DISK_READ, 2 * i, 2);
    }
    fake_run();
    for (uint32_t i = 0; i < 40; i++) {
        assert_true(test[i].done && test[i].result == DISK_OK);
        assert_memory_equal(memory[i], c.store + i * 1024, 1024);
    }
    assert_int_equal(disk_get(0)->reads, 40);
}

/* The driver does not look before it is interrupted, nor is it interrupted by what it has seen. */
static void test_interrupts(void **state)
{
    struct test_request test = {0};
    uint8_t memory[64 * 512];

    (void)state;
    start();
    one_segment(&test, memory, sizeof memory);
    c.slow = true;
    for (uint8_t operation = DISK_READ; operation <= DISK_WRITE; operation++) {
        c.interrupts = 0;
        give(&test, operation, 64, 64);
        fake_run();
        for (uint32_t i = 0; i < 65; i++) {
            assert_true(c.later);
            c.reads = 0;
            fake_pass(1000000);
            assert_true(c.reads == 0);
            ready();
            fake_run();
        }
        assert_true(test.done && test.result == DISK_OK);
        assert_int_equal(c.interrupts, 65);
    }
    assert_memory_equal(memory, c.store + 64 * 512, sizeof memory);
}

/* Once or twice: nobody notices. */
static void test_errors_that_pass(void **state)
{
    static const uint32_t errors[] = {1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x100};
    struct test_request test = {0};
    uint8_t memory[4 * 512];

    (void)state;
    start();
    one_segment(&test, memory, sizeof memory);
    for (uint32_t i = 0; i < 2 * sizeof errors / sizeof *errors; i++) {
        c.errors = errors[i / 2];
        c.errors_at = 2;
        c.error_times = 1 + i % 2;
        memset(memory, (int)i, sizeof memory);
        assert_int_equal(do_one(&test, DISK_WRITE, 20, 4), DISK_OK);
        assert_memory_equal(memory, c.store + 20 * 512, sizeof memory);
        c.error_times = 1 + i % 2;
        assert_int_equal(do_one(&test, DISK_READ, 8, 4), DISK_OK);
        assert_memory_equal(memory, c.store + 8 * 512, sizeof memory);
    }
    assert_int_equal(disk_get(0)->errors, 0);
    assert_int_equal(disk_get(0)->resets, 2 * 3 * sizeof errors / sizeof *errors);
    assert_int_equal(fake_log_lines, 0);
}

static void fails(struct test_request *test, uint8_t operation)
{
    uint64_t errors = disk_get(0)->errors;

    assert_int_equal(do_one(test, operation, 8, 4), DISK_IO_ERROR);
    assert_int_equal(disk_get(0)->errors, errors + 1);
    assert_int_equal(++errors, fake_log_lines); /* each says which sector, and why */
}

/* Each fails what is under way, and nothing else. */
static void test_errors_that_stay(void **state)
{
    struct test_request test = {0}, other = {0};
    uint8_t memory[4 * 512], more[512];

    (void)state;
    start();
    one_segment(&test, memory, sizeof memory);
    one_segment(&other, more, sizeof more);
    for (uint32_t i = 0; i < 12; i++) { /* more than DISK_RESETS_MAX in a row */
        c.errors = 0x20;
        c.errors_at = 2;
        c.error_times = UINT32_MAX;
        fails(&test, i % 2 ? DISK_READ : DISK_WRITE);
    }
    c.errors = 0;
    c.ends_early = true;
    fails(&test, DISK_READ);
    fails(&test, DISK_WRITE);
    c.ends_early = false;
    c.stop_bits = 1u << 19; /* ERROR */
    fails(&test, DISK_READ);
    fails(&test, DISK_WRITE);
    c.stop_bits = 1u << 31; /* OUT_OF_RANGE, as at a card's very end */
    assert_int_equal(do_one(&test, DISK_READ, SECTORS - 4, 4), DISK_OK);
    c.stop_bits = 0;
    c.status_bits = 1u << 26; /* WP_VIOLATION */
    fails(&test, DISK_WRITE);
    c.status_bits = 0;
    c.stalls = true;
    give(&other, DISK_READ, 1, 1);
    assert_int_equal(do_one(&test, DISK_READ, 8, 4), DISK_IO_ERROR);
    assert_true(other.done && other.result == DISK_IO_ERROR);
    assert_int_equal(disk_get(0)->errors, fake_log_lines);
    c.stalls = false;
    assert_int_equal(do_one(&other, DISK_READ, 1, 1), DISK_OK);
    assert_memory_equal(more, c.store + 512, 512);
}

static void test_a_controller_that_breaks(void **state)
{
    struct test_request test[2] = {0};
    uint8_t memory[2][512];

    (void)state;
    start();
    for (uint32_t i = 0; i < 2; i++)
        one_segment(&test[i], memory[i], 512);
    c.errors = 1;
    c.error_times = 1;
    c.keeps_reset = true;
    give(&test[0], DISK_READ, 1, 1);
    give(&test[1], DISK_WRITE, 1, 1);
    fake_pass(20000000000ull);
    assert_true(test[0].done && test[0].result == DISK_GONE);
    assert_true(test[1].done && test[1].result == DISK_GONE);
    assert_int_equal(do_one(&test[0], DISK_READ, 1, 1), DISK_GONE);
    assert_int_equal(fake_log_lines, 1);
}

static void take_out(void)
{
    c.inserted = false;
    report(0x80);
    fake_pass(100000000);
}

static void test_a_card_that_is_taken_out(void **state)
{
    struct test_request test = {0};
    uint8_t memory[512];

    (void)state;
    start();
    one_segment(&test, memory, 512);
    c.stalls = true;
    give(&test, DISK_READ, 1, 1);
    fake_run();
    take_out();
    assert_false(test.done); /* it may come back */
    c.inserted = true;
    c.stalls = false;
    fake_pass(1000000000);
    assert_true(test.done && test.result == DISK_OK);
    assert_memory_equal(memory, c.store + 512, 512);

    take_out();
    c.inserted = true;
    report(0x80); /* it was so short that the card is seen */
    fake_pass(1000000000);
    assert_int_equal(do_one(&test, DISK_READ, 3, 1), DISK_OK);

    take_out();
    give(&test, DISK_READ, 1, 1);
    fake_pass(DISK_TIMEOUT_NS / 2);
    assert_false(test.done);
    fake_pass(DISK_TIMEOUT_NS);
    assert_true(test.done && test.result == DISK_GONE);
    c.inserted = true;
    assert_int_equal(do_one(&test, DISK_READ, 1, 1), DISK_GONE);

    set_up(NULL);
    start();
    take_out();
    c.inserted = true;
    c.identity = 99; /* another one */
    assert_int_equal(do_one(&test, DISK_READ, 1, 1), DISK_GONE);
}

/* Whenever it has come up it is said to be gone: that is not waited for without end. Once in a while it may be. */
static void test_a_card_that_comes_and_goes(void **state)
{
    struct test_request test = {0};
    uint8_t memory[512];

    (void)state;
    start();
    one_segment(&test, memory, 512);
    for (uint32_t i = 0; i < 50; i++) {
        take_out();
        c.inserted = true;
        fake_pass(2000000000);
        assert_int_equal(do_one(&test, DISK_READ, 3, 1), DISK_OK);
        fake_pass(2000000000);
    }
    c.flickers = true;
    give(&test, DISK_READ, 1, 1);
    fake_pass(10000000000u);
    assert_true(test.done && test.result == DISK_GONE);
    assert_int_equal(fake_log_lines, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_finding_it, set_up),
        cmocka_unit_test_setup(test_what_does_not_come_up, set_up),
        cmocka_unit_test_setup(test_transfers, set_up),
        cmocka_unit_test_setup(test_what_it_cannot_do, set_up),
        cmocka_unit_test_setup(test_a_write_is_safe_when_done, set_up),
        cmocka_unit_test_setup(test_many_at_once, set_up),
        cmocka_unit_test_setup(test_interrupts, set_up),
        cmocka_unit_test_setup(test_errors_that_pass, set_up),
        cmocka_unit_test_setup(test_errors_that_stay, set_up),
        cmocka_unit_test_setup(test_a_controller_that_breaks, set_up),
        cmocka_unit_test_setup(test_a_card_that_is_taken_out, set_up),
        cmocka_unit_test_setup(test_a_card_that_comes_and_goes, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
