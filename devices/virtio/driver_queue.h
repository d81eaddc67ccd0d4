/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver side of a split virtqueue (virtio 1.2, section 2.7) for physical devices. What the device writes (the used
 * ring, and whatever else it cares to overwrite) is not trusted: the free list and what is outstanding are kept in
 * private memory, and a used element that does not fit makes the queue broken, for good. Loop context.
 */
#ifndef DEVICES_VIRTIO_DRIVER_QUEUE_H
#define DEVICES_VIRTIO_DRIVER_QUEUE_H

#include <lib/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRIVER_QUEUE_SIZE_MAX 256u

struct driver_segment {
    const volatile void *base;
    uint32_t length;
};

struct driver_queue {
    uint16_t size; /* a power of two, at most DRIVER_QUEUE_SIZE_MAX */
    bool event_index;
    bool broken;
    struct virtio_descriptor *descriptor; /* these three are shared with the device */
    struct virtio_available *available;
    struct virtio_used *used;
    uint16_t free_head, free_count;
    uint16_t available_index; /* published */
    uint16_t kicked_index;    /* of available_index, when the device was last told */
    uint16_t used_index;      /* taken */
    uint16_t next[DRIVER_QUEUE_SIZE_MAX];
    struct {
        void *token; /* NULL: no chain starts here */
        uint32_t writable;
        uint16_t descriptors;
    } chain[DRIVER_QUEUE_SIZE_MAX];
};

/* Bytes of shared memory, and the alignment of its start, that a queue of this size needs. */
#define DRIVER_QUEUE_ALIGN 16u
size_t driver_queue_bytes(uint16_t size);
/* `memory`: driver_queue_bytes(size) zeroed bytes that the device can reach. */
void driver_queue_init(struct driver_queue *queue, uint16_t size, bool event_index, void *memory);

/*
 * Publishes a chain of `readable` segments that the device reads and then `writable` ones that it writes. `token`, not
 * NULL, comes back from driver_queue_take(). False: no room, or broken.
 */
bool driver_queue_add(struct driver_queue *queue, const struct driver_segment *segments, uint32_t readable,
                      uint32_t writable, void *token);
/* The same through a table of descriptors that the caller owns until the token is back: takes one slot of the queue. */
bool driver_queue_add_indirect(struct driver_queue *queue, struct virtio_descriptor *table,
                               const struct driver_segment *segments, uint32_t readable, uint32_t writable,
                               void *token);
/* Whether the device wants to be told of what was added since the last time this returned true. */
bool driver_queue_kick_needed(struct driver_queue *queue);

/* The next chain that the device is done with, or NULL; `written`: how many bytes it says it wrote, at most what the
 * chain had room for. */
void *driver_queue_take(struct driver_queue *queue, uint32_t *written);
/* Ask for an interrupt when the device uses another chain. True: it has done so already; take again. */
bool driver_queue_interrupt_enable(struct driver_queue *queue);
void driver_queue_interrupt_disable(struct driver_queue *queue);
/* After a reset of the device: the token of some chain that it still had, or NULL after the last. */
void *driver_queue_abandon(struct driver_queue *queue);

#endif
