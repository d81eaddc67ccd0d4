/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/virtqueue.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "virtqueues are little-endian");
_Static_assert(sizeof(struct virtio_descriptor) == 16, "as the specification lays it out");

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Memory that the driver writes at any time is read through these, once each. */
static inline uint16_t load(const uint16_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static inline struct virtio_descriptor load_descriptor(const struct virtio_descriptor *from)
{
    const uint64_t *words = (const uint64_t *)from;
    uint64_t first = __atomic_load_n(&words[0], __ATOMIC_RELAXED);
    uint64_t second = __atomic_load_n(&words[1], __ATOMIC_RELAXED);

    return (struct virtio_descriptor){
        .address = first,
        .length = (uint32_t)second,
        .flags = (uint16_t)(second >> 32),
        .next = (uint16_t)(second >> 48),
    };
}

static inline uint16_t *used_event(const struct virtqueue *queue)
{
    return (uint16_t *)&queue->available->ring[queue->size];
}

static inline uint16_t *avail_event(const struct virtqueue *queue)
{
    return (uint16_t *)&queue->used->ring[queue->size];
}

static enum virtqueue_result break_queue(struct virtqueue *queue)
{
    queue->broken = true;
    queue->offered = queue->taken;
    return VIRTQUEUE_EMPTY;
}

static void *part(const struct grant *grant, uint64_t address, uint64_t length, uint64_t alignment)
{
    return address % alignment ? NULL : grant_translate(grant, address, length);
}

bool virtqueue_start(struct virtqueue *queue, const struct grant *grant, const struct channel_queue *where,
                     uint64_t features, bool resume)
{
    uint32_t size = where->size;

    virtqueue_stop(queue);
    queue->broken = true;
    if (size == 0 || size > BULKHEAD_QUEUE_SIZE_MAX || (size & (size - 1)))
        return false;
    queue->descriptors = part(grant, where->descriptors, sizeof(struct virtio_descriptor) * size, 16);
    queue->available = part(grant, where->driver, VIRTIO_AVAILABLE_BYTES(size), 2);
    queue->used = part(grant, where->device, VIRTIO_USED_BYTES(size), 4);
    if (!queue->descriptors || !queue->available || !queue->used)
        return false;
    queue->grant = *grant;
    queue->size = (uint16_t)size;
    queue->mask = (uint16_t)(size - 1);
    queue->event_index = features & VIRTIO_F_EVENT_IDX;
    queue->indirect = features & VIRTIO_F_INDIRECT_DESC;
    queue->broken = false;
    if (resume) {
        /* Chains are given back in the order in which they were offered, so this is where the last instance stood. */
        queue->taken = load(&queue->used->index);
        queue->signal_always = true;
    }
    queue->offered = queue->returned = queue->published = queue->signalled = queue->taken;
    return true;
}

void virtqueue_stop(struct virtqueue *queue)
{
    memset(queue, 0, sizeof(*queue));
}

/* Reads the driver's index anew; whether there is a chain to take. */
static bool refresh(struct virtqueue *queue)
{
    uint16_t index;

    if (queue->size == 0 || queue->broken)
        return false;
    index = __atomic_load_n(&queue->available->index, __ATOMIC_ACQUIRE);
    /* The driver cannot have more chains out than the ring holds, nor fewer than we have taken. */
    if (UNLIKELY((uint16_t)(index - queue->published) > queue->size ||
                 (uint16_t)(index - queue->taken) > queue->size)) {
        break_queue(queue);
        return false;
    }
    queue->offered = index;
    return index != queue->taken;
}

enum walk_result { WALK_DONE, WALK_TOO_LONG, WALK_WRONG };

/*
 * Follows a chain from its copied first descriptor. A table holds at most as many descriptors as the queue, and no more
 * of them are read than it holds, so a loop ends.
 */
static enum walk_result walk_chain(const struct virtqueue *queue, struct virtio_descriptor descriptor,
                                   struct virtqueue_chain *chain, struct segment *segments, uint32_t capacity)
{
    const struct virtio_descriptor *table = queue->descriptors;
    uint32_t size = queue->size, left = size, count = 0, readable = 0;
    uint64_t bytes = 0, readable_bytes = 0;
    bool indirect = false, writing = false;

    for (; left--; descriptor = load_descriptor(&table[descriptor.next])) {
        void *base = grant_translate(&queue->grant, descriptor.address, descriptor.length);

        if (UNLIKELY(descriptor.flags & VIRTIO_DESCRIPTOR_INDIRECT)) {
            /* Ends the chain in the queue's own table (section 2.7.5.3.1), and does not nest. */
            if (!queue->indirect || indirect || !base || (descriptor.flags & VIRTIO_DESCRIPTOR_NEXT) ||
                descriptor.address % 16 || descriptor.length % sizeof(descriptor))
                return WALK_WRONG;
            size = left = descriptor.length / sizeof(descriptor);
            if (size == 0 || size > queue->size)
                return WALK_WRONG;
            table = base;
            indirect = true;
            descriptor.next = 0;
            continue;
        }
        if (UNLIKELY(writing != (bool)(descriptor.flags & VIRTIO_DESCRIPTOR_WRITE))) {
            if (writing) /* to the device behind from the device */
                return WALK_WRONG;
            writing = true;
            readable = count;
            readable_bytes = bytes;
        }
        if (LIKELY(descriptor.length)) {
            if (UNLIKELY(!base))
                return WALK_WRONG;
            if (UNLIKELY(count == capacity))
                return WALK_TOO_LONG;
            segments[count].base = base;
            segments[count++].length = descriptor.length;
            bytes += descriptor.length;
        }
        if (!(descriptor.flags & VIRTIO_DESCRIPTOR_NEXT)) {
            if (UNLIKELY(bytes > UINT32_MAX))
                return WALK_WRONG;
            chain->readable = writing ? readable : count;
            chain->writable = count - chain->readable;
            chain->readable_bytes = (uint32_t)(writing ? readable_bytes : bytes);
            chain->writable_bytes = (uint32_t)bytes - chain->readable_bytes;
            return WALK_DONE;
        }
        if (UNLIKELY(descriptor.next >= size))
            return WALK_WRONG;
    }
    return WALK_WRONG;
}

static void advance(struct virtqueue *queue, struct virtqueue_chain *chain, uint16_t head)
{
    chain->head = head;
    chain->position = queue->taken;
    queue->slot[queue->taken & queue->mask].head = head;
    queue->taken++;
    queue->chains++;
}

/* Out of line, so that the single descriptor does not pay for the registers of the walk. */
static __attribute__((noinline)) enum virtqueue_result take_chain(struct virtqueue *queue, uint16_t head,
                                                                  struct virtio_descriptor descriptor,
                                                                  struct virtqueue_chain *chain,
                                                                  struct segment *segments, uint32_t capacity)
{
    enum walk_result result = walk_chain(queue, descriptor, chain, segments, capacity);

    if (UNLIKELY(result == WALK_WRONG))
        return break_queue(queue);
    advance(queue, chain, head);
    if (UNLIKELY(result == WALK_TOO_LONG)) {
        chain->readable = chain->writable = chain->readable_bytes = chain->writable_bytes = 0;
        return VIRTQUEUE_TOO_LONG;
    }
    return VIRTQUEUE_TAKEN;
}

enum virtqueue_result virtqueue_take(struct virtqueue *queue, struct virtqueue_chain *chain, struct segment *segments,
                                     uint32_t capacity)
{
    struct virtio_descriptor descriptor;
    uint16_t head;

    if (queue->taken == queue->offered && !refresh(queue))
        return VIRTQUEUE_EMPTY;
    head = load(&queue->available->ring[queue->taken & queue->mask]);
    if (UNLIKELY(head >= queue->size))
        return break_queue(queue);
    descriptor = load_descriptor(&queue->descriptors[head]);
    if (LIKELY(descriptor.flags == VIRTIO_DESCRIPTOR_WRITE && descriptor.length && capacity)) {
        /* One buffer to write into: what a network driver receives in. */
        void *base = grant_translate(&queue->grant, descriptor.address, descriptor.length);

        if (UNLIKELY(!base))
            return break_queue(queue);
        segments[0] = (struct segment){base, descriptor.length};
        *chain = (struct virtqueue_chain){.writable = 1, .writable_bytes = descriptor.length};
        advance(queue, chain, head);
        return VIRTQUEUE_TAKEN;
    }
    return take_chain(queue, head, descriptor, chain, segments, capacity);
}

void virtqueue_untake(struct virtqueue *queue, uint16_t count)
{
    if (queue->size == 0 || queue->broken)
        return;
    queue->taken -= count;
    queue->chains -= count;
}

void virtqueue_return(struct virtqueue *queue, uint16_t head, uint32_t written)
{
    struct virtio_used_element *element;

    if (UNLIKELY(queue->size == 0))
        return;
    element = &queue->used->ring[queue->returned & queue->mask];
    __atomic_store_n(&element->head, head, __ATOMIC_RELAXED);
    __atomic_store_n(&element->length, written, __ATOMIC_RELAXED);
    queue->returned++;
}

void virtqueue_publish(struct virtqueue *queue)
{
    if (queue->published == queue->returned || queue->size == 0)
        return;
    queue->published = queue->returned;
    __atomic_store_n(&queue->used->index, queue->published, __ATOMIC_RELEASE);
}

void virtqueue_complete(struct virtqueue *queue, uint16_t position, uint32_t written)
{
    struct virtqueue_slot *slot = &queue->slot[position & queue->mask];

    if (queue->size == 0)
        return;
    slot->done = true;
    slot->length = written;
    while (queue->returned != queue->taken) {
        slot = &queue->slot[queue->returned & queue->mask];
        if (!slot->done)
            break;
        slot->done = false;
        virtqueue_return(queue, slot->head, slot->length);
    }
    virtqueue_publish(queue);
}

bool virtqueue_signal_wanted(struct virtqueue *queue)
{
    uint16_t old = queue->signalled;
    bool always = queue->signal_always;

    if (queue->size == 0 || (queue->published == old && !always))
        return false;
    queue->signalled = queue->published;
    queue->signal_always = false;
    if (always)
        return true;
    /* The used index must be out before the driver's wish is read: it writes its wish and then reads the index. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (queue->event_index)
        return virtio_event_passed(load(used_event(queue)), queue->published, old);
    return !(load(&queue->available->flags) & VIRTIO_AVAILABLE_NO_INTERRUPT);
}

void virtqueue_notify_disable(struct virtqueue *queue)
{
    /* With event indices the driver rings once when it passes avail_event, and not again until that is moved. */
    if (queue->size && !queue->event_index)
        __atomic_store_n(&queue->used->flags, VIRTIO_USED_NO_NOTIFY, __ATOMIC_RELAXED);
}

bool virtqueue_notify_enable(struct virtqueue *queue)
{
    if (queue->size == 0 || queue->broken)
        return false;
    if (queue->event_index)
        __atomic_store_n(avail_event(queue), queue->taken, __ATOMIC_RELAXED);
    else
        __atomic_store_n(&queue->used->flags, 0, __ATOMIC_RELAXED);
    /* The wish must be out before the index is read, as the driver does it the other way round. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return refresh(queue);
}
