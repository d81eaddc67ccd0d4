/* SPDX-License-Identifier: Apache-2.0 */
/* The NVMe driver against a controller that behaves, and one that does not. */
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
#define PAGE 4096u

struct command {
    uint8_t opcode, flags;
    uint16_t id;
    uint32_t namespace_id;
    uint64_t reserved, metadata, data[2];
    uint32_t dword[6];
};
struct completion {
    uint32_t result, reserved;
    uint16_t head, queue, id, status;
};

/* --- The controller --- */

static struct {
    uint32_t cc, ready;
    bool stuck, gone, fatal, silent, lies;
    bool sgl, protected;
    uint16_t status; /* of the next I/O command */
    uint32_t lba_shift, mdts;
    struct command *submission[2];
    struct completion *completion[2];
    uint32_t size[2], head[2], tail[2];
    uint16_t phase[2];
    uint32_t commands, enables, pieces;
    struct command last;
    uint8_t *store;
    uint64_t asq, acq;
    uint32_t secondary[16][2], secondary_count, virtualizations;
    struct command held[64]; /* while silent */
    uint32_t held_count;
} c;
static uint32_t functions; /* virtual ones */

uint32_t pci_virtual_count(const struct pci_function *function)
{
    (void)function;
    return functions;
}

static void post(uint32_t queue, uint16_t id, uint16_t status)
{
    struct completion *done = &c.completion[queue][c.tail[queue]];

    done->id = id;
    done->status = (uint16_t)(status << 1 | c.phase[queue]);
    if (++c.tail[queue] == c.size[queue]) {
        c.tail[queue] = 0;
        c.phase[queue] ^= 1;
    }
}

static void put_field(uint8_t *page, uint32_t offset, uint64_t value, uint32_t bytes)
{
    memcpy(page + offset, &value, bytes);
}

static void identify(const struct command *command)
{
    uint8_t *page = (uint8_t *)command->data[0];

    switch (command->dword[0]) {
    case 1:
        page[77] = (uint8_t)c.mdts;
        page[520] = 0x0c;
        page[525] = 1;
        page[536] = c.sgl;
        break;
    case 2:
        put_field(page, 0, 3, 4);
        put_field(page, 4, 7, 4);
        break;
    case 0x14:
        put_field(page, 32, 4, 4);
        put_field(page, 64, 2, 4);
        break;
    case 0x15:
        page[0] = 3; /* of which one says nonsense */
        put_field(page, 32, 0x21, 2);
        put_field(page, 32 + 8, 2, 2);
        put_field(page, 64, 0x22, 2);
        put_field(page, 64 + 8, 1, 2);
        put_field(page, 96, 0x23, 2);
        put_field(page, 96 + 8, 999, 2);
        break;
    default:
        put_field(page, 0, command->namespace_id == 3 ? SECTORS * 512ul >> c.lba_shift : 16, 8);
        page[99] = c.protected;
        put_field(page, 128, c.lba_shift << 16 | (command->namespace_id == 7 ? 8 : 0), 4); /* 7 has metadata */
        break;
    }
}

static void move(uint64_t address, uint64_t length, uint8_t **at, bool write)
{
    c.pieces++;
    if (write)
        memcpy(*at, (void *)address, length);
    else
        memcpy((void *)address, *at, length);
    *at += length;
}

static void transfer(const struct command *command)
{
    uint64_t left = ((uint64_t)command->dword[2] + 1) << c.lba_shift, address = command->data[0];
    uint8_t *at = c.store + ((uint64_t)command->dword[0] << c.lba_shift);
    bool write = command->opcode == 1;

    c.pieces = 0;
    if (command->flags & 0x40) {
        struct {
            uint64_t address;
            uint32_t length;
            uint8_t reserved[3], type;
        } first, *list = &first;

        memcpy(&first, command->data, 16);
        uint32_t count = 1;
        if (first.type == 0x30) {
            list = (void *)first.address;
            count = first.length / 16;
        }
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(list[i].type, 0);
            move(list[i].address, list[i].length, &at, write);
            left -= list[i].length;
        }
        assert_int_equal(left, 0);
        return;
    }
    assert_int_equal(address % 4, 0);
    uint64_t part = PAGE - address % PAGE, *list = NULL, single = command->data[1];
    for (uint32_t i = 0; left; i++) {
        if (part > left)
            part = left;
        move(address, part, &at, write);
        left -= part;
        if (i == 0)
            list = left > PAGE ? (uint64_t *)command->data[1] : &single;
        assert_int_equal((uintptr_t)list / PAGE, ((uintptr_t)list + 8 * i) / PAGE);
        address = list[i];
        if (left)
            assert_int_equal(address % PAGE, 0);
        part = PAGE;
    }
}

static void carry_out(uint32_t queue, const struct command *command)
{
    uint16_t status = 0;

    if (queue == 0) {
        switch (command->opcode) {
        case 0x06:
            identify(command);
            break;
        case 0x05:
            c.completion[1] = (struct completion *)command->data[0];
            c.size[1] = (command->dword[0] >> 16) + 1;
            c.tail[1] = 0;
            c.phase[1] = 1;
            break;
        case 0x01:
            c.submission[1] = (struct command *)command->data[0];
            c.head[1] = 0;
            break;
        case 0x1c:
            c.virtualizations++;
            if ((command->dword[0] & 15) == 9)
                c.secondary[c.secondary_count++][0] = command->dword[0] >> 16;
            break;
        default:
            break;
        }
    } else {
        c.last = *command;
        status = c.status;
        c.status = 0;
        if (!status && (command->opcode == 1 || command->opcode == 2))
            transfer(command);
    }
    post(queue, command->id, status);
}

static void doorbell(uint32_t queue, uint32_t tail)
{
    while (c.head[queue] != tail) {
        struct command command = c.submission[queue][c.head[queue]];

        c.head[queue] = (c.head[queue] + 1) % (queue ? c.size[1] : 4);
        c.commands++;
        if (queue && c.silent)
            c.held[c.held_count++] = command;
        else if (queue && c.lies)
            post(1, 62, 0);
        else
            carry_out(queue, &command);
    }
    if (queue)
        fake_interrupt();
}

uint32_t model_read(uint32_t offset)
{
    if (c.gone)
        return ~0u;
    switch (offset) {
    case 0x00:
        return 63 | 2u << 24;
    case 0x04:
        return 1u << 5;
    case 0x1c:
        return c.ready | (c.fatal ? 2 : 0);
    default:
        return 0;
    }
}

void model_write(uint32_t offset, uint32_t value)
{
    switch (offset) {
    case 0x14:
        if (value & 1 && !(c.cc & 1)) {
            assert_true(fake_master);
            c.submission[0] = (struct command *)c.asq;
            c.completion[0] = (struct completion *)c.acq;
            c.size[0] = 4;
            c.head[0] = c.tail[0] = 0;
            c.phase[0] = 1;
            c.enables++;
            c.secondary_count = 0;
        }
        if (!(value & 1))
            c.held_count = 0;
        c.ready = c.stuck ? c.ready : value & 1;
        c.cc = value;
        break;
    case 0x28:
        c.asq = (c.asq & ~0xfffffffful) | value;
        break;
    case 0x2c:
        c.asq = (c.asq & 0xfffffffful) | (uint64_t)value << 32;
        break;
    case 0x30:
        c.acq = (c.acq & ~0xfffffffful) | value;
        break;
    case 0x34:
        c.acq = (c.acq & 0xfffffffful) | (uint64_t)value << 32;
        break;
    case 0x1000:
        doorbell(0, value);
        break;
    case 0x1008:
        doorbell(1, value);
        break;
    default:
        break;
    }
}

/* --- Requests --- */

static struct disk *disk(void)
{
    return disk_get(0);
}

static enum disk_result do_one(struct test_request *test, uint8_t operation, uint64_t sector, uint64_t sectors)
{
    give(test, operation, sector, sectors);
    fake_run();
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
    c.lba_shift = 9;
    c.sgl = true;
    c.ready = 1; /* of a former life */
    functions = 0;
    fake_pci_reset();
    fake_class = 0x010802;
    disk_count = 0;
    return 0;
}

static void start(void)
{
    assert_true(nvme_probe(&fake_function));
    assert_non_null(disk());
}

/* --- Tests --- */

static void test_finding_it(void **state)
{
    (void)state;
    fake_class = 0x010601;
    assert_false(nvme_probe(&fake_function));
    fake_class = 0x010802;
    start();
    assert_int_equal(disk()->sectors, SECTORS);
    assert_int_equal(disk()->block_size, 512);
    assert_true(disk()->has_flush && disk()->has_discard && disk()->has_write_zeroes && !disk()->read_only);
    assert_int_equal(disk()->max_transfer, DISK_TRANSFER_MAX);
    assert_null(disk_get(1)); /* the one with metadata */
}

static void test_what_it_says_of_itself(void **state)
{
    (void)state;
    c.lba_shift = 12;
    c.mdts = 3;
    c.protected = true;
    start();
    assert_int_equal(disk()->block_size, 4096);
    assert_int_equal(disk()->sectors, SECTORS);
    assert_int_equal(disk()->max_transfer, 8 * PAGE);
    assert_true(disk()->read_only);
}

static void test_transfers(void **state)
{
    struct test_request test = {0};
    uint8_t *memory = aligned_alloc(PAGE, 64 * PAGE);

    (void)state;
    start();
    for (uint32_t offset = 0; offset < PAGE; offset += 512)
        for (uint32_t sectors = 1; sectors <= 256; sectors = sectors * 2 + 1) {
            memset(memory, 0, 64 * PAGE);
            one_segment(&test, memory + offset, sectors * 512);
            assert_int_equal(do_one(&test, DISK_READ, 5, sectors), DISK_OK);
            assert_memory_equal(memory + offset, c.store + 5 * 512, sectors * 512);
            assert_int_equal(c.last.flags, 0);
        }
    memset(memory, 0x5a, 64 * PAGE);
    one_segment(&test, memory + 8, 3 * 512);
    assert_int_equal(do_one(&test, DISK_WRITE, 9, 3), DISK_OK);
    assert_memory_equal(c.store + 9 * 512, memory + 8, 3 * 512);
    assert_int_equal(disk()->writes, 1);
    free(memory);
}

/* Pieces of odd lengths at odd addresses, which no list of pages can name. */
static void odd_pieces(struct test_request *test, uint8_t *memory)
{
    static const size_t lengths[] = {1, 511, 4096, 3, 509, 1024};
    size_t at = 1;

    test->request.segments = 6;
    for (uint32_t i = 0; i < 6; i++) {
        test->segment[i] = (struct segment){memory + at, lengths[i]};
        at += lengths[i] + 5;
    }
}

static void check_pieces(const struct test_request *test, const uint8_t *expected)
{
    for (uint32_t i = 0; i < test->request.segments; i++) {
        assert_memory_equal(test->segment[i].base, expected, test->segment[i].length);
        expected += test->segment[i].length;
    }
}

static void test_odd_pieces(void **state)
{
    struct test_request test = {0}, more[6] = {0};
    uint8_t *memory = aligned_alloc(PAGE, 4 * PAGE), *others = malloc(6 * 4 * PAGE);

    (void)state;
    start();
    odd_pieces(&test, memory);
    assert_int_equal(do_one(&test, DISK_READ, 11, 12), DISK_OK);
    assert_int_equal(c.last.flags, 0x40);
    check_pieces(&test, c.store + 11 * 512);
    set_up(NULL); /* and a controller without SGLs */
    c.sgl = false;
    start();
    assert_int_equal(do_one(&test, DISK_READ, 13, 12), DISK_OK);
    assert_int_equal(c.last.flags, 0);
    check_pieces(&test, c.store + 13 * 512);
    assert_int_equal(do_one(&test, DISK_WRITE, 100, 12), DISK_OK);
    check_pieces(&test, c.store + 100 * 512);
    /* More of them than there are copies: they wait, and all are done. */
    for (uint32_t i = 0; i < 6; i++) {
        odd_pieces(&more[i], others + i * 4 * PAGE);
        give(&more[i], DISK_READ, 20 * i, 12);
    }
    fake_run();
    for (uint32_t i = 0; i < 6; i++) {
        assert_true(more[i].done && more[i].result == DISK_OK);
        check_pieces(&more[i], c.store + 20 * i * 512);
    }
    free(memory);
    free(others);
}

static void test_commands_without_data(void **state)
{
    struct test_request test = {0};
    uint64_t range[2];

    (void)state;
    start();
    assert_int_equal(do_one(&test, DISK_FLUSH, 0, 0), DISK_OK);
    assert_int_equal(c.last.opcode, 0);
    assert_int_equal(c.last.namespace_id, 3);
    assert_int_equal(do_one(&test, DISK_WRITE_ZEROES, 8, 16), DISK_OK);
    assert_int_equal(c.last.opcode, 8);
    assert_int_equal(c.last.dword[0], 8);
    assert_int_equal(c.last.dword[2], 15);
    assert_int_equal(do_one(&test, DISK_DISCARD, 24, 40), DISK_OK);
    assert_int_equal(c.last.opcode, 9);
    assert_int_equal(c.last.dword[0], 0);
    assert_int_equal(c.last.dword[1], 4);
    memcpy(range, (void *)c.last.data[0], sizeof range);
    assert_int_equal(range[0], 40ul << 32);
    assert_int_equal(range[1], 24);
    assert_int_equal(do_one(&test, DISK_WRITE_ZEROES, 0, 2048), DISK_UNSUPPORTED); /* more than a command takes */
    assert_int_equal(do_one(&test, DISK_DISCARD, SECTORS - 8, 9), DISK_IO_ERROR);
}

static void test_errors_are_the_request_s(void **state)
{
    struct test_request test = {0};
    uint8_t memory[512];

    (void)state;
    start();
    one_segment(&test, memory, 512);
    c.status = 0x281; /* unrecovered read error */
    assert_int_equal(do_one(&test, DISK_READ, 0, 1), DISK_IO_ERROR);
    c.status = 1;
    assert_int_equal(do_one(&test, DISK_DISCARD, 0, 8), DISK_UNSUPPORTED);
    assert_int_equal(do_one(&test, DISK_READ, 0, 1), DISK_OK);
    assert_int_equal(disk()->errors, 2);
    assert_int_equal(disk()->resets, 0);
}

static void test_more_than_the_queue_holds(void **state)
{
    static struct test_request test[200];
    static uint8_t memory[200][512];

    (void)state;
    start();
    for (uint32_t i = 0; i < 200; i++) {
        test[i] = (struct test_request){0};
        one_segment(&test[i], memory[i], 512);
        give(&test[i], DISK_READ, i, 1);
    }
    fake_run();
    for (uint32_t i = 0; i < 200; i++) {
        assert_true(test[i].done && test[i].result == DISK_OK);
        assert_memory_equal(memory[i], c.store + i * 512, 512);
    }
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
    assert_false(late.done || fresh.done);
    c.silent = false;
    fake_pass(DISK_TIMEOUT_NS / 2);
    assert_true(late.done && late.result == DISK_IO_ERROR);
    assert_true(fresh.done && fresh.result == DISK_OK); /* given to it again */
    assert_memory_equal(memory[1], c.store + 2 * 512, 512);
    assert_int_equal(disk()->resets, 1);
    assert_int_equal(c.enables, 2);
}

static void test_one_that_completes_what_it_was_not_given(void **state)
{
    struct test_request test = {0}, next = {0};
    uint8_t memory[512];

    (void)state;
    start();
    one_segment(&test, memory, 512);
    c.lies = true;
    give(&test, DISK_READ, 1, 1);
    fake_pass(1000000000ull);
    assert_true(test.done && test.result == DISK_GONE);
    assert_int_equal(disk()->resets, DISK_RESETS_MAX);
    assert_false(fake_master); /* before anybody had the memory back */
    one_segment(&next, memory, 512);
    assert_int_equal(do_one(&next, DISK_READ, 1, 1), DISK_GONE);
}

static void test_one_that_is_gone_or_does_not_stop(void **state)
{
    struct test_request test = {0};
    uint8_t memory[512];

    (void)state;
    start();
    one_segment(&test, memory, 512);
    c.silent = true;
    give(&test, DISK_READ, 1, 1);
    fake_run();
    c.gone = true;
    fake_pass(2 * DISK_LOOK_NS);
    assert_true(test.done && test.result == DISK_GONE);
    assert_false(fake_master);

    set_up(NULL);
    start();
    c.silent = true;
    give(&test, DISK_READ, 1, 1);
    fake_run();
    c.fatal = c.stuck = true;
    fake_pass(2 * DISK_LOOK_NS);
    assert_false(test.done); /* it may still write there */
    fake_pass(20000000000ull);
    assert_true(test.done && test.result == DISK_GONE);
    assert_false(fake_master);

    set_up(NULL);
    c.stuck = true;
    assert_true(nvme_probe(&fake_function));
    assert_null(disk());
    assert_false(fake_master);
}

static void test_virtual_functions(void **state)
{
    struct test_request test = {0};
    uint8_t memory[512];

    (void)state;
    functions = 2;
    start();
    assert_int_equal(c.enables, 2);
    assert_int_equal(c.virtualizations, 2 + 6);
    assert_int_equal(c.secondary_count, 2);
    assert_int_equal(c.secondary[0][0], 0x22); /* in the functions' order */
    assert_int_equal(c.secondary[1][0], 0x21);
    one_segment(&test, memory, 512);
    c.silent = true;
    give(&test, DISK_READ, 1, 1);
    fake_pass(DISK_TIMEOUT_NS + 2 * DISK_LOOK_NS);
    assert_int_equal(c.enables, 3);
    assert_int_equal(c.secondary_count, 2); /* online again after the reset */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_finding_it, set_up),
        cmocka_unit_test_setup(test_what_it_says_of_itself, set_up),
        cmocka_unit_test_setup(test_transfers, set_up),
        cmocka_unit_test_setup(test_odd_pieces, set_up),
        cmocka_unit_test_setup(test_commands_without_data, set_up),
        cmocka_unit_test_setup(test_errors_are_the_request_s, set_up),
        cmocka_unit_test_setup(test_more_than_the_queue_holds, set_up),
        cmocka_unit_test_setup(test_one_that_is_late, set_up),
        cmocka_unit_test_setup(test_one_that_completes_what_it_was_not_given, set_up),
        cmocka_unit_test_setup(test_one_that_is_gone_or_does_not_stop, set_up),
        cmocka_unit_test_setup(test_virtual_functions, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
