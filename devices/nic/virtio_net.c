/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of a physical virtio network device (virtio 1.2, section 5.1). Frames are copied into buffers of the driver's
 * on the way out, and handed on out of them on the way in. The header that the device sends along is checked.
 */
#include <devices/nic/nic.h>
#include <devices/virtio/device.h>
#include <mgmt/bulkhead_log.h>
#include <stdlib.h>
#include <string.h>

#define NET_F_CSUM (1ull << 0)
#define NET_F_GUEST_CSUM (1ull << 1)
#define NET_F_MAC (1ull << 5)
#define NET_F_GUEST_TSO4 (1ull << 7)
#define NET_F_GUEST_TSO6 (1ull << 8)
#define NET_F_HOST_TSO4 (1ull << 11)
#define NET_F_HOST_TSO6 (1ull << 12)
#define NET_F_MRG_RXBUF (1ull << 15)

#define QUEUE_RX 0u
#define QUEUE_TX 1u
#define QUEUE_SIZE 256u
#define BUFFER_SIZE 2048u
#define HEADER_SIZE sizeof(struct virtio_net_header)
#define RX_BURST 64u /* frames a turn of the loop */
#define FRAME_BUFFERS_MAX ((PACKET_LENGTH_MAX + HEADER_SIZE + BUFFER_SIZE - 1) / BUFFER_SIZE)

struct buffer {
    uint8_t byte[BUFFER_SIZE];
};

struct virtio_net {
    struct nic nic;
    struct virtio_device *device;
    struct loop_source source;
    struct driver_queue rx, tx;
    struct buffer *rx_buffers, *tx_buffers; /* QUEUE_SIZE of each */
    uint16_t tx_next[QUEUE_SIZE];           /* links the buffers of a frame, and the free ones */
    uint16_t tx_length[QUEUE_SIZE];         /* of a frame's first buffer: how many buffers it has */
    uint16_t tx_free, tx_free_count;
    bool rx_added;
};

static void fail(struct virtio_net *net, const char *why)
{
    virtio_device_fail(net->device, why);
    net->rx.broken = net->tx.broken = true;
}

static void rx_give(struct virtio_net *net, struct buffer *buffer)
{
    struct driver_segment segment = {buffer, BUFFER_SIZE};

    if (driver_queue_add(&net->rx, &segment, 0, 1, buffer))
        net->rx_added = true;
}

/* What the device says of the frame, if that can be true and was negotiated. */
static bool check_offload(const struct virtio_net *net, struct virtio_net_header *offload, uint32_t length)
{
    uint8_t gso = offload->gso_type & (uint8_t)~VIRTIO_NET_GSO_ECN;

    offload->buffers = 0;
    if (offload->flags & VIRTIO_NET_NEEDS_CSUM) {
        if (!(net->device->features & NET_F_GUEST_CSUM) ||
            (uint32_t)offload->csum_start + offload->csum_offset + 2u > length)
            return false;
    } else {
        offload->csum_start = offload->csum_offset = 0;
    }
    if (gso == VIRTIO_NET_GSO_NONE) {
        offload->gso_type = 0;
        offload->gso_size = offload->header_length = 0;
        return true;
    }
    return offload->gso_size && offload->flags & VIRTIO_NET_NEEDS_CSUM &&
           ((gso == VIRTIO_NET_GSO_TCPV4 && net->device->features & NET_F_GUEST_TSO4) ||
            (gso == VIRTIO_NET_GSO_TCPV6 && net->device->features & NET_F_GUEST_TSO6));
}

/* Takes one frame off the queue and hands it on; false: there is none. */
static bool receive_one(struct virtio_net *net)
{
    struct buffer *buffer[FRAME_BUFFERS_MAX];
    struct segment segment[FRAME_BUFFERS_MAX + 1];
    struct packet packet = {.segment = segment};
    uint32_t written, count = 1, taken = 1, head;

    buffer[0] = driver_queue_take(&net->rx, &written);
    if (!buffer[0])
        return false;
    if (written >= HEADER_SIZE) {
        memcpy(&packet.offload, buffer[0], HEADER_SIZE);
        if (net->device->features & NET_F_MRG_RXBUF)
            count = packet.offload.buffers;
        packet.length = written - (uint32_t)HEADER_SIZE;
    }
    segment[1] = (struct segment){buffer[0]->byte + HEADER_SIZE, packet.length};
    for (; taken < count && taken < FRAME_BUFFERS_MAX; taken++) {
        buffer[taken] = driver_queue_take(&net->rx, &written);
        if (!buffer[taken])
            break;
        segment[taken + 1] = (struct segment){buffer[taken], written};
        packet.length += written;
    }
    if (count == taken && packet.length >= PACKET_LENGTH_MIN && packet.length <= PACKET_LENGTH_MAX &&
        check_offload(net, &packet.offload, packet.length)) {
        /* Segment 0 is the copy that is looked at, the first buffer follows without it. */
        head = segments_read(segment + 1, count, 0, packet.head, PACKET_HEAD);
        segment[0] = (struct segment){packet.head, head < segment[1].length ? head : segment[1].length};
        segment[1].base = (uint8_t *)segment[1].base + segment[0].length;
        segment[1].length -= segment[0].length;
        packet.segments = count + 1;
        net->nic.rx_packets++;
        net->nic.rx_bytes += packet.length;
        if (net->nic.receive)
            net->nic.receive(net->nic.user, &packet);
    } else {
        net->nic.rx_dropped++;
    }
    for (uint32_t i = 0; i < taken; i++)
        rx_give(net, buffer[i]);
    return true;
}

static void serve(struct loop_source *source)
{
    struct virtio_net *net = source->owner;
    uint32_t frames = 0;

    driver_queue_interrupt_disable(&net->rx);
    while (frames < RX_BURST && receive_one(net))
        frames++;
    if (frames && net->nic.receive_end)
        net->nic.receive_end(net->nic.user);
    if (net->rx_added && driver_queue_kick_needed(&net->rx))
        virtio_device_notify(net->device, QUEUE_RX);
    net->rx_added = false;
    if (net->rx.broken || net->tx.broken)
        fail(net, "breaks its queues");
    else if (frames == RX_BURST || driver_queue_interrupt_enable(&net->rx))
        loop_signal(source);
}

/* Buffers of frames that were sent come back when others need them: nobody waits for that, so it raises no interrupt.
 */
static void tx_reclaim(struct virtio_net *net)
{
    struct buffer *first;
    uint32_t written;

    while ((first = driver_queue_take(&net->tx, &written))) {
        uint16_t head = (uint16_t)(first - net->tx_buffers), last = head, count = net->tx_length[head];

        for (uint16_t i = 1; i < count; i++)
            last = net->tx_next[last];
        net->tx_next[last] = net->tx_free;
        net->tx_free = head;
        net->tx_free_count = (uint16_t)(net->tx_free_count + count);
    }
}

static bool transmit(struct nic *nic, const struct packet *packet)
{
    struct virtio_net *net = (struct virtio_net *)nic;
    struct driver_segment segment[FRAME_BUFFERS_MAX];
    struct virtio_net_header header = packet->offload;
    uint32_t bytes = packet->length + (uint32_t)HEADER_SIZE;
    uint32_t count = (bytes + BUFFER_SIZE - 1) / BUFFER_SIZE;
    uint16_t head, index;

    if (net->tx_free_count < count)
        tx_reclaim(net);
    if (net->tx.broken || count > FRAME_BUFFERS_MAX || net->tx_free_count < count) {
        nic->tx_dropped++;
        return false;
    }
    header.buffers = 0;
    head = index = net->tx_free;
    for (uint32_t i = 0, offset = 0; i < count; i++, index = net->tx_next[index]) {
        uint8_t *to = net->tx_buffers[index].byte;
        uint32_t skip = i ? 0 : (uint32_t)HEADER_SIZE, left = packet->length - offset;
        uint32_t part = left < BUFFER_SIZE - skip ? left : BUFFER_SIZE - skip;

        if (skip)
            memcpy(to, &header, HEADER_SIZE);
        segments_read(packet->segment, packet->segments, offset, to + skip, part);
        segment[i] = (struct driver_segment){to, skip + part};
        offset += part;
    }
    if (!driver_queue_add(&net->tx, segment, count, 0, &net->tx_buffers[head])) {
        nic->tx_dropped++;
        return false;
    }
    net->tx_free = index;
    net->tx_free_count = (uint16_t)(net->tx_free_count - count);
    net->tx_length[head] = (uint16_t)count;
    nic->tx_packets++;
    nic->tx_bytes += packet->length;
    return true;
}

static void kick(struct nic *nic)
{
    struct virtio_net *net = (struct virtio_net *)nic;

    if (driver_queue_kick_needed(&net->tx))
        virtio_device_notify(net->device, QUEUE_TX);
}

static void read_mac(struct virtio_net *net)
{
    for (uint32_t i = 0; i < sizeof net->nic.mac; i++)
        net->nic.mac[i] = net->device->features & NET_F_MAC ? virtio_config_u8(net->device, i) : (uint8_t[6]){2}[i];
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);

    if (!memory)
        panic("no memory for a network device");
    return memory;
}

void virtio_net_probe(struct virtio_device *device)
{
    uint64_t wanted = NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_MAC | NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_MRG_RXBUF |
                      VIRTIO_F_EVENT_IDX;
    struct virtio_net *net;

    if (virtio_device_offers(device) & NET_F_MRG_RXBUF) /* otherwise each buffer would have to take 64 KiB */
        wanted |= NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6;
    net = allocate(sizeof *net);
    net->device = device;
    if (!virtio_device_begin(device, wanted) || !virtio_device_queue(device, QUEUE_RX, QUEUE_SIZE, &net->rx) ||
        !virtio_device_queue(device, QUEUE_TX, QUEUE_SIZE, &net->tx))
        return;
    net->rx_buffers = allocate(net->rx.size * sizeof *net->rx_buffers);
    net->tx_buffers = allocate(net->tx.size * sizeof *net->tx_buffers);
    net->tx_free_count = net->tx.size;
    for (uint16_t i = 0; i < net->tx.size; i++)
        net->tx_next[i] = (uint16_t)(i + 1);
    read_mac(net);
    net->nic.link_up = true;
    net->nic.has_checksum = device->features & NET_F_CSUM;
    net->nic.has_tso4 = net->nic.has_checksum && device->features & NET_F_HOST_TSO4;
    net->nic.has_tso6 = net->nic.has_checksum && device->features & NET_F_HOST_TSO6;
    net->nic.transmit = transmit;
    net->nic.kick = kick;
    net->source = (struct loop_source){.run = serve, .owner = net};
    driver_queue_interrupt_disable(&net->tx);
    if (!virtio_device_ready(device, &net->source) || !nic_add(&net->nic))
        return;
    for (uint32_t i = 0; i < net->rx.size; i++)
        rx_give(net, &net->rx_buffers[i]);
    loop_signal(&net->source);
}
