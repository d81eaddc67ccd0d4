/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net for guests: a port of the vSwitch each. A frame is copied once, from the sender's buffers into the
 * receiver's, within the turn of the loop that takes it from the sender's queue. Between guests that negotiated them,
 * checksums stay to be done and TCP frames of 64 KiB stay whole; the vSwitch has software for everybody else.
 */
#include <bulkhead/partition.h>
#include <devices/virtio/backend.h>
#include <devices/virtio/net.h>
#include <mgmt/module.h>
#include <net/offload.h>
#include <net/vswitch.h>
#include <stdio.h>
#include <string.h>

enum {
    QUEUE_RECEIVE = 0,
    QUEUE_TRANSMIT = 1,
    QUEUES = 2,
    BURST = 32,           /* frames after which the receivers are told */
    BUDGET = 256,         /* frames after which others get their turn */
    SEGMENTS_A_FRAME = 8, /* so many pieces that a frame may have to be cut into count as one frame more */
    RECEIVE_BUFFERS_MAX = 128,
    RECEIVE_SEGMENTS_MAX = 160,
    NAME_MAX = BULKHEAD_NAME_MAX + 8,
};

/*
 * Nobody waits for the news that a frame is on its way, so it comes with the next received frame, whose interrupt is
 * the same one, or after this time: long against the time that a frame takes, short against what drivers keep queued.
 */
#define TRANSMITTED_DELAY_NS 100000u

#define FEATURES                                                                                                       \
    (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM |  \
     VIRTIO_NET_F_MAC | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_ECN |                   \
     VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_ECN | VIRTIO_NET_F_MRG_RXBUF |                \
     VIRTIO_NET_F_STATUS)

/* The header that stands before every frame in a queue; always with its `buffers` under VERSION_1. */
#define HEADER ((uint32_t)sizeof(struct virtio_net_header))
_Static_assert(sizeof(struct virtio_net_header) == 12, "as the specification lays it out");

struct net {
    struct backend backend;
    struct vswitch_port *port;
    /* Set while the driver is owed an interrupt for frames that it transmitted. */
    struct loop_timer transmitted;
    uint32_t accepts; /* mask of enum vswitch_offload that the driver may ask for when it transmits */
    bool mergeable;
    char name[NAME_MAX];
};

static struct net nets[BULKHEAD_CHANNELS_MAX];

static uint32_t offloads(uint64_t features, uint64_t checksum, uint64_t tso4, uint64_t tso6, uint64_t ecn)
{
    if (!(features & checksum)) /* the others depend on it */
        return 0;
    return VSWITCH_CHECKSUM | (features & tso4 ? VSWITCH_TSO4 : 0) | (features & tso6 ? VSWITCH_TSO6 : 0) |
           (features & ecn ? VSWITCH_TSO_ECN : 0);
}

static void start(struct backend *backend)
{
    struct net *net = backend->owner;
    uint64_t features = backend->features;

    net->mergeable = features & VIRTIO_NET_F_MRG_RXBUF;
    net->accepts =
        offloads(features, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_ECN);
    vswitch_port_offloads(net->port, offloads(features, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4,
                                              VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_ECN));
    /* A frame that finds no buffer is dropped, so nobody waits for new ones. */
    virtqueue_notify_disable(&backend->queue[QUEUE_RECEIVE]);
    vswitch_port_link(net->port, true);
}

static bool stop(struct backend *backend)
{
    struct net *net = backend->owner;

    loop_timer_cancel(&net->transmitted);
    vswitch_port_link(net->port, false);
    return true;
}

/*
 * Makes a packet of a chain whose segments stand in segment[1] and on: the offload header and the frame's head are
 * copied, and the head takes the place in front of what follows it. False: no frame.
 */
static bool make_packet(const struct net *net, const struct virtqueue_chain *chain, struct segment *segment,
                        struct packet *packet)
{
    uint32_t count = chain->readable, first = 1, skip, head;
    uint8_t copy[HEADER + PACKET_HEAD];

    if (chain->readable_bytes < HEADER + PACKET_LENGTH_MIN || chain->readable_bytes > HEADER + PACKET_LENGTH_MAX ||
        chain->writable)
        return false;
    packet->length = chain->readable_bytes - HEADER;
    head = packet->length < PACKET_HEAD ? packet->length : PACKET_HEAD;
    skip = HEADER + head;
    segments_read(&segment[1], count, 0, copy, skip);
    memcpy(&packet->offload, copy, HEADER);
    memcpy(packet->head, copy + HEADER, head);
    packet->offload.flags &= VIRTIO_NET_NEEDS_CSUM;
    if (!offload_check(&packet->offload, packet->length, net->accepts))
        return false;
    while (first <= count && skip >= segment[first].length)
        skip -= (uint32_t)segment[first++].length;
    if (first <= count) {
        segment[first].base = (uint8_t *)segment[first].base + skip;
        segment[first].length -= skip;
    }
    segment[first - 1] = (struct segment){packet->head, head};
    packet->segment = &segment[first - 1];
    packet->segments = count - first + 2;
    return true;
}

/* What a frame counts: software may have to make one of each of its segments, and the sender says how small they are.
 */
static uint32_t weight(const struct packet *packet)
{
    uint32_t size = packet->offload.gso_size;

    return size ? 1 + packet->length / size / SEGMENTS_A_FRAME : 1;
}

/* Takes frames from the driver up to a weight of `limit`; returns the weight, less than that when there are no more. */
static uint32_t transmit(struct net *net, uint32_t limit)
{
    struct virtqueue *queue = &net->backend.queue[QUEUE_TRANSMIT];
    /* One place before for the head; two spare for the switch, which may put a tag in. */
    struct segment segment[PACKET_SEGMENTS_MAX - 2];
    struct virtqueue_chain chain;
    struct packet packet;
    uint32_t taken = 0;

    while (taken < limit) {
        enum virtqueue_result result =
            virtqueue_take(queue, &chain, &segment[1], sizeof(segment) / sizeof(segment[0]) - 1);

        if (result == VIRTQUEUE_EMPTY)
            break;
        if (result == VIRTQUEUE_TAKEN && make_packet(net, &chain, segment, &packet)) {
            vswitch_input(net->port, &packet);
            taken += weight(&packet);
        } else {
            vswitch_malformed(net->port);
            taken++;
        }
        virtqueue_return(queue, chain.head, 0);
    }
    virtqueue_publish(queue);
    return taken;
}

static bool serve(struct backend *backend, uint32_t queues)
{
    struct net *net = backend->owner;
    struct virtqueue *queue = &backend->queue[QUEUE_TRANSMIT];
    uint32_t taken = 0, burst;

    if (!(queues & 1u << QUEUE_TRANSMIT))
        return false;
    virtqueue_notify_disable(queue);
    do {
        burst = transmit(net, BURST);
        taken += burst;
        vswitch_flush();
        if (virtqueue_signal_wanted(queue) && net->transmitted.deadline_ns == 0)
            loop_timer_set(&net->transmitted, TRANSMITTED_DELAY_NS);
        if (taken >= BUDGET)
            return true;
    } while (burst >= BURST || virtqueue_notify_enable(queue));
    return false;
}

/* The driver's buffers for one frame. */
struct room {
    uint32_t buffers, segments, bytes;
    uint16_t head[RECEIVE_BUFFERS_MAX];
    uint32_t capacity[RECEIVE_BUFFERS_MAX];
    struct segment segment[RECEIVE_SEGMENTS_MAX];
};

/* Takes buffers for `length` bytes, or none. */
static bool find_room(struct net *net, struct room *room, uint32_t length)
{
    struct virtqueue *queue = &net->backend.queue[QUEUE_RECEIVE];
    uint32_t limit = net->mergeable ? RECEIVE_BUFFERS_MAX : 1;
    struct virtqueue_chain chain;

    room->buffers = room->segments = room->bytes = 0;
    while (room->bytes < length && room->buffers < limit) {
        enum virtqueue_result result =
            virtqueue_take(queue, &chain, &room->segment[room->segments], RECEIVE_SEGMENTS_MAX - room->segments);

        if (result == VIRTQUEUE_EMPTY)
            break;
        room->head[room->buffers] = chain.head;
        room->capacity[room->buffers++] = chain.writable_bytes;
        if (result == VIRTQUEUE_TOO_LONG)
            break;
        if (chain.readable || chain.writable_bytes < HEADER) {
            backend_fail(&net->backend);
            return false;
        }
        room->segments += chain.writable;
        room->bytes += chain.writable_bytes;
    }
    if (room->bytes >= length)
        return true;
    if (queue->broken)
        backend_fail(&net->backend);
    else
        virtqueue_untake(queue, (uint16_t)room->buffers);
    return false;
}

/* Copies the frame behind the offload header. `to` has room for it. */
static void copy_frame(const struct segment *to, const struct packet *packet)
{
    const struct segment *from = packet->segment, *end = from + packet->segments;
    size_t skip = HEADER, got = 0, left = packet->length;

    while (skip >= to->length)
        skip -= (to++)->length;
    while (from < end && left) {
        size_t room = to->length - skip, length = from->length - got;

        if (length > room)
            length = room;
        if (length > left)
            length = left;
        left -= length;
        memcpy((uint8_t *)to->base + skip, (const uint8_t *)from->base + got, length);
        got += length;
        skip += length;
        if (got == from->length) {
            from++;
            got = 0;
        }
        if (skip == to->length) {
            to++;
            skip = 0;
        }
    }
}

static bool deliver(void *owner, const struct packet *packet)
{
    struct net *net = owner;
    struct virtqueue *queue = &net->backend.queue[QUEUE_RECEIVE];
    struct virtio_net_header header = packet->offload;
    uint32_t left = HEADER + packet->length;
    struct room room;

    if (!find_room(net, &room, left))
        return false;
    header.buffers = (uint16_t)room.buffers;
    if (!(net->backend.features & VIRTIO_NET_F_GUEST_CSUM))
        header.flags = 0;
    copy_frame(room.segment, packet);
    segments_write(room.segment, room.segments, 0, &header, HEADER);
    for (uint32_t i = 0; i < room.buffers; i++) {
        uint32_t written = left < room.capacity[i] ? left : room.capacity[i];

        virtqueue_return(queue, room.head[i], written);
        left -= written;
    }
    virtqueue_publish(queue);
    return true;
}

static void flush(void *owner)
{
    struct net *net = owner;

    if (!virtqueue_signal_wanted(&net->backend.queue[QUEUE_RECEIVE]))
        return;
    loop_timer_cancel(&net->transmitted);
    backend_interrupt(&net->backend);
}

static void interrupt_for_transmitted(struct loop_timer *timer)
{
    struct net *net = timer->owner;

    backend_interrupt(&net->backend);
}

static const struct backend_operations backend_operations = {.start = start, .serve = serve, .stop = stop};
static const struct vswitch_port_operations port_operations = {.deliver = deliver, .flush = flush};

/* linux1.net0: the partition and which of its NICs. */
static void name_port(struct net *net, uint32_t port)
{
    uint8_t front = channels[ports[port].channel].front;
    uint32_t number = 0;

    for (uint32_t i = 0; i < port; i++)
        number += channels[ports[i].channel].front == front;
    snprintf(net->name, sizeof(net->name), "%s.net%u", partitions[front].name, (unsigned)number);
}

static void net_backend_start(void)
{
    for (uint32_t i = 0; i < port_count && i < BULKHEAD_CHANNELS_MAX; i++) {
        struct virtio_net_config config = {.status = VIRTIO_NET_S_LINK_UP};
        struct net *net = &nets[i];

        memcpy(config.mac, ports[i].mac, sizeof(config.mac));
        name_port(net, i);
        net->port = vswitch_port_add(ports[i].switch_id, net->name, &ports[i], &port_operations, net);
        net->transmitted = (struct loop_timer){.run = interrupt_for_transmitted, .owner = net};
        net->backend.owner = net;
        if (net->port)
            backend_attach(&net->backend, ports[i].channel, &backend_operations, FEATURES, QUEUES, &config,
                           sizeof(config));
    }
}

MODULE(MODULE_BACKEND, net_backend, net_backend_start);
