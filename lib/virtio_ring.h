/* SPDX-License-Identifier: Apache-2.0 */
/* The split virtqueue's layout in memory, virtio 1.2 section 2.7. Little-endian, as every machine that we run on. */
#ifndef LIB_VIRTIO_RING_H
#define LIB_VIRTIO_RING_H

#include <stdint.h>

/* Feature bits that are not a device's own (section 6). */
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ull << 33)

enum virtio_descriptor_flags {
    VIRTIO_DESCRIPTOR_NEXT = 1,
    VIRTIO_DESCRIPTOR_WRITE = 2, /* the device writes it */
    VIRTIO_DESCRIPTOR_INDIRECT = 4,
};

struct virtio_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

#define VIRTIO_AVAILABLE_NO_INTERRUPT 1u
struct virtio_available {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[]; /* `size` entries, and then uint16_t used_event */
};

#define VIRTIO_USED_NO_NOTIFY 1u
struct virtio_used_element {
    uint32_t head;
    uint32_t length;
};
struct virtio_used {
    uint16_t flags;
    uint16_t index;
    struct virtio_used_element ring[]; /* `size` entries, and then uint16_t avail_event */
};

#define VIRTIO_AVAILABLE_BYTES(size) (6ull + 2ull * (size))
#define VIRTIO_USED_BYTES(size) (6ull + 8ull * (size))

/* Section 2.7.7.2: whether moving an index from `old` to `new` passes `event`, so that the other side asked to be told.
 */
static inline int virtio_event_passed(uint16_t event, uint16_t new, uint16_t old)
{
    return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

#endif
