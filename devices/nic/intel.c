/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames are copied into buffers of the driver's on the way out, and handed on out of them on the way in. What the
 * device says of a frame is checked. A device that does not go on sending is reset.
 */
#include "intel.h"
#include <mgmt/bulkhead_log.h>
#include <net/offload.h>
#include <stdlib.h>
#include <string.h>

#define REGISTERS_SIZE 0x20000u
#define RX_BURST 64u     /* frames a turn of the loop */
#define FRAME_MAX 1518u  /* with a VLAN tag, without check sequence */
#define SEGMENT_MIN 256u /* smaller ones are made in software, and so are more of them: the sender says how small */
#define SEGMENTS_MAX 256u
#define HANG_NS 2000000000ull
#define RESET_LIMIT_NS 20000000ull
#define MASTER_LIMIT_NS 1000000ull

#define EECD 0x0010u
#define EECD_LOADED 0x200u
#define CTRL_MASTER_DISABLE 0x4u
#define CTRL_LINK_UP 0x40u
#define CTRL_RESET (1u << 26)
#define STATUS_MASTER (1u << 19)
#define RCTL_WANTED                                                                                                    \
    (1u << 1 | 1u << 3 | 1u << 4 | 1u << 15 | 1u << 26) /* on, all addresses, check sequence left out                  \
                                                         */
#define TCTL_WANTED (1u << 1 | 1u << 3 | 0x0fu << 4 | 0x3fu << 12 | 1u << 24 | 1u << 28)
#define RXCSUM_WANTED 0x300u
#define RAH_VALID (1u << 31)

/* Receive descriptors as both models write them back: extended or advanced */
#define RX_DONE 0x1u
#define RX_END 0x2u
#define RX_CHECKSUM_IGNORED 0x4u
#define RX_CHECKSUM_UDP 0x10u
#define RX_CHECKSUM_TCP 0x20u
#define RX_BAD_CHECKSUM (3u << 29)
#define RX_BAD (1u << 31)
#define TX_DONE 0x1u

#define TYPE_IPV4 0x0800u
#define TYPE_IPV6 0x86ddu
#define TYPE_TAG 0x8100u
#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u

static void wait(uint64_t ns)
{
    uint64_t end = time_ns() + ns;

    while (time_ns() < end)
        ;
}

/* False: not within the limit. */
static bool wait_bit(const struct intel *nic, uint32_t offset, uint32_t bit, bool is_set, uint64_t limit_ns)
{
    uint64_t end = time_ns() + limit_ns;

    while (!(intel_get(nic, offset) & bit) == is_set)
        if (time_ns() > end)
            return false;
    return true;
}

/* --- Receiving --- */

static void rx_give(struct intel *nic, uint32_t index)
{
    nic->rx.descriptor[index] =
        (struct intel_descriptor){.address = (uintptr_t)nic->rx.buffers + index * INTEL_BUFFER_SIZE};
}

static void hand_on(struct intel *nic, uint8_t *frame, uint32_t length, uint32_t status)
{
    struct segment segment[2];
    struct packet packet = {.length = length, .segment = segment, .segments = 2};
    uint32_t head = length < PACKET_HEAD ? length : PACKET_HEAD;

    /* Of what it checked, TCP's is the checksum that is never a fragment's. */
    if ((status & (RX_CHECKSUM_TCP | RX_CHECKSUM_UDP | RX_CHECKSUM_IGNORED)) == RX_CHECKSUM_TCP &&
        !(status & RX_BAD_CHECKSUM))
        packet.offload.flags = VIRTIO_NET_DATA_VALID;
    /* Segment 0 is the copy that is looked at, the buffer follows without it. */
    memcpy(packet.head, frame, head);
    segment[0] = (struct segment){packet.head, head};
    segment[1] = (struct segment){frame + head, length - head};
    packet.segments = length > head ? 2 : 1;
    nic->nic.rx_packets++;
    nic->nic.rx_bytes += length;
    if (nic->nic.receive)
        nic->nic.receive(nic->nic.user, &packet);
}

/* Takes one buffer off the ring; false: there is none. */
static bool receive_one(struct intel *nic)
{
    uint32_t index = nic->rx.next, length, status;
    volatile struct intel_descriptor *done = &nic->rx.descriptor[index];

    status = done->command;
    if (!(status & RX_DONE))
        return false;
    device_load_barrier();
    length = done->status & 0xffff;
    if (nic->rx_skip || !(status & RX_END) || status & RX_BAD || length < PACKET_LENGTH_MIN ||
        length > INTEL_BUFFER_SIZE) {
        nic->nic.rx_dropped += !nic->rx_skip;
        nic->rx_skip = !(status & RX_END);
    } else {
        hand_on(nic, nic->rx.buffers + index * INTEL_BUFFER_SIZE, length, status);
    }
    rx_give(nic, index);
    nic->rx.next = (index + 1) % INTEL_RING_SIZE;
    return true;
}

/* --- Sending --- */

static void tx_reclaim(struct intel *nic)
{
    uint32_t before = nic->tx_clean;

    while (nic->tx_clean != nic->tx.next) {
        uint32_t last = nic->tx_last[nic->tx_clean];
        volatile struct intel_descriptor *done = &nic->tx.descriptor[last];

        if (!(done->status & TX_DONE))
            break;
        nic->tx_clean = (last + 1) % INTEL_RING_SIZE;
    }
    if (nic->tx_clean != before)
        nic->tx_full_ns = 0;
}

static uint32_t tx_free(const struct intel *nic)
{
    return (nic->tx_clean + INTEL_RING_SIZE - 1 - nic->tx.next) % INTEL_RING_SIZE;
}

/* The oldest frame is in the way of another. It has its time, while there is a link. */
static void tx_full(struct intel *nic)
{
    uint64_t now = time_ns();

    if (!nic->tx_full_ns || !nic->nic.link_up) {
        nic->tx_full_ns = now;
    } else if (now - nic->tx_full_ns > HANG_NS && !nic->restart) {
        nic->restart = true;
        loop_signal(&nic->source);
    }
}

static uint32_t get16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

/* Whether the checksum to be done is that of a TCP or UDP header right behind its IP header; `length` bytes are there.
 */
static bool read_checksum(const struct virtio_net_header *header, const uint8_t *frame, uint32_t length,
                          struct intel_offload *offload)
{
    uint32_t type = get16(&frame[12]), protocol;

    offload->ip = type == TYPE_TAG ? 18 : 14;
    offload->transport = header->csum_start;
    offload->tcp = header->csum_offset == 16;
    protocol = offload->tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
    if ((!offload->tcp && header->csum_offset != 6) || offload->transport < offload->ip + 20 ||
        offload->transport + 8 > length)
        return false;
    type = get16(&frame[offload->ip - 2]);
    offload->ipv6 = type == TYPE_IPV6;
    offload->checksum = true;
    if (offload->ipv6)
        return offload->transport == offload->ip + 40 && frame[offload->ip + 6] == protocol;
    return type == TYPE_IPV4 && offload->transport == offload->ip + (frame[offload->ip] & 15u) * 4 &&
           frame[offload->ip + 9] == protocol;
}

/*
 * What the device is to do to the packet whose first `length` bytes stand, copied, at `frame`: they are made what it
 * expects. False: it cannot.
 */
static bool read_offload(const struct packet *packet, uint8_t *frame, uint32_t length, struct intel_offload *offload)
{
    struct offload_layout layout;

    *offload = (struct intel_offload){0};
    if (!(packet->offload.flags & VIRTIO_NET_NEEDS_CSUM))
        return packet->length <= FRAME_MAX;
    if (!packet->offload.gso_type)
        return packet->length <= FRAME_MAX && read_checksum(&packet->offload, frame, length, offload);
    layout = offload_layout(&packet->offload, frame, length);
    offload->size = packet->offload.gso_size;
    if (!layout.ip || offload->size < SEGMENT_MIN || layout.payload + offload->size > FRAME_MAX ||
        packet->length - layout.payload > SEGMENTS_MAX * offload->size || packet->length == layout.payload)
        return false;
    offload->checksum = offload->segment = offload->tcp = true;
    offload->ipv6 = layout.ipv6;
    offload->ip = layout.ip;
    offload->transport = layout.tcp;
    offload->payload = layout.payload;
    offload_hand_over(frame, &layout);
    return true;
}

/* Puts the packet into the ring, its first buffer being filled already. */
static void put(struct intel *nic, const struct packet *packet, const struct intel_offload *offload)
{
    const struct intel_descriptor data = nic->model->data(offload, packet->length);
    uint32_t first = nic->tx.next, index = first, length = INTEL_BUFFER_SIZE;

    if (offload->checksum) {
        nic->tx.descriptor[index] = nic->model->context(offload, packet->length);
        index = (index + 1) % INTEL_RING_SIZE;
    }
    for (uint32_t offset = 0; offset < packet->length; offset += length, index = (index + 1) % INTEL_RING_SIZE) {
        uint8_t *to = nic->tx.buffers + index * INTEL_BUFFER_SIZE;
        bool last = packet->length - offset <= INTEL_BUFFER_SIZE;

        if (last)
            length = packet->length - offset;
        if (offset)
            segments_read(packet->segment, packet->segments, offset, to, length);
        nic->tx.descriptor[index] = (struct intel_descriptor){
            .address = (uintptr_t)to,
            .command = data.command | length | (last ? 1u << 24 | 1u << 27 : 0), /* EOP, RS */
            .status = data.status,
        };
        nic->tx_last[first] = (uint16_t)index;
    }
    nic->tx.next = index;
    nic->nic.tx_packets++;
    nic->nic.tx_bytes += packet->length;
}

static bool transmit_plain(void *owner, const struct packet *packet);

static bool transmit_packet(struct intel *nic, const struct packet *packet, bool plain)
{
    uint32_t context = packet->offload.flags & VIRTIO_NET_NEEDS_CSUM ? 1 : 0;
    uint32_t count = context + (packet->length + INTEL_BUFFER_SIZE - 1) / INTEL_BUFFER_SIZE;
    uint32_t length = packet->length < INTEL_BUFFER_SIZE ? packet->length : INTEL_BUFFER_SIZE;
    uint8_t *first = nic->tx.buffers + (nic->tx.next + context) % INTEL_RING_SIZE * INTEL_BUFFER_SIZE;
    struct intel_offload offload;

    if (tx_free(nic) < count)
        tx_reclaim(nic);
    if (nic->failed || tx_free(nic) < count) {
        tx_full(nic);
        return false;
    }
    segments_read(packet->segment, packet->segments, 0, first, length);
    if (read_offload(packet, first, length, &offload)) {
        put(nic, packet, &offload);
        return true;
    }
    return !plain && packet->offload.flags & VIRTIO_NET_NEEDS_CSUM && offload_deliver(packet, transmit_plain, nic);
}

/* A frame that software made of one that is beyond the device. */
static bool transmit_plain(void *owner, const struct packet *packet)
{
    return transmit_packet(owner, packet, true);
}

static bool transmit(struct nic *at, const struct packet *packet)
{
    bool taken = transmit_packet((struct intel *)at, packet, false);

    at->tx_dropped += !taken;
    return taken;
}

static void kick(struct nic *at)
{
    struct intel *nic = (struct intel *)at;

    if (nic->failed || nic->tx_kicked == nic->tx.next)
        return;
    nic->tx_kicked = nic->tx.next;
    device_barrier();
    mmio_write32(nic->tx.registers + RING_TAIL, nic->tx.next);
}

/* --- Life of the device --- */

static bool reset(struct intel *nic)
{
    intel_set(nic, INTEL_IMC, ~0u);
    intel_set(nic, INTEL_RCTL, 0);
    intel_set(nic, INTEL_TCTL, 0);
    intel_set(nic, INTEL_CTRL, intel_get(nic, INTEL_CTRL) | CTRL_MASTER_DISABLE);
    wait_bit(nic, INTEL_STATUS, STATUS_MASTER, false, MASTER_LIMIT_NS);
    intel_set(nic, INTEL_CTRL, intel_get(nic, INTEL_CTRL) | CTRL_RESET);
    wait(MASTER_LIMIT_NS);
    if (!wait_bit(nic, INTEL_CTRL, CTRL_RESET, false, RESET_LIMIT_NS))
        return false;
    wait_bit(nic, EECD, EECD_LOADED, true, RESET_LIMIT_NS / 4); /* its address comes from there; some have none */
    intel_set(nic, INTEL_IMC, ~0u);
    intel_get(nic, INTEL_ICR);
    return true;
}

static void ring_set(struct intel_ring *ring)
{
    mmio_write32(ring->registers + RING_BASE, (uint32_t)(uintptr_t)ring->descriptor);
    mmio_write32(ring->registers + RING_BASE + 4, (uint32_t)((uintptr_t)ring->descriptor >> 32));
    mmio_write32(ring->registers + RING_LENGTH, INTEL_RING_SIZE * sizeof *ring->descriptor);
    mmio_write32(ring->registers + RING_HEAD, 0);
    mmio_write32(ring->registers + RING_TAIL, 0);
    ring->next = 0;
}

static void rx_tell(struct intel *nic)
{
    device_barrier();
    mmio_write32(nic->rx.registers + RING_TAIL, (nic->rx.next + INTEL_RING_SIZE - 1) % INTEL_RING_SIZE);
}

static void start(struct intel *nic)
{
    for (uint32_t i = 0; i < INTEL_RING_SIZE; i++)
        rx_give(nic, i);
    memset(nic->tx.descriptor, 0, INTEL_RING_SIZE * sizeof *nic->tx.descriptor);
    nic->tx_clean = nic->tx_kicked = 0;
    nic->tx_full_ns = 0;
    nic->rx_skip = nic->restart = false;
    intel_set(nic, INTEL_CTRL, (intel_get(nic, INTEL_CTRL) & ~CTRL_MASTER_DISABLE) | CTRL_LINK_UP);
    nic->model->start(nic);
    intel_set(nic, INTEL_RXCSUM, RXCSUM_WANTED);
    ring_set(&nic->rx);
    ring_set(&nic->tx);
    nic->model->start_queues(nic);
    intel_set(nic, INTEL_TCTL, TCTL_WANTED);
    intel_set(nic, INTEL_RCTL, RCTL_WANTED | nic->receive_control);
    rx_tell(nic);
    intel_set(nic, nic->model->unmask, nic->model->causes);
}

static void read_link(struct intel *nic)
{
    bool up = intel_get(nic, INTEL_STATUS) & INTEL_STATUS_LINK;

    if (nic->nic.link_up == up)
        return;
    nic->nic.link_up = up;
    if (nic->nic.link_changed)
        nic->nic.link_changed(nic->nic.user);
}

static void fail(struct intel *nic, const char *why)
{
    bulkhead_log("%s %s: %s; it is not used any more", nic->model->name, nic->function.name, why);
    pci_disable_master(&nic->function);
    nic->failed = true;
    if (nic->nic.link_up) {
        nic->nic.link_up = false;
        if (nic->nic.link_changed)
            nic->nic.link_changed(nic->nic.user);
    }
}

/* A few milliseconds in which nothing else happens; it hung for seconds. */
static void restart(struct intel *nic)
{
    bulkhead_log("%s %s: does not go on sending; it is reset", nic->model->name, nic->function.name);
    nic->nic.resets++;
    if (!reset(nic)) {
        fail(nic, "does not reset");
        return;
    }
    start(nic);
    read_link(nic);
}

static void serve(struct loop_source *source)
{
    struct intel *nic = source->owner;
    uint32_t frames = 0, causes;

    if (nic->failed)
        return;
    intel_set(nic, nic->model->mask, nic->model->causes);
    causes = intel_get(nic, INTEL_ICR); /* which clears it */
    if (causes == ~0u) {
        fail(nic, "does not answer any more");
        return;
    }
    while (frames < RX_BURST && receive_one(nic))
        frames++;
    if (frames)
        rx_tell(nic);
    if (frames && nic->nic.receive_end)
        nic->nic.receive_end(nic->nic.user);
    if (nic->model->attend)
        nic->model->attend(nic, causes);
    if (nic->restart)
        restart(nic);
    else if (causes & INTEL_ICR_LINK)
        read_link(nic);
    if (frames == RX_BURST)
        loop_signal(source);
    else if (!nic->failed)
        intel_set(nic, nic->model->unmask, nic->model->causes);
}

static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    loop_signal(handler->owner);
}

/* --- Finding it --- */

static void *allocate(size_t size)
{
    void *memory = aligned_alloc(INTEL_BUFFER_SIZE, (size + INTEL_BUFFER_SIZE - 1) & ~(size_t)(INTEL_BUFFER_SIZE - 1));

    if (!memory)
        panic("no memory for a network device");
    return memset(memory, 0, size);
}

static void ring_make(struct intel_ring *ring, uintptr_t registers)
{
    ring->registers = registers;
    ring->descriptor = allocate(INTEL_RING_SIZE * sizeof *ring->descriptor);
    ring->buffers = allocate(INTEL_RING_SIZE * INTEL_BUFFER_SIZE);
}

static void read_mac(struct intel *nic)
{
    uint32_t low = intel_get(nic, INTEL_RAL), high = intel_get(nic, INTEL_RAH);
    uint64_t address = low | (uint64_t)(high & 0xffff) << 32;

    if (!(high & RAH_VALID) || !address || address & 1)
        address = 2 | (uint64_t)nic->function.requester << 32;
    memcpy(nic->nic.mac, &address, sizeof nic->nic.mac);
}

bool intel_probe(const struct pci_function *function, const struct intel_model *model)
{
    uint32_t interrupt;
    struct intel *nic;

    if (mmio_read32(function->config + PCI_ID) != (INTEL_VENDOR | (uint32_t)model->device << 16))
        return false;
    nic = allocate(sizeof *nic);
    nic->model = model;
    nic->function = *function;
    pci_enable(function);
    nic->registers = pci_bar(function, 0, 0, REGISTERS_SIZE);
    if (!nic->registers || !reset(nic)) { /* it may still have rings of this domain's former life */
        bulkhead_log("%s %s: it has no registers, or does not reset; not used", model->name, function->name);
        return true;
    }
    ring_make(&nic->rx, nic->registers + model->receive);
    ring_make(&nic->tx, nic->registers + model->transmit);
    nic->source = (struct loop_source){.run = serve, .owner = nic};
    nic->handler = (struct interrupt_handler){.handle = interrupted, .owner = &nic->source, .name = model->name};
    pci_enable_master(function);
    interrupt = pci_message(function);
    if (!interrupt || !interrupt_register(interrupt, false, &nic->handler)) {
        bulkhead_log("%s %s: it has no interrupt; not used", model->name, function->name);
        pci_disable_master(function);
        return true;
    }
    read_mac(nic);
    nic->nic.has_checksum = nic->nic.has_tso4 = nic->nic.has_tso6 = true;
    nic->nic.transmit = transmit;
    nic->nic.kick = kick;
    start(nic);
    nic->nic.link_up = intel_get(nic, INTEL_STATUS) & INTEL_STATUS_LINK;
    nic_add(&nic->nic);
    loop_signal(&nic->source);
    return true;
}
