/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests of any behaviour against virtio-net: virtqueues, back-end, vSwitch and segmentation together. The input is a
 * program that writes guests' memory (rings, descriptors, tables, frames), rings, resets and lets time pass. ASan says
 * when something leaves a guest's memory.
 */
#include "../unit/fake_guests.h"
#include <devices/virtio/net.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES                                                                                                       \
    (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM |  \
     VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 |             \
     VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t left;
};

static uint64_t take(struct input *input, uint32_t bytes)
{
    uint64_t value = 0;

    for (; bytes && input->left; bytes--, input->left--)
        value = value << 8 | *input->data++;
    return value;
}

static void write_descriptor(struct input *input, uint32_t guest)
{
    static const uint32_t lengths[] = {0, 1, 12, 14, 78, 100, 2048, 4096, 65562, 0xffffffff};
    static const uint32_t tables[] = {GUEST_DESCRIPTORS(0), GUEST_DESCRIPTORS(1), GUEST_TABLE, GUEST_TABLE + 512};
    uint32_t table = tables[take(input, 1) % 4], index = take(input, 1) % GUEST_QUEUE_SIZE;
    uint8_t kind = (uint8_t)take(input, 1);
    uint16_t flags = kind & 7;
    uint64_t address = GUEST_BASE + (kind & 8 ? take(input, 3) : take(input, 1) << 12);
    uint32_t length = kind & 16 ? (uint32_t)take(input, 2) : lengths[take(input, 1) % 10];

    if (kind & 4 && kind & 32) {
        address = GUEST_BASE + GUEST_TABLE;
        length = 16 * (uint32_t)(1 + take(input, 1) % GUEST_QUEUE_SIZE);
    }
    guest_describe(guest, table, index, address, length, flags, (uint16_t)(take(input, 1) % (GUEST_QUEUE_SIZE + 1)));
}

static void write_frame(struct input *input, uint32_t guest)
{
    static const uint8_t headers[][12] = {
        {0},
        {1, 0, 0, 0, 0, 0, 34, 0, 6, 0},
        {1, 1, 54, 0, 0x78, 5, 34, 0, 16, 0},
        {1, 4, 74, 0, 0x78, 5, 54, 0, 16, 0},
    };
    uint8_t *at = guests[guest].memory + (take(input, 1) << 12) % (GUEST_MEMORY - 4096);
    uint8_t kind = (uint8_t)take(input, 1);

    memcpy(at, headers[kind & 3], 12);
    at += 12;
    memset(at, 0xff, 6);
    if (kind & 4)
        memcpy(at, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(1 + take(input, 1) % GUESTS)}, 6);
    memcpy(at + 6, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(1 + guest)}, 6);
    memcpy(at + 12, kind & 1 ? "\x86\xdd\x60" : "\x08\x00\x45", 3);
    at[kind & 1 ? 20 : 23] = 6;
    at[kind & 1 ? 66 : 46] = 0x50;
    for (uint32_t i = kind >> 4; i; i--)
        at[take(input, 1)] = (uint8_t)take(input, 1);
}

/* Buffers to receive into, and one frame ready to be offered: what comes first in an input changes something of this.
 */
static void begin_well(uint32_t guest)
{
    static const struct virtio_net_header tso = {
        .flags = 1, .gso_type = 1, .gso_size = 1400, .csum_start = 34, .csum_offset = 16};
    uint8_t *at = guests[guest].memory + 0x80000;

    for (uint16_t i = 0; i < 20; i++) {
        guest_describe(guest, GUEST_DESCRIPTORS(0), i, GUEST_BASE + GUEST_BUFFERS + i * 4096u, 4096,
                       VIRTIO_DESCRIPTOR_WRITE, 0);
        guest_offer(guest, 0, i);
    }
    memcpy(at, &tso, sizeof(tso));
    memset(at + 12, 0xff, 6);
    memcpy(at + 18, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(1 + guest)}, 6);
    memcpy(at + 24, "\x08\x00\x45", 3);
    at[35] = 6;
    at[58] = 0x50;
    guest_describe(guest, GUEST_TABLE, 0, GUEST_BASE + 0x80000, 78, VIRTIO_DESCRIPTOR_NEXT, 1);
    guest_describe(guest, GUEST_TABLE, 1, GUEST_BASE + 0x81000, 9000, 0, 0);
    guest_describe(guest, GUEST_DESCRIPTORS(1), 0, GUEST_BASE + GUEST_TABLE, 32, VIRTIO_DESCRIPTOR_INDIRECT, 0);
}

static void step(struct input *input)
{
    uint8_t what = (uint8_t)take(input, 1);
    uint32_t guest = what >> 4 & 3, queue = what >> 6 & 1;

    guest %= GUESTS;
    switch (what & 15) {
    case 0:
    case 1:
    case 2:
    case 3:
        write_descriptor(input, guest);
        break;
    case 4:
    case 5:
        write_frame(input, guest);
        break;
    case 6:
    case 7:
    case 8:
        guest_offer(guest, queue, (uint16_t)(take(input, 1) % (GUEST_QUEUE_SIZE + 1)));
        break;
    case 9:
        guest_available(guest, queue)->index = (uint16_t)take(input, 2);
        break;
    case 10: {
        uint32_t place = (uint32_t)take(input, 2) % GUEST_TABLE;

        guests[guest].memory[place] = (uint8_t)take(input, 1);
        break;
    }
    case 11:
        guest_reset(guest);
        memset(guests[guest].memory, 0, GUEST_TABLE);
        guest_start(guest, take(input, 1) & 1 ? FEATURES : VIRTIO_F_VERSION_1);
        break;
    case 12:
        guests_wait(take(input, 1) * 1000);
        break;
    default:
        guest_ring(guest, 1u << queue);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    guests_begin();
    for (uint32_t i = 0; i < GUESTS; i++) {
        guest_start(i, i ? FEATURES : FEATURES & ~VIRTIO_NET_F_MRG_RXBUF & ~VIRTIO_NET_F_GUEST_TSO4);
        begin_well(i);
    }
    for (uint32_t steps = 0; input.left && steps < 400; steps++)
        step(&input);
    guests_wait(1000000);
    return 0;
}
