/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums and segmentation in software, judged by a plain reading of the RFCs. */
#include <net/checksum.h>
#include <net/offload.h>
#include <net/vswitch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL (VSWITCH_CHECKSUM | VSWITCH_TSO4 | VSWITCH_TSO6 | VSWITCH_TSO_ECN)
#define FRAMES_MAX 600

static uint8_t frame[70000];
static struct packet packet;
static struct segment pieces[40];

static struct got {
    uint32_t length;
    uint8_t bytes[2048];
} * got;
static uint32_t got_count;
static uint32_t refuse_at;

static bool deliver(void *owner, const struct packet *made)
{
    assert_ptr_equal(owner, frame);
    assert_in_range(got_count, 0, FRAMES_MAX - 1);
    assert_true(made->length <= sizeof(got->bytes));
    assert_int_equal(made->offload.flags | made->offload.gso_type, 0);
    assert_int_equal(segments_read(made->segment, made->segments, 0, got[got_count].bytes, sizeof(got->bytes)),
                     made->length);
    assert_memory_equal(made->head, got[got_count].bytes, made->length < PACKET_HEAD ? made->length : PACKET_HEAD);
    got[got_count++].length = made->length;
    return got_count != refuse_at;
}

static int setup(void **state)
{
    (void)state;
    got = calloc(FRAMES_MAX, sizeof(*got));
    got_count = refuse_at = 0;
    memset(&packet, 0, sizeof(packet));
    memset(frame, 0, sizeof(frame));
    srand(7);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(got);
    return 0;
}

static uint32_t be16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t be32(const uint8_t *at)
{
    return be16(at) << 16 | be16(at + 2);
}

/* RFC 1071 byte by byte: what sums up to 0xffff is right. */
static uint32_t sum(const uint8_t *bytes, uint32_t length, uint32_t before)
{
    uint64_t total = before;

    for (uint32_t i = 0; i < length; i++)
        total += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (total >> 16)
        total = (total >> 16) + (total & 0xffff);
    return (uint32_t)total;
}

/* Cuts the frame into pieces of odd and even lengths. */
static void cut(uint32_t length)
{
    uint32_t at = length < PACKET_HEAD ? length : PACKET_HEAD, count = 1;

    memcpy(packet.head, frame, at);
    pieces[0] = (struct segment){packet.head, at};
    while (at < length) {
        uint32_t piece = count == 39 ? length - at : (uint32_t)rand() % 4096;

        if (piece > length - at)
            piece = length - at;
        pieces[count++] = (struct segment){frame + at, piece};
        at += piece;
    }
    packet.length = length;
    packet.segment = pieces;
    packet.segments = count;
}

struct shape {
    bool ipv6, tagged;
    uint32_t options, payload, size;
    uint8_t flags;
    bool ecn;
};

static uint32_t make_tcp(const struct shape *shape)
{
    uint32_t ip = shape->tagged ? 18 : 14, tcp = ip + (shape->ipv6 ? 40 : 20), data = tcp + 20 + shape->options;

    for (uint32_t i = 0; i < data + shape->payload; i++)
        frame[i] = (uint8_t)rand();
    if (shape->tagged)
        memcpy(frame + 12, "\x81\x00\x00\x0a", 4);
    memcpy(frame + ip - 2, shape->ipv6 ? "\x86\xdd" : "\x08\x00", 2);
    frame[ip] = shape->ipv6 ? 0x60 : 0x45;
    frame[ip + (shape->ipv6 ? 6 : 9)] = 6;
    frame[tcp + 12] = (uint8_t)((20 + shape->options) / 4 << 4);
    frame[tcp + 13] = shape->flags;
    packet.offload = (struct virtio_net_header){
        .flags = VIRTIO_NET_NEEDS_CSUM,
        .gso_type = (uint8_t)((shape->ipv6 ? VIRTIO_NET_GSO_TCPV6 : VIRTIO_NET_GSO_TCPV4) |
                              (shape->ecn ? VIRTIO_NET_GSO_ECN : 0)),
        .gso_size = (uint16_t)shape->size,
        .csum_start = (uint16_t)tcp,
        .csum_offset = 16,
    };
    cut(data + shape->payload);
    return data;
}

static void check_tcp(const struct shape *shape, uint32_t data)
{
    uint32_t ip = shape->tagged ? 18 : 14, tcp = ip + (shape->ipv6 ? 40 : 20), at = 0;
    uint32_t expected = shape->payload ? (shape->payload + shape->size - 1) / shape->size : 1;

    assert_int_equal(got_count, expected);
    for (uint32_t i = 0; i < got_count; i++) {
        const uint8_t *bytes = got[i].bytes;
        uint32_t payload = got[i].length - data, segment = got[i].length - tcp;
        bool last = i == got_count - 1;
        uint8_t flags = shape->flags;

        assert_int_equal(payload, last ? shape->payload - at : shape->size);
        assert_memory_equal(bytes, frame, ip);
        assert_memory_equal(bytes + data, frame + data + at, payload);
        assert_int_equal(be32(bytes + tcp + 4), be32(frame + tcp + 4) + at);
        if (!last)
            flags &= (uint8_t)~0x09; /* FIN, PSH */
        if (i)
            flags &= (uint8_t)~0x80; /* CWR */
        assert_int_equal(bytes[tcp + 13], flags);
        if (shape->ipv6) {
            assert_int_equal(be16(bytes + ip + 4), segment);
            assert_int_equal(sum(bytes + tcp, segment, sum(bytes + ip + 8, 32, segment + 6)), 0xffff);
        } else {
            assert_int_equal(be16(bytes + ip + 2), got[i].length - ip);
            assert_int_equal(be16(bytes + ip + 4), (be16(frame + ip + 4) + i) & 0xffff);
            assert_int_equal(sum(bytes + ip, 20, 0), 0xffff);
            assert_int_equal(sum(bytes + tcp, segment, sum(bytes + ip + 12, 8, segment + 6)), 0xffff);
        }
        at += payload;
    }
    assert_int_equal(at, shape->payload);
}

static void test_segments_are_right(void **state)
{
    static const struct shape shapes[] = {
        {.payload = 65000, .size = 1448, .options = 12, .flags = 0x18},
        {.payload = 65000, .size = 1428, .options = 12, .flags = 0x18, .ipv6 = true},
        {.payload = 65000, .size = 1448, .options = 12, .flags = 0x10, .tagged = true},
        {.payload = 30001, .size = 999, .flags = 0x99, .ecn = true},
        {.payload = 30001, .size = 999, .options = 40, .flags = 0x99, .ipv6 = true, .tagged = true, .ecn = true},
        {.payload = 1000, .size = 1000, .flags = 0x18},
        {.payload = 1001, .size = 1000, .flags = 0x11},
        {.payload = 1, .size = 1400, .flags = 0x18},
        {.payload = 0, .size = 1400, .flags = 0x11},
        {.payload = 512, .size = 1, .flags = 0x10},
    };

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        uint32_t data;

        setup(state);
        data = make_tcp(&shapes[i]);
        assert_true(offload_check(&packet.offload, packet.length, ALL));
        assert_false(offload_fits(&packet.offload, VSWITCH_CHECKSUM));
        assert_true(offload_deliver(&packet, deliver, frame));
        check_tcp(&shapes[i], data);
        teardown(state);
    }
    setup(state);
}

static void test_one_packet_is_bounded_work(void **state)
{
    const struct shape shape = {.payload = 513, .size = 1, .flags = 0x10};

    (void)state;
    make_tcp(&shape);
    assert_false(offload_deliver(&packet, deliver, frame));
    assert_int_equal(got_count, 0);
}

static void test_refusal_is_reported(void **state)
{
    const struct shape shape = {.payload = 5000, .size = 1000, .flags = 0x10};

    (void)state;
    make_tcp(&shape);
    refuse_at = 2;
    assert_false(offload_deliver(&packet, deliver, frame));
    assert_int_equal(got_count, 5);
}

/* Headers that are not what the offload header says: dropped, nothing read beyond them. */
static void test_headers_that_lie(void **state)
{
    static const struct {
        uint32_t at;
        uint8_t value;
    } lies[] = {
        {12, 0x86},             /* not IPv4 */
        {14, 0x65},             /* not version 4 */
        {14, 0x44}, {14, 0x46}, /* header lengths that are not where TCP begins */
        {23, 17},               /* UDP */
        {46, 0x40}, {46, 0xf0}, /* TCP headers too short; longer than what was copied is not possible */
    };
    struct shape shape = {.payload = 3000, .size = 1000, .flags = 0x10};

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        setup(state);
        make_tcp(&shape);
        frame[lies[i].at] = lies[i].value;
        cut(packet.length);
        if (lies[i].at == 46 && lies[i].value == 0xf0)
            assert_true(offload_deliver(&packet, deliver, frame));
        else
            assert_false(offload_deliver(&packet, deliver, frame));
        teardown(state);
    }
    for (uint32_t length = 14; length < 54; length++) {
        setup(state);
        make_tcp(&shape);
        cut(length);
        assert_false(offload_deliver(&packet, deliver, frame));
        teardown(state);
    }
    setup(state);
    make_tcp(&shape);
    packet.offload.csum_start = 40;
    assert_false(offload_deliver(&packet, deliver, frame));
    packet.offload.csum_start = 34;
    packet.offload.csum_offset = 6;
    assert_false(offload_deliver(&packet, deliver, frame));
}

static void test_checksum_alone(void **state)
{
    for (uint32_t length = 42; length < 1514; length += 7) {
        setup(state);
        for (uint32_t i = 0; i < length; i++)
            frame[i] = (uint8_t)rand();
        /* A UDP sender leaves the pseudo header's sum in the field. */
        frame[40] = 0x12;
        frame[41] = 0x34;
        packet.offload = (struct virtio_net_header){.flags = VIRTIO_NET_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6};
        cut(length);
        assert_true(offload_check(&packet.offload, length, ALL));
        assert_true(offload_fits(&packet.offload, VSWITCH_CHECKSUM));
        assert_true(offload_deliver(&packet, deliver, frame));
        assert_int_equal(got_count, 1);
        assert_int_equal(got[0].length, length);
        assert_memory_equal(got[0].bytes, frame, 40);
        assert_memory_equal(got[0].bytes + 42, frame + 42, length - 42);
        /* The field was part of the sum; with the new value in its place the whole is the complement of zero. */
        assert_int_equal(sum(got[0].bytes + 34, length - 34, 0x1234), 0xffff);
        teardown(state);
    }
    setup(state);
}

static void test_checksum_is_never_zero(void **state)
{
    (void)state;
    memset(frame, 0, 60);
    frame[40] = frame[41] = 0xff; /* sums up to 0xffff: the complement is 0 */
    packet.offload = (struct virtio_net_header){.flags = VIRTIO_NET_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6};
    cut(60);
    assert_true(offload_deliver(&packet, deliver, frame));
    assert_int_equal(be16(got[0].bytes + 40), 0xffff);
}

static void test_check_of_offload_headers(void **state)
{
    const struct virtio_net_header good = {
        .flags = 1, .gso_type = 1, .gso_size = 1448, .csum_start = 34, .csum_offset = 16};
    struct virtio_net_header header;

    (void)state;
#define CHECK_WITH(...) (header = good, __VA_ARGS__, offload_check(&header, 3000, ALL))
    assert_true(CHECK_WITH((void)0));
    assert_false(CHECK_WITH(header.gso_size = 0));
    assert_false(CHECK_WITH(header.flags = 0));
    assert_false(CHECK_WITH(header.gso_type = 3)); /* UDP fragmentation */
    assert_false(CHECK_WITH(header.gso_type = 5));
    assert_false(CHECK_WITH(header.gso_type = VIRTIO_NET_GSO_ECN));
    assert_false(CHECK_WITH(header.csum_start = 13));
    assert_false(CHECK_WITH(header.csum_start = 65535));
    assert_false(CHECK_WITH(header.csum_start = 2983));
    assert_true(CHECK_WITH(header.csum_start = 2982));
    assert_false(CHECK_WITH(header.csum_offset = 65535));
    assert_true(CHECK_WITH(header.header_length = 3001));
    assert_int_equal(header.header_length, 0);
    assert_true(CHECK_WITH(header.flags = 0, header.gso_type = 0));
    assert_int_equal(header.gso_size | header.csum_start | header.csum_offset, 0);
    header = good;
    assert_false(offload_check(&header, 3000, VSWITCH_CHECKSUM)); /* not negotiated */
    assert_false(offload_check(&header, 3000, VSWITCH_TSO4));
    header.gso_type |= VIRTIO_NET_GSO_ECN;
    assert_false(offload_check(&header, 3000, VSWITCH_TSO4 | VSWITCH_CHECKSUM));
}

static void test_checksum_of_any_cut(void **state)
{
    uint8_t bytes[999];

    (void)state;
    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rand();
    for (uint32_t round = 0; round < 500; round++) {
        struct checksum checksum = {};
        uint32_t length = (uint32_t)rand() % sizeof(bytes), value;

        for (uint32_t at = 0; at < length;) {
            uint32_t piece = 1 + (uint32_t)rand() % (length - at);

            checksum_add(&checksum, bytes + at, piece);
            at += piece;
        }
        value = checksum_finish(&checksum);
        assert_int_equal(__builtin_bswap16((uint16_t)value), (uint16_t)~sum(bytes, length, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_segments_are_right, teardown),
        cmocka_unit_test_setup_teardown(test_one_packet_is_bounded_work, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusal_is_reported, setup, teardown),
        cmocka_unit_test_teardown(test_headers_that_lie, teardown),
        cmocka_unit_test_teardown(test_checksum_alone, teardown),
        cmocka_unit_test_setup_teardown(test_checksum_is_never_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check_of_offload_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checksum_of_any_cut, setup, teardown),
    };

    return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
