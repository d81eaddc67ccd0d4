/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device side of a split virtqueue (virtio 1.2, section 2.7) whose driver is hostile.
 *
 * Every descriptor is copied once, checked on the copy and used from the copy; an address leaves this module only as a
 * pointer into the front-end's grant. Work is bounded: a chain by the queue's size, a take by one chain. A queue whose
 * driver breaks a rule becomes `broken` and stays empty until it is started anew (backend.c then fails the channel).
 *
 * A back-end takes chains, uses the memory, and gives each back, either
 *  - at once and in order: virtqueue_return(), then virtqueue_publish() once for a batch; or
 *  - later, in any order: virtqueue_complete(). The driver sees completions in the order in which chains were taken, so
 *    that the used ring's index alone says what is still in flight: a back-end that was restarted (virtqueue_start()
 *    with `resume`) takes exactly those chains again which the driver has not got back.
 * One queue uses one of the two ways. Single-threaded: all calls from the event loop.
 *
 * The memory that a chain names belongs to the guest and may change at any time: copy before you decide by it.
 */
#ifndef LIB_VIRTQUEUE_H
#define LIB_VIRTQUEUE_H

#include <bulkhead/channel.h>
#include <lib/grant.h>
#include <lib/segment.h>
#include <lib/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

struct virtqueue_slot { /* one chain that was taken, by its position in the available ring */
    uint16_t head;
    bool done;
    uint32_t length;
};

struct virtqueue {
    /* Into the front-end's memory, inside the grant. */
    const struct virtio_descriptor *descriptors;
    const struct virtio_available *available;
    struct virtio_used *used;
    uint16_t size; /* 0: not started */
    uint16_t mask;
    uint16_t taken;     /* position in the available ring of the next chain to take */
    uint16_t offered;   /* the driver's available index as last read and checked */
    uint16_t returned;  /* position in the used ring of the next element to write */
    uint16_t published; /* the used index that the driver sees */
    uint16_t signalled; /* the used index when the driver was last interrupted */
    bool event_index, indirect, broken;
    bool signal_always; /* resumed: what was published before may not have been signalled */
    struct grant grant;
    uint64_t chains;                                     /* counter: taken since the start */
    struct virtqueue_slot slot[BULKHEAD_QUEUE_SIZE_MAX]; /* virtqueue_complete() only */
};

struct virtqueue_chain {
    uint16_t head;     /* for virtqueue_return() */
    uint16_t position; /* for virtqueue_complete() */
    /* The caller's array holds the driver-to-device segments first, then the device-to-driver ones. */
    uint32_t readable, writable;
    uint32_t readable_bytes, writable_bytes;
};

enum virtqueue_result {
    VIRTQUEUE_TAKEN,
    VIRTQUEUE_EMPTY,    /* nothing to take, or the queue is broken or not started */
    VIRTQUEUE_TOO_LONG, /* a chain was taken that has more segments than the caller's array: give it back unused (its
                           head and position are valid, its counts are 0) */
};

/*
 * Starts a queue as the channel's register page describes it, with the features that the driver accepted. `resume`: the
 * driver has been using it with an earlier instance of this back-end. False: it does not lie in the grant, or its
 * indices make no sense; the queue is then broken.
 */
bool virtqueue_start(struct virtqueue *queue, const struct grant *grant, const struct channel_queue *where,
                     uint64_t features, bool resume);
/* Lets go: nothing can be taken, and nothing is written to the driver's memory any more. */
void virtqueue_stop(struct virtqueue *queue);

/*
 * Takes the next chain. Zero-length descriptors are left out of the segments. `segments` has room for `capacity`.
 */
enum virtqueue_result virtqueue_take(struct virtqueue *queue, struct virtqueue_chain *chain, struct segment *segments,
                                     uint32_t capacity);
/* Puts back the last `count` chains that were taken: the next take yields the first of them again (read anew). */
void virtqueue_untake(struct virtqueue *queue, uint16_t count);

/* Gives a chain back, `written` bytes of its device-to-driver segments having been written. Not visible yet. */
void virtqueue_return(struct virtqueue *queue, uint16_t head, uint32_t written);
/* Makes all that was returned visible to the driver. */
void virtqueue_publish(struct virtqueue *queue);
/* Gives back the chain that was taken at `position`, now or as soon as those before it are given back. */
void virtqueue_complete(struct virtqueue *queue, uint16_t position, uint32_t written);
/* How many chains the driver has not got back. */
static inline uint16_t virtqueue_in_flight(const struct virtqueue *queue)
{
    return queue->taken - queue->published;
}

/* After publishing: whether the driver wants an interrupt for what was published since this was last true. */
bool virtqueue_signal_wanted(struct virtqueue *queue);

/*
 * Notifications are off while a back-end works on a queue, and asked for when it runs dry: enable returns true when
 * chains came in meanwhile, so that the back-end goes on instead of sleeping.
 */
void virtqueue_notify_disable(struct virtqueue *queue);
bool virtqueue_notify_enable(struct virtqueue *queue);

#endif
