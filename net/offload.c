/* SPDX-License-Identifier: Apache-2.0 */
#include <net/checksum.h>
#include <net/offload.h>
#include <net/vswitch.h>
#include <string.h>

enum {
    ETHERNET_HEADER = 14,
    TAG = 4,
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,
    TYPE_TAG = 0x8100,
    IPV4_HEADER = 20,
    IPV6_HEADER = 40,
    PROTOCOL_TCP = 6,
    TCP_HEADER = 20,
    TCP_SEQUENCE = 4,
    TCP_OFFSET = 12,
    TCP_FLAGS = 13,
    TCP_CHECKSUM = 16,
    TCP_FIN = 1,
    TCP_PSH = 8,
    TCP_CWR = 0x80,
    FRAMES_MAX = 512, /* that one packet may become */
};

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *bytes)
{
    return (uint32_t)get16(bytes) << 16 | get16(bytes + 2);
}

static void put32(uint8_t *bytes, uint32_t value)
{
    put16(bytes, value >> 16);
    put16(bytes + 2, value);
}

bool offload_fits(const struct virtio_net_header *header, uint32_t can)
{
    uint32_t needs = 0;

    if (header->flags & VIRTIO_NET_NEEDS_CSUM)
        needs |= VSWITCH_CHECKSUM;
    switch (header->gso_type & ~VIRTIO_NET_GSO_ECN) {
    case VIRTIO_NET_GSO_NONE:
        break;
    case VIRTIO_NET_GSO_TCPV4:
        needs |= VSWITCH_TSO4;
        break;
    case VIRTIO_NET_GSO_TCPV6:
        needs |= VSWITCH_TSO6;
        break;
    default:
        return false;
    }
    if (header->gso_type & VIRTIO_NET_GSO_ECN)
        needs |= VSWITCH_TSO_ECN;
    return (needs & ~can) == 0;
}

bool offload_check(struct virtio_net_header *header, uint32_t length, uint32_t accepted)
{
    if (!offload_fits(header, accepted))
        return false;
    header->buffers = 0;
    if (header->gso_type == VIRTIO_NET_GSO_NONE) {
        header->header_length = 0;
        header->gso_size = 0;
    } else if (header->gso_type == VIRTIO_NET_GSO_ECN || header->gso_size == 0 ||
               !(header->flags & VIRTIO_NET_NEEDS_CSUM)) {
        return false;
    } else if (header->header_length > length) {
        header->header_length = 0; /* only a hint */
    }
    if (!(header->flags & VIRTIO_NET_NEEDS_CSUM)) {
        header->csum_start = 0;
        header->csum_offset = 0;
        return true;
    }
    return header->csum_start >= ETHERNET_HEADER && header->csum_start < UINT16_MAX - 2 * TAG &&
           (uint32_t)header->csum_start + header->csum_offset + 2 <= length;
}

/* A packet whose headers were copied, and the frames that are made of it. */
struct maker {
    const struct packet *packet;
    uint32_t headers; /* bytes of `header` that stand before the payload */
    uint8_t header[OFFLOAD_HEADER_MAX];
    struct packet frame;
    struct segment segment[PACKET_SEGMENTS_MAX + 2];
};

/* Makes the frame of the headers and `length` bytes of the packet from `offset` on. */
static bool make_frame(struct maker *maker, uint32_t offset, uint32_t length)
{
    struct packet *frame = &maker->frame;
    uint32_t count = 1, left = length;

    maker->segment[0] = (struct segment){maker->header, maker->headers};
    for (uint32_t i = 0; i < maker->packet->segments && left; i++) {
        struct segment from = maker->packet->segment[i];

        if (offset >= from.length) {
            offset -= (uint32_t)from.length;
            continue;
        }
        from.base = (uint8_t *)from.base + offset;
        from.length -= offset;
        offset = 0;
        if (from.length > left)
            from.length = left;
        left -= (uint32_t)from.length;
        if (count > PACKET_SEGMENTS_MAX)
            return false;
        maker->segment[count++] = from;
    }
    memset(&frame->offload, 0, sizeof(frame->offload));
    frame->length = maker->headers + length;
    frame->segment = maker->segment;
    frame->segments = count;
    return left == 0 && count <= PACKET_SEGMENTS_MAX;
}

/* The frame is complete but for its head, which is taken last, when the checksum stands in the headers. */
static void take_head(struct maker *maker)
{
    struct packet *frame = &maker->frame;

    segments_read(frame->segment, frame->segments, 0, frame->head,
                  frame->length < PACKET_HEAD ? frame->length : PACKET_HEAD);
}

static void add_segments(struct checksum *checksum, const struct packet *frame, uint32_t from_offset)
{
    for (uint32_t i = 0; i < frame->segments; i++) {
        const struct segment *segment = &frame->segment[i];

        if (from_offset >= segment->length) {
            from_offset -= (uint32_t)segment->length;
            continue;
        }
        checksum_add(checksum, (const uint8_t *)segment->base + from_offset, segment->length - from_offset);
        from_offset = 0;
    }
}

static void store_checksum(uint8_t *at, const struct checksum *checksum)
{
    uint16_t value = checksum_finish(checksum);

    if (value == 0) /* the same value, but to UDP 0 says that there is none */
        value = 0xffff;
    memcpy(at, &value, 2);
}

static bool deliver_checksummed(struct maker *maker, bool (*deliver)(void *owner, const struct packet *packet),
                                void *owner)
{
    const struct virtio_net_header *offload = &maker->packet->offload;
    struct checksum checksum = {};

    if ((uint32_t)offload->csum_start + offload->csum_offset + 2 > maker->headers ||
        !make_frame(maker, maker->headers, maker->packet->length - maker->headers))
        return false;
    add_segments(&checksum, &maker->frame, offload->csum_start);
    store_checksum(&maker->header[offload->csum_start + offload->csum_offset], &checksum);
    take_head(maker);
    return deliver(owner, &maker->frame);
}

struct offload_layout offload_layout(const struct virtio_net_header *offload, const uint8_t *header, uint32_t length)
{
    const struct offload_layout none = {};
    struct offload_layout layout = {.ip = ETHERNET_HEADER, .tcp = offload->csum_start};
    uint32_t type;

    if (length < ETHERNET_HEADER + IPV4_HEADER + TCP_HEADER)
        return none;
    type = get16(&header[layout.ip - 2]);
    if (type == TYPE_TAG) {
        layout.ip += TAG;
        type = get16(&header[layout.ip - 2]);
    }
    layout.ipv6 = (offload->gso_type & ~VIRTIO_NET_GSO_ECN) == VIRTIO_NET_GSO_TCPV6;
    if (offload->csum_offset != TCP_CHECKSUM || layout.tcp + TCP_HEADER > length)
        return none;
    if (layout.ipv6) {
        /* With extension headers TCP's is not where this expects it; nobody segments those. */
        if (type != TYPE_IPV6 || layout.tcp != layout.ip + IPV6_HEADER || header[layout.ip + 6] != PROTOCOL_TCP)
            return none;
    } else {
        uint32_t ip_header = (header[layout.ip] & 15u) * 4;

        if (type != TYPE_IPV4 || header[layout.ip] >> 4 != 4 || ip_header < IPV4_HEADER ||
            layout.tcp != layout.ip + ip_header || header[layout.ip + 9] != PROTOCOL_TCP)
            return none;
    }
    layout.payload = layout.tcp + (header[layout.tcp + TCP_OFFSET] >> 4) * 4u;
    if (layout.payload < layout.tcp + TCP_HEADER || layout.payload > length)
        return none;
    return layout;
}

void offload_hand_over(uint8_t *header, const struct offload_layout *layout)
{
    const uint8_t protocol[2] = {0, PROTOCOL_TCP};
    struct checksum pseudo = {};
    uint8_t *ip = &header[layout->ip];
    uint16_t sum;

    if (layout->ipv6) {
        put16(&ip[4], 0);
        checksum_add(&pseudo, &ip[8], 32);
    } else {
        put16(&ip[2], 0);
        put16(&ip[10], 0);
        checksum_add(&pseudo, &ip[12], 8);
    }
    checksum_add(&pseudo, protocol, sizeof(protocol));
    sum = (uint16_t)~checksum_finish(&pseudo);
    memcpy(&header[layout->tcp + TCP_CHECKSUM], &sum, sizeof(sum));
}

/* Sets lengths, identification and IPv4's checksum; returns the sum of TCP's pseudo header. */
static struct checksum set_ip_header(uint8_t *ip, const struct offload_layout *layout, uint32_t tcp_length, uint16_t id)
{
    struct checksum pseudo = {};
    uint8_t rest[4] = {0, PROTOCOL_TCP};

    put16(&rest[2], tcp_length);
    if (layout->ipv6) {
        put16(&ip[4], tcp_length);
        checksum_add(&pseudo, &ip[8], 32);
    } else {
        struct checksum header = {};

        put16(&ip[2], layout->tcp - layout->ip + tcp_length);
        put16(&ip[4], id);
        put16(&ip[10], 0);
        checksum_add(&header, ip, layout->tcp - layout->ip);
        memcpy(&ip[10], &(uint16_t){checksum_finish(&header)}, 2);
        checksum_add(&pseudo, &ip[12], 8);
    }
    checksum_add(&pseudo, rest, sizeof(rest));
    return pseudo;
}

static bool deliver_segmented(struct maker *maker, bool (*deliver)(void *owner, const struct packet *packet),
                              void *owner)
{
    const struct packet *packet = maker->packet;
    struct offload_layout layout = offload_layout(&packet->offload, maker->header, maker->headers);
    uint8_t *ip = &maker->header[layout.ip], *tcp = &maker->header[layout.tcp];
    uint32_t size = packet->offload.gso_size, offset = layout.payload, left, sequence;
    uint8_t flags;
    uint16_t id;
    bool all = true;

    if (layout.ip == 0)
        return false;
    left = packet->length - layout.payload;
    if (left > FRAMES_MAX * size)
        return false;
    maker->headers = layout.payload;
    sequence = get32(&tcp[TCP_SEQUENCE]);
    flags = tcp[TCP_FLAGS];
    id = get16(&ip[4]);
    do {
        uint32_t length = left < size ? left : size;
        struct checksum checksum = set_ip_header(ip, &layout, layout.payload - layout.tcp + length, id++);

        left -= length;
        put32(&tcp[TCP_SEQUENCE], sequence);
        tcp[TCP_FLAGS] = left ? flags & ~(TCP_FIN | TCP_PSH) : flags;
        flags &= (uint8_t)~TCP_CWR;
        put16(&tcp[TCP_CHECKSUM], 0);
        if (!make_frame(maker, offset, length))
            return false;
        add_segments(&checksum, &maker->frame, layout.tcp);
        store_checksum(&tcp[TCP_CHECKSUM], &checksum);
        take_head(maker);
        all &= deliver(owner, &maker->frame);
        sequence += length;
        offset += length;
    } while (left);
    return all;
}

bool offload_deliver(const struct packet *packet, bool (*deliver)(void *owner, const struct packet *packet),
                     void *owner)
{
    struct maker maker;

    maker.packet = packet;
    maker.headers = packet->length < OFFLOAD_HEADER_MAX ? packet->length : OFFLOAD_HEADER_MAX;
    if (segments_read(packet->segment, packet->segments, 0, maker.header, maker.headers) != maker.headers)
        return false;
    if (packet->offload.gso_type)
        return deliver_segmented(&maker, deliver, owner);
    return deliver_checksummed(&maker, deliver, owner);
}
