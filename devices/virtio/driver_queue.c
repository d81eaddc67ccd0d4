/* SPDX-License-Identifier: Apache-2.0 */
#include <arch/native.h>
#include <devices/virtio/driver_queue.h>
#include <string.h>

#define NONE 0xffffu

static size_t available_offset(uint16_t size)
{
    return size * sizeof(struct virtio_descriptor);
}

static size_t used_offset(uint16_t size)
{
    return (available_offset(size) + VIRTIO_AVAILABLE_BYTES(size) + 3) & ~(size_t)3;
}

size_t driver_queue_bytes(uint16_t size)
{
    return used_offset(size) + VIRTIO_USED_BYTES(size);
}

void driver_queue_init(struct driver_queue *queue, uint16_t size, bool event_index, void *memory)
{
    uint8_t *base = memory;

    *queue = (struct driver_queue){.size = size, .event_index = event_index, .free_count = size};
    queue->descriptor = (struct virtio_descriptor *)base;
    queue->available = (struct virtio_available *)(base + available_offset(size));
    queue->used = (struct virtio_used *)(base + used_offset(size));
    for (uint16_t i = 0; i < size; i++)
        queue->next[i] = (uint16_t)(i + 1);
}

static uint16_t *used_event(struct driver_queue *queue)
{
    return &queue->available->ring[queue->size];
}

static uint16_t available_event(const struct driver_queue *queue)
{
    uint16_t event;

    memcpy(&event, &queue->used->ring[queue->size], sizeof event);
    return event;
}

static uint16_t take_descriptor(struct driver_queue *queue)
{
    uint16_t index = queue->free_head;

    queue->free_head = queue->next[index];
    queue->free_count--;
    return index;
}

static void publish(struct driver_queue *queue, uint16_t head)
{
    queue->available->ring[queue->available_index % queue->size] = head;
    device_store_barrier();
    __atomic_store_n(&queue->available->index, ++queue->available_index, __ATOMIC_RELAXED);
}

static uint32_t writable_bytes(const struct driver_segment *segments, uint32_t readable, uint32_t writable)
{
    uint64_t bytes = 0;

    for (uint32_t i = readable; i < readable + writable; i++)
        bytes += segments[i].length;
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

static struct virtio_descriptor describe(const struct driver_segment *segment, bool writable, bool last, uint16_t next)
{
    return (struct virtio_descriptor){
        .address = (uintptr_t)segment->base,
        .length = segment->length,
        .flags = (uint16_t)((writable ? VIRTIO_DESCRIPTOR_WRITE : 0) | (last ? 0 : VIRTIO_DESCRIPTOR_NEXT)),
        .next = last ? 0 : next,
    };
}

bool driver_queue_add(struct driver_queue *queue, const struct driver_segment *segments, uint32_t readable,
                      uint32_t writable, void *token)
{
    uint32_t count = readable + writable;
    uint16_t head = queue->free_head, last = head;

    if (queue->broken || count == 0 || count > queue->free_count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        last = take_descriptor(queue);
        queue->descriptor[last] = describe(&segments[i], i >= readable, i == count - 1, queue->next[last]);
    }
    queue->next[last] = NONE;
    queue->chain[head].token = token;
    queue->chain[head].writable = writable_bytes(segments, readable, writable);
    queue->chain[head].descriptors = (uint16_t)count;
    publish(queue, head);
    return true;
}

bool driver_queue_add_indirect(struct driver_queue *queue, struct virtio_descriptor *table,
                               const struct driver_segment *segments, uint32_t readable, uint32_t writable, void *token)
{
    uint32_t count = readable + writable;
    uint16_t head;

    if (queue->broken || count == 0 || queue->free_count == 0)
        return false;
    for (uint32_t i = 0; i < count; i++)
        table[i] = describe(&segments[i], i >= readable, i == count - 1, (uint16_t)(i + 1));
    head = take_descriptor(queue);
    queue->next[head] = NONE;
    queue->descriptor[head] = (struct virtio_descriptor){
        .address = (uintptr_t)table,
        .length = count * (uint32_t)sizeof *table,
        .flags = VIRTIO_DESCRIPTOR_INDIRECT,
    };
    queue->chain[head].token = token;
    queue->chain[head].writable = writable_bytes(segments, readable, writable);
    queue->chain[head].descriptors = 1;
    publish(queue, head);
    return true;
}

bool driver_queue_kick_needed(struct driver_queue *queue)
{
    uint16_t old = queue->kicked_index;

    if (old == queue->available_index || queue->broken)
        return false;
    queue->kicked_index = queue->available_index;
    device_barrier(); /* the index before what the device says about it */
    if (queue->event_index)
        return virtio_event_passed(available_event(queue), queue->available_index, old);
    return !(__atomic_load_n(&queue->used->flags, __ATOMIC_RELAXED) & VIRTIO_USED_NO_NOTIFY);
}

/* Puts the chain of `head` back on the free list, by what was noted here when it was made. */
static void release(struct driver_queue *queue, uint16_t head)
{
    uint16_t last = head;

    for (uint16_t i = 1; i < queue->chain[head].descriptors; i++)
        last = queue->next[last];
    queue->next[last] = queue->free_head;
    queue->free_head = head;
    queue->free_count = (uint16_t)(queue->free_count + queue->chain[head].descriptors);
    queue->chain[head].token = NULL;
}

void *driver_queue_take(struct driver_queue *queue, uint32_t *written)
{
    uint16_t index = __atomic_load_n(&queue->used->index, __ATOMIC_RELAXED);
    struct virtio_used_element element;
    void *token;

    if (queue->broken || index == queue->used_index)
        return NULL;
    device_load_barrier();
    memcpy(&element, (const void *)&queue->used->ring[queue->used_index % queue->size], sizeof element);
    if ((uint16_t)(index - queue->used_index) > queue->size || element.head >= queue->size ||
        !queue->chain[element.head].token) {
        queue->broken = true;
        return NULL;
    }
    token = queue->chain[element.head].token;
    *written =
        element.length < queue->chain[element.head].writable ? element.length : queue->chain[element.head].writable;
    release(queue, (uint16_t)element.head);
    queue->used_index++;
    return token;
}

bool driver_queue_interrupt_enable(struct driver_queue *queue)
{
    if (queue->event_index)
        __atomic_store_n(used_event(queue), queue->used_index, __ATOMIC_RELAXED);
    else
        __atomic_store_n(&queue->available->flags, 0, __ATOMIC_RELAXED);
    device_barrier(); /* the wish before the look */
    return !queue->broken && __atomic_load_n(&queue->used->index, __ATOMIC_RELAXED) != queue->used_index;
}

void driver_queue_interrupt_disable(struct driver_queue *queue)
{
    /* With the event index, an event that lies behind is not passed before the index has gone all the way round. */
    if (queue->event_index)
        __atomic_store_n(used_event(queue), (uint16_t)(queue->used_index - 1), __ATOMIC_RELAXED);
    else
        __atomic_store_n(&queue->available->flags, VIRTIO_AVAILABLE_NO_INTERRUPT, __ATOMIC_RELAXED);
}

void *driver_queue_abandon(struct driver_queue *queue)
{
    for (uint16_t head = 0; head < queue->size; head++) {
        void *token = queue->chain[head].token;

        if (token) {
            release(queue, head);
            return token;
        }
    }
    return NULL;
}
