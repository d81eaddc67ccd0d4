// SPDX-License-Identifier: Apache-2.0
/* The virtio-blk back-end against drivers good and bad, on a disk that can fail (issue 2, points 7, 10 and 12). */
#include "fake_disk.h"
#include "fake_front.h"
#include <bulkhead/partition.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on
/* The module itself, so that each test can start it anew. */
#include <devices/virtio/blk_backend.c>

#define SECTORS 8192u
#define FEATURES                                                                                                       \
    (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_DISCARD |                         \
     VIRTIO_BLK_F_WRITE_ZEROES)
#define NEXT VIRTIO_DESCRIPTOR_NEXT
#define WRITE VIRTIO_DESCRIPTOR_WRITE
#define UNANSWERED 0xee

struct disk_config test_disks[1] __asm__("disks"); /* const to the code under test, not to us */
const uint32_t disk_count = 1;
const struct partition_config partitions[1] = {{.name = "guest"}};
const struct channel_config channels[1] = {{.device_id = VIRTIO_ID_BLOCK}};
const uint32_t partition_count = 1, channel_count = 1;

static struct fake_disk *fake;

void bulkhead_log(const char *format, ...)
{
    (void)format;
}

static void forget_back_end(void)
{
    free(devices[0].request);
    memset(devices, 0, sizeof(devices));
    memset(volume_get(0), 0, sizeof(struct volume));
}

static int setup(void **state)
{
    (void)state;
    test_disks[0] = (struct disk_config){.label = "", .serial = "serial-number-0020"};
    front_reset_all();
    fake = fake_disk_make(0, SECTORS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    forget_back_end();
    fake_disk_free_all();
    free(front_memory);
    front_memory = NULL;
    return 0;
}

static void attach_back_end(void)
{
    volume_start();
    blk_backend_start();
    fake_disk_run_all(fake);
    assert_int_equal(front.attaches, 1);
}

static void start_all(uint64_t features)
{
    attach_back_end();
    front_start(features);
}

static struct virtio_blk_config config(void)
{
    struct virtio_blk_config copy;

    memcpy(&copy, front.config, sizeof(copy));
    return copy;
}

/* Each request n has its header, status and data at places of its own in the guest's memory. */
static uint32_t header_at(uint32_t n)
{
    return 0x4000 + n * 16;
}

static uint32_t status_at(uint32_t n)
{
    return 0x8000 + n;
}

static uint8_t *data_at(uint32_t offset)
{
    return front_memory + FRONT_DATA + offset;
}

static void put_header(uint32_t n, uint32_t type, uint64_t sector)
{
    struct virtio_blk_header header = {.type = type, .sector = sector};

    memcpy(front_memory + header_at(n), &header, sizeof(header));
    front_memory[status_at(n)] = UNANSWERED;
}

static uint8_t status(uint32_t n)
{
    return front_memory[status_at(n)];
}

/* Request n: descriptors 3n..3n+2, data of `length` bytes at `offset` of the data area. */
static void request(uint32_t n, uint32_t type, uint64_t sector, uint32_t offset, uint32_t length)
{
    uint16_t head = (uint16_t)(3 * n), to_guest = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID ? WRITE : 0;

    put_header(n, type, sector);
    front_describe(head, FRONT_BASE + header_at(n), sizeof(struct virtio_blk_header), NEXT,
                   (uint16_t)(length != 0 ? head + 1 : head + 2));
    front_describe(head + 1u, FRONT_BASE + FRONT_DATA + offset, length, NEXT | to_guest, (uint16_t)(head + 2));
    front_describe(head + 2u, FRONT_BASE + status_at(n), 1, WRITE, 0);
    front_offer(head);
}

static void range_request(uint32_t n, uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    struct virtio_blk_range range = {.sector = sector, .sectors = sectors, .flags = flags};

    memcpy(data_at(n * 512), &range, sizeof(range));
    request(n, type, 0, n * 512, sizeof(range));
}

static void ring(void)
{
    front_ring(1);
}

static void run(void)
{
    ring();
    for (uint32_t i = 0; i < 1000 && fake->count > 0; i++) {
        fake_disk_run_all(fake);
        front_loop();
    }
}

static void fill(uint32_t offset, uint32_t length, uint8_t seed)
{
    for (uint32_t i = 0; i < length; i++)
        data_at(offset)[i] = (uint8_t)(seed + i * 7 + i / 512);
}

static void test_what_is_offered(void **state)
{
    (void)state;
    attach_back_end();
    assert_int_equal(config().capacity, SECTORS);
    assert_int_equal(config().blk_size, 512);
    assert_int_equal(config().seg_max, SEGMENTS_MAX);
    assert_int_equal(config().max_discard_seg, 1);
    assert_int_equal(config().max_write_zeroes_seg, 1);
    assert_int_equal(front.offered_features,
                     FEATURES | VIRTIO_F_EVENT_IDX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE);
}

static void test_what_is_offered_of_a_poor_disk(void **state)
{
    (void)state;
    fake->disk.has_flush = fake->disk.has_discard = fake->disk.has_write_zeroes = false;
    attach_back_end();
    assert_false(front.offered_features & (VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_DISCARD));
    assert_true(front.offered_features & VIRTIO_BLK_F_WRITE_ZEROES);
    assert_int_equal(config().max_write_zeroes_sectors, ZERO_SECTORS_MAX);
}

static void test_what_is_offered_read_only(void **state)
{
    (void)state;
    test_disks[0].read_only = true;
    attach_back_end();
    assert_true(front.offered_features & VIRTIO_BLK_F_RO);
    assert_false(front.offered_features & (VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES));
}

static void test_write_and_read(void **state)
{
    (void)state;
    start_all(FEATURES);
    fill(0, 4096, 3);
    request(0, VIRTIO_BLK_T_OUT, 8, 0, 4096);
    run();
    assert_int_equal(status(0), VIRTIO_BLK_S_OK);
    assert_memory_equal(fake->cached + 8 * 512, data_at(0), 4096);
    request(1, VIRTIO_BLK_T_IN, 9, 8192, 1024);
    run();
    assert_int_equal(status(1), VIRTIO_BLK_S_OK);
    assert_memory_equal(data_at(8192), data_at(512), 1024);
    assert_int_equal(front_used()->index, 2);
    assert_int_equal(front_used()->ring[0].length, 1);
    assert_int_equal(front_used()->ring[1].length, 1025);
    assert_int_equal(front.signals, 2);
}

/* Header, data and status in any cut: 2.7.4.2 leaves it to the driver. */
static void test_any_layout(void **state)
{
    (void)state;
    start_all(FEATURES);
    memset(fake->cached + 512, 0x77, 1024);
    put_header(0, VIRTIO_BLK_T_IN, 1);
    front_describe(0, FRONT_BASE + header_at(0), 5, NEXT, 1);
    front_describe(1, FRONT_BASE + header_at(0) + 5, 11, NEXT, 2);
    front_describe(2, FRONT_BASE + FRONT_DATA, 100, NEXT | WRITE, 3);
    front_describe(3, FRONT_BASE + FRONT_DATA + 100, 925, WRITE, 0); /* status is its last byte */
    data_at(0)[1024] = UNANSWERED;
    front_offer(0);
    run();
    assert_int_equal(data_at(0)[1024], VIRTIO_BLK_S_OK);
    for (uint32_t i = 0; i < 1024; i++)
        assert_int_equal(data_at(0)[i], 0x77);

    struct virtio_blk_header header = {.type = VIRTIO_BLK_T_OUT, .sector = 20};

    fill(0x1000, 16 + 512, 9);
    memcpy(data_at(0x1000), &header, sizeof(header)); /* header and data in one piece */
    front_memory[status_at(1)] = UNANSWERED;
    front_describe(10, FRONT_BASE + FRONT_DATA + 0x1000, 16 + 512, NEXT, 11);
    front_describe(11, FRONT_BASE + status_at(1), 1, WRITE, 0);
    front_offer(10);
    run();
    assert_int_equal(status(1), VIRTIO_BLK_S_OK);
    assert_memory_equal(fake->cached + 20 * 512, data_at(0x1000 + 16), 512);
}

static void test_indirect(void **state)
{
    struct virtio_descriptor table[3];

    (void)state;
    start_all(FEATURES);
    fill(0, 512, 5);
    put_header(0, VIRTIO_BLK_T_OUT, 4);
    table[0] = (struct virtio_descriptor){FRONT_BASE + header_at(0), 16, NEXT, 1};
    table[1] = (struct virtio_descriptor){FRONT_BASE + FRONT_DATA, 512, NEXT, 2};
    table[2] = (struct virtio_descriptor){FRONT_BASE + status_at(0), 1, WRITE, 0};
    memcpy(data_at(0x8000), table, sizeof(table));
    front_describe(7, FRONT_BASE + FRONT_DATA + 0x8000, sizeof(table), VIRTIO_DESCRIPTOR_INDIRECT, 0);
    front_offer(7);
    run();
    assert_int_equal(status(0), VIRTIO_BLK_S_OK);
    assert_memory_equal(fake->cached + 4 * 512, data_at(0), 512);
}

/* A FLUSH is answered only after the disk's; then a power cut loses nothing that was answered before. */
static void test_flush_reaches_the_disk(void **state)
{
    (void)state;
    start_all(FEATURES);
    fake->hold = true;
    fill(0, 1024, 1);
    request(0, VIRTIO_BLK_T_OUT, 0, 0, 512);
    ring();
    fake_disk_complete(fake, 0);
    assert_int_equal(status(0), VIRTIO_BLK_S_OK);
    request(1, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
    request(2, VIRTIO_BLK_T_OUT, 1, 512, 512);
    ring();
    assert_int_equal(fake->count, 2);
    assert_int_equal(fake->waiting[0]->operation, DISK_FLUSH);
    assert_int_equal(status(1), UNANSWERED);
    assert_int_equal(front_used()->index, 1);
    fake_disk_complete(fake, 0);
    assert_int_equal(status(1), VIRTIO_BLK_S_OK);
    assert_int_equal(front_used()->index, 2);
    fake_disk_complete(fake, 0);
    assert_int_equal(status(2), VIRTIO_BLK_S_OK);
    fake_disk_power_cut(fake);
    assert_memory_equal(fake->stable, data_at(0), 512);
    for (uint32_t i = 0; i < 512; i++) /* not flushed: the fake disk is an honest one */
        assert_int_equal(fake->stable[512 + i], 0);
}

static void test_failed_flush_is_said(void **state)
{
    (void)state;
    start_all(FEATURES);
    fake->next_result = DISK_IO_ERROR;
    request(0, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
    run();
    assert_int_equal(status(0), VIRTIO_BLK_S_IOERR);
}

static void test_write_through_without_flush(void **state)
{
    (void)state;
    start_all(FEATURES & ~VIRTIO_BLK_F_FLUSH);
    fake->hold = true;
    fill(0, 512, 1);
    request(0, VIRTIO_BLK_T_OUT, 0, 0, 512);
    ring();
    fake_disk_complete(fake, 0);
    assert_int_equal(status(0), UNANSWERED);
    assert_int_equal(fake->waiting[0]->operation, DISK_FLUSH);
    fake_disk_complete(fake, 0);
    assert_int_equal(status(0), VIRTIO_BLK_S_OK);
    fake_disk_power_cut(fake);
    assert_memory_equal(fake->stable, data_at(0), 512);
}

static void test_flush_without_cache(void **state)
{
    (void)state;
    fake->disk.has_flush = false;
    start_all(FEATURES & ~VIRTIO_BLK_F_FLUSH);
    request(0, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
    ring();
    assert_int_equal(status(0), VIRTIO_BLK_S_OK);
    assert_int_equal(fake->submitted, 0);
}

/* The disk answers last first; each request gets its own data, and the driver sees them in the order offered. */
static void test_disk_out_of_order(void **state)
{
    (void)state;
    start_all(FEATURES);
    fake->hold = true;
    for (uint32_t n = 0; n < 20; n++) {
        memset(fake->cached + n * 512, (int)n + 1, 512);
        request(n, VIRTIO_BLK_T_IN, n, n * 512, 512);
    }
    ring();
    assert_int_equal(fake->count, 20);
    while (fake->count > 0)
        fake_disk_complete(fake, fake->count - 1);
    front_loop();
    assert_int_equal(front_used()->index, 20);
    for (uint32_t n = 0; n < 20; n++) {
        assert_int_equal(status(n), VIRTIO_BLK_S_OK);
        assert_int_equal(front_used()->ring[n].head, 3 * n);
        assert_int_equal(data_at(n * 512)[511], n + 1);
    }
    assert_int_equal(front.signals, 1); /* one interrupt for the burst */
}

/* More than the back-end takes at a time: the rest follows by itself. */
static void test_more_than_fits(void **state)
{
    struct virtio_descriptor table[3];

    (void)state;
    start_all(FEATURES);
    fake->hold = true;
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t at = 0x20000 + n * 64;

        put_header(n, VIRTIO_BLK_T_IN, n);
        table[0] = (struct virtio_descriptor){FRONT_BASE + header_at(n), 16, NEXT, 1};
        table[1] = (struct virtio_descriptor){FRONT_BASE + FRONT_DATA + 0x40000 + n * 512, 512, NEXT | WRITE, 2};
        table[2] = (struct virtio_descriptor){FRONT_BASE + status_at(n), 1, WRITE, 0};
        memcpy(data_at(at), table, sizeof(table));
        front_describe(n, FRONT_BASE + FRONT_DATA + at, sizeof(table), VIRTIO_DESCRIPTOR_INDIRECT, 0);
        front_offer((uint16_t)n);
    }
    ring();
    assert_int_equal(fake->count, REQUESTS_MAX);
    fake->hold = false;
    run();
    assert_int_equal(front_used()->index, 256);
    for (uint32_t n = 0; n < 256; n++)
        assert_int_equal(status(n), VIRTIO_BLK_S_OK);
    assert_int_equal(devices[0].in_flight, 0);
}

/* What the disk takes only in pieces, with segments of odd lengths, arrives whole. */
static void test_pieces(void **state)
{
    static const uint32_t lengths[] = {100, 1500, 3, 509, 512, 1, 1, 1, 4493};

    (void)state;
    for (uint32_t segments = 1; segments <= 5; segments++) {
        for (uint32_t most = 512; most <= 4096; most += 700) {
            uint32_t offset = 0;

            setup(NULL);
            fake->disk.segments_max = segments + 4;
            fake->disk.max_transfer = most;
            start_all(FEATURES);
            fill(0, 7120, (uint8_t)most);
            put_header(0, VIRTIO_BLK_T_OUT, 10);
            front_describe(0, FRONT_BASE + header_at(0), 16, NEXT, 1);
            for (uint16_t i = 0; i < 9; i++) {
                uint32_t length = i == 8 ? 7168 - offset : lengths[i];

                front_describe(i + 1u, FRONT_BASE + FRONT_DATA + offset, length, NEXT, (uint16_t)(i + 2));
                offset += length;
            }
            front_describe(10, FRONT_BASE + status_at(0), 1, WRITE, 0);
            front_offer(0);
            run();
            assert_int_equal(status(0), VIRTIO_BLK_S_OK);
            assert_memory_equal(fake->cached + 10 * 512, data_at(0), 7168);
            teardown(NULL);
        }
    }
    setup(NULL);
}

static void test_crumbs_are_refused(void **state)
{
    (void)state;
    fake->disk.segments_max = 1;
    start_all(FEATURES);
    put_header(0, VIRTIO_BLK_T_OUT, 0);
    front_describe(0, FRONT_BASE + header_at(0), 16, NEXT, 1);
    front_describe(1, FRONT_BASE + FRONT_DATA, 256, NEXT, 2);
    front_describe(2, FRONT_BASE + FRONT_DATA, 256, NEXT, 3);
    front_describe(3, FRONT_BASE + status_at(0), 1, WRITE, 0);
    front_offer(0);
    run();
    assert_int_equal(status(0), VIRTIO_BLK_S_IOERR);
    assert_int_equal(fake->submitted, 0);
}

static void test_discard_and_write_zeroes(void **state)
{
    (void)state;
    start_all(FEATURES);
    memset(fake->cached, 0xff, 64 * 512);
    range_request(0, VIRTIO_BLK_T_DISCARD, 0, 4, 0);
    range_request(1, VIRTIO_BLK_T_WRITE_ZEROES, 8, 4, VIRTIO_BLK_RANGE_UNMAP);
    range_request(2, VIRTIO_BLK_T_DISCARD, 16, 4, VIRTIO_BLK_RANGE_UNMAP);
    range_request(3, VIRTIO_BLK_T_WRITE_ZEROES, 16, 4, 2);
    range_request(4, VIRTIO_BLK_T_WRITE_ZEROES, SECTORS - 1, 2, 0);
    range_request(5, VIRTIO_BLK_T_DISCARD, UINT64_MAX, 1, 0);
    range_request(6, VIRTIO_BLK_T_DISCARD, 0, 0, 0);
    range_request(7, VIRTIO_BLK_T_DISCARD, 0, 0x10001, 0);
    run();
    assert_int_equal(status(0), VIRTIO_BLK_S_OK);
    assert_int_equal(status(1), VIRTIO_BLK_S_OK);
    assert_int_equal(status(2), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(status(3), VIRTIO_BLK_S_UNSUPP);
    for (uint32_t n = 4; n < 8; n++)
        assert_int_equal(status(n), VIRTIO_BLK_S_IOERR);
    assert_int_equal(fake->cached[0], 0);
    assert_int_equal(fake->cached[4 * 512], 0xff);
    assert_int_equal(fake->cached[8 * 512], 0);
    assert_int_equal(fake->cached[12 * 512 - 1], 0);
    assert_int_equal(fake->cached[12 * 512], 0xff);
}

static void test_write_zeroes_by_writing(void **state)
{
    (void)state;
    fake->disk.has_write_zeroes = fake->disk.has_discard = false;
    fake->disk.segments_max = 3;
    start_all(FEATURES & ~VIRTIO_BLK_F_DISCARD);
    memset(fake->cached, 0xff, SECTORS * 512);
    range_request(0, VIRTIO_BLK_T_WRITE_ZEROES, 1, 1001, 0);
    range_request(1, VIRTIO_BLK_T_WRITE_ZEROES, 0, ZERO_SECTORS_MAX + 1, 0);
    range_request(2, VIRTIO_BLK_T_DISCARD, 0, 1, 0);
    run();
    assert_int_equal(status(0), VIRTIO_BLK_S_OK);
    assert_int_equal(status(1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(status(2), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(fake->cached[511], 0xff);
    for (uint32_t i = 512; i < 1002 * 512; i++)
        assert_int_equal(fake->cached[i], 0);
    assert_int_equal(fake->cached[1002 * 512], 0xff);
}

static void test_get_id(void **state)
{
    (void)state;
    start_all(FEATURES);
    memset(data_at(0), 0xff, 64);
    request(0, VIRTIO_BLK_T_GET_ID, 0, 0, 20);
    request(1, VIRTIO_BLK_T_GET_ID, 0, 32, 4);
    run();
    assert_int_equal(status(0), VIRTIO_BLK_S_OK);
    assert_memory_equal(data_at(0), test_disks[0].serial, 20);
    assert_int_equal(data_at(0)[20], 0xff);
    assert_memory_equal(data_at(32), "seri\xff", 5);
}

static void test_requests_outside(void **state)
{
    (void)state;
    test_disks[0].read_only = true;
    fake->disk.max_transfer = 512;
    start_all(FEATURES);
    request(0, VIRTIO_BLK_T_OUT, 0, 0, 512);
    request(1, VIRTIO_BLK_T_IN, SECTORS, 0, 512);
    request(2, VIRTIO_BLK_T_IN, SECTORS - 1, 0, 1024);
    request(3, VIRTIO_BLK_T_IN, UINT64_MAX, 0, 512);
    request(4, VIRTIO_BLK_T_IN, 0, 0, 100);
    request(5, VIRTIO_BLK_T_IN, 0, 0, 0);
    request(6, 99, 0, 0, 512);
    request(7, VIRTIO_BLK_T_IN, SECTORS - 1, 0, 512);
    range_request(8, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0);
    run();
    for (uint32_t n = 0; n < 6; n++)
        assert_int_equal(status(n), VIRTIO_BLK_S_IOERR);
    assert_int_equal(status(6), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(status(7), VIRTIO_BLK_S_OK);
    assert_int_equal(status(8), VIRTIO_BLK_S_IOERR);
    assert_int_equal(fake->submitted, 1);
    assert_int_equal(front.fails, 0);
}

static void test_disk_errors(void **state)
{
    (void)state;
    start_all(FEATURES);
    fake->fail_sector = 5;
    request(0, VIRTIO_BLK_T_IN, 4, 0, 1024);
    request(1, VIRTIO_BLK_T_IN, 6, 0, 512);
    run();
    assert_int_equal(status(0), VIRTIO_BLK_S_IOERR);
    assert_int_equal(status(1), VIRTIO_BLK_S_OK);
    fake->next_result = DISK_UNSUPPORTED;
    range_request(2, VIRTIO_BLK_T_DISCARD, 0, 1, 0);
    run();
    assert_int_equal(status(2), VIRTIO_BLK_S_UNSUPP);
}

static void test_missing_disk(void **state)
{
    struct storage_status shown;

    (void)state;
    test_disks[0].device = 2;
    start_all(VIRTIO_F_VERSION_1);
    assert_int_equal(config().capacity, 0);
    request(0, VIRTIO_BLK_T_IN, 0, 0, 512);
    request(1, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
    request(2, VIRTIO_BLK_T_GET_ID, 0, 0, 20);
    run();
    assert_int_equal(status(0), VIRTIO_BLK_S_IOERR);
    assert_int_equal(status(1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(status(2), VIRTIO_BLK_S_OK);
    assert_true(storage_status_get(0, &shown));
    assert_string_equal(shown.volume->status, "disk 2 is missing");
    assert_true(shown.attached);
    assert_int_equal(shown.failed, 2);
    assert_false(storage_status_get(1, &shown));
}

/* The channel opens only when the volume's place is known. */
static void test_attaches_when_opened(void **state)
{
    static const struct fake_partition one[] = {{"data", 100, 199}};

    (void)state;
    fake_disk_write_gpt(fake, one, 1);
    test_disks[0] = (struct disk_config){.source = DISK_GPT, .label = "data"};
    volume_start();
    blk_backend_start();
    assert_int_equal(front.attaches, 0);
    fake_disk_run_all(fake);
    assert_int_equal(front.attaches, 1);
    assert_int_equal(config().capacity, 100);
}

/* Nothing of the guest's memory changes once RESET_DONE was said, and that is not said before the disk is done. */
static void test_reset_waits(void **state)
{
    (void)state;
    start_all(FEATURES);
    fake->hold = true;
    request(0, VIRTIO_BLK_T_IN, 0, 0, 512);
    request(1, VIRTIO_BLK_T_OUT, 1, 0, 512);
    ring();
    assert_false(front_stop());
    fake_disk_complete(fake, 1);
    assert_int_equal(front.reset_dones, 0);
    fake_disk_complete(fake, 0);
    assert_int_equal(front.reset_dones, 1);
    assert_int_equal(status(0), UNANSWERED);
    assert_int_equal(front_used()->index, 0);

    memset(front_memory, 0, FRONT_SIZE); /* a new start of the guest */
    front_start(FEATURES);
    fake->hold = false;
    request(0, VIRTIO_BLK_T_IN, 0, 0, 512);
    run();
    assert_int_equal(status(0), VIRTIO_BLK_S_OK);
    assert_int_equal(front_used()->index, 1);
    assert_true(front_stop());
}

/* Issue 2, point 14: a restarted management domain takes up what the guest has out, each request once. */
static void test_resume(void **state)
{
    (void)state;
    start_all(FEATURES);
    fake->hold = true;
    fill(0, 4096, 8);
    for (uint32_t n = 0; n < 4; n++)
        request(n, VIRTIO_BLK_T_OUT, n, n * 512, 512);
    ring();
    fake_disk_complete(fake, 0);
    fake_disk_complete(fake, 1); /* request 2, while 1 is under way */
    front_loop();
    assert_int_equal(front_used()->index, 1);
    fake_disk_power_cut(fake);
    forget_back_end();
    front.attaches = 0;
    attach_back_end();
    front_loop();
    assert_int_equal(fake->count, 3);
    fake->hold = false;
    run();
    assert_int_equal(front_used()->index, 4);
    for (uint32_t n = 0; n < 4; n++) {
        assert_int_equal(status(n), VIRTIO_BLK_S_OK);
        assert_int_equal(front_used()->ring[n].head, 3 * n);
    }
    assert_memory_equal(fake->cached + 512, data_at(512), 3 * 512);
}

static void assert_broken_by_last(void)
{
    front_offer(100);
    run();
    assert_int_equal(front.fails, 1);
    assert_int_equal(fake->submitted, 0);
    assert_true(front_stop());
    assert_int_equal(devices[0].in_flight, 0);
    memset(front_memory, 0, FRONT_SIZE);
    front_start(FEATURES);
    request(0, VIRTIO_BLK_T_IN, 0, 0, 512); /* all is well after a reset */
    run();
    assert_int_equal(status(0), VIRTIO_BLK_S_OK);
}

static void test_no_header(void **state)
{
    (void)state;
    start_all(FEATURES);
    front_describe(100, FRONT_BASE + header_at(0), 15, NEXT, 101);
    front_describe(101, FRONT_BASE + status_at(0), 1, WRITE, 0);
    assert_broken_by_last();
}

static void test_no_status(void **state)
{
    (void)state;
    start_all(FEATURES);
    put_header(0, VIRTIO_BLK_T_OUT, 0);
    front_describe(100, FRONT_BASE + header_at(0), 16, NEXT, 101);
    front_describe(101, FRONT_BASE + FRONT_DATA, 512, 0, 0);
    assert_broken_by_last();
}

static void test_empty_chain(void **state)
{
    (void)state;
    start_all(FEATURES);
    front_describe(100, FRONT_BASE, 0, 0, 0);
    assert_broken_by_last();
}

static void test_too_many_segments(void **state)
{
    (void)state;
    start_all(FEATURES);
    put_header(0, VIRTIO_BLK_T_OUT, 0);
    front_describe(100, FRONT_BASE + header_at(0), 16, NEXT, 101);
    for (uint16_t i = 101; i < 100 + SEGMENTS_MAX + 2; i++)
        front_describe(i, FRONT_BASE + FRONT_DATA, 512, NEXT, (uint16_t)(i + 1));
    front_describe(100 + SEGMENTS_MAX + 2, FRONT_BASE + status_at(0), 1, WRITE, 0);
    assert_broken_by_last();
}

static void test_wild_address(void **state)
{
    static const struct {
        uint64_t address;
        uint32_t length;
    } wild[] = {
        {0, 512},
        {FRONT_BASE - 1, 512},
        {FRONT_BASE + FRONT_SIZE - 511, 512},
        {FRONT_BASE + FRONT_SIZE, 512},
        {UINT64_MAX - 511, 512},
        {UINT64_MAX, 512},
        {FRONT_BASE + FRONT_DATA, 0xfffffe00},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        if (i != 0)
            setup(NULL);
        start_all(FEATURES);
        put_header(0, VIRTIO_BLK_T_IN, 0);
        front_describe(100, FRONT_BASE + header_at(0), 16, NEXT, 101);
        front_describe(101, wild[i].address, wild[i].length, NEXT | WRITE, 102);
        front_describe(102, FRONT_BASE + status_at(0), 1, WRITE, 0);
        assert_broken_by_last();
        if (i + 1 < sizeof(wild) / sizeof(wild[0]))
            teardown(NULL);
    }
}

static void test_loop(void **state)
{
    (void)state;
    start_all(FEATURES);
    front_describe(100, FRONT_BASE + header_at(0), 16, NEXT, 101);
    front_describe(101, FRONT_BASE + FRONT_DATA, 512, NEXT, 101);
    assert_broken_by_last();
}

/* A queue breaks while requests are out: they end quietly, and a reset waits for them. */
static void test_breaks_in_flight(void **state)
{
    (void)state;
    start_all(FEATURES);
    fake->hold = true;
    request(0, VIRTIO_BLK_T_IN, 0, 0, 512);
    ring();
    front_describe(100, 0, 16, 0, 0);
    front_offer(100);
    ring();
    assert_int_equal(front.fails, 1);
    assert_false(front_stop());
    fake_disk_complete(fake, 0);
    assert_int_equal(front.reset_dones, 1);
    assert_int_equal(status(0), UNANSWERED);

    memset(front_memory, 0, FRONT_SIZE); /* likewise, but the requests end before the reset */
    front_start(FEATURES);
    request(0, VIRTIO_BLK_T_IN, 0, 0, 512);
    ring();
    front_describe(100, 0, 16, 0, 0);
    front_offer(100);
    ring();
    fake_disk_complete(fake, 0);
    assert_true(front_stop());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_offered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_offered_of_a_poor_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_offered_read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_and_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_layout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_indirect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flush_reaches_the_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_flush_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_through_without_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flush_without_cache, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_out_of_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_than_fits, setup, teardown),
        cmocka_unit_test_teardown(test_pieces, teardown),
        cmocka_unit_test_setup_teardown(test_crumbs_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_discard_and_write_zeroes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_zeroes_by_writing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attaches_when_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resume, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_status, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wild_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_breaks_in_flight, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
