/* SPDX-License-Identifier: Apache-2.0 */
/* A polling virtio-mmio driver for test guests: enough to use a device rightly, and to use it wrongly on purpose. */
#ifndef TESTS_GUESTS_SUPPORT_VIRTIO_H
#define TESTS_GUESTS_SUPPORT_VIRTIO_H

#include "guest.h"
#include <bulkhead/channel.h>
#include <lib/virtio_ring.h>

#define VIRTIO_QUEUE_SIZE 64u

struct virtio_queue {
    uint32_t index;
    volatile struct virtio_descriptor *descriptors;
    volatile struct virtio_available *available;
    volatile struct virtio_used *used;
    uint16_t seen; /* used index up to which completions were taken */
};

struct virtio_device {
    uint64_t base; /* 0: there is none */
    uint32_t id;   /* enum virtio_device_id */
    uint32_t queues;
    struct virtio_queue queue[2];
};

/* The first device with this ID, in slot order. */
struct virtio_device virtio_find(uint32_t id);
/* Reset, negotiation of everything that is offered, queues set up, DRIVER_OK. False: the device does not follow. */
bool virtio_start(struct virtio_device *device);
/* False: the device did not reset within 10 s. */
bool virtio_reset(struct virtio_device *device);

void virtio_describe(struct virtio_queue *queue, uint32_t index, uint64_t address, uint32_t length, uint16_t flags,
                     uint16_t next);
void virtio_offer(struct virtio_queue *queue, uint16_t head);
void virtio_notify(struct virtio_device *device, uint32_t queue);
/* Waits up to 10 s for one more completion. */
bool virtio_wait(struct virtio_queue *queue);

/* Does with the device what it is for, after a start: a block read, a frame, a few bytes. */
bool virtio_works(struct virtio_device *device);

static inline uint32_t virtio_read(const struct virtio_device *device, uint32_t offset)
{
    return read32(device->base + offset);
}
static inline void virtio_write(const struct virtio_device *device, uint32_t offset, uint32_t value)
{
    write32(device->base + offset, value);
}

#endif
