/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue of bytes with one producer and one consumer, which may be the event loop and the worker: each side owns one
 * index and only reads the other's.
 */
#ifndef NET_BYTE_QUEUE_H
#define NET_BYTE_QUEUE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct byte_queue {
    uint8_t *data;
    uint32_t size;        /* a power of two */
    _Atomic uint32_t put; /* bytes ever put in, modulo 2^32: the producer's */
    _Atomic uint32_t got; /* bytes ever taken out: the consumer's */
};

static inline void byte_queue_init(struct byte_queue *queue, void *data, uint32_t size)
{
    queue->data = data;
    queue->size = size;
    atomic_init(&queue->put, 0);
    atomic_init(&queue->got, 0);
}

static inline uint32_t byte_queue_length(const struct byte_queue *queue)
{
    return atomic_load_explicit(&queue->put, memory_order_acquire) -
           atomic_load_explicit(&queue->got, memory_order_acquire);
}

static inline uint32_t byte_queue_space(const struct byte_queue *queue)
{
    return queue->size - byte_queue_length(queue);
}

/* Producer: where the next bytes go, how many in one piece; then byte_queue_commit(). */
static inline uint32_t byte_queue_reserve(const struct byte_queue *queue, uint8_t **data)
{
    uint32_t offset = atomic_load_explicit(&queue->put, memory_order_relaxed) & (queue->size - 1);
    uint32_t space = byte_queue_space(queue);

    *data = queue->data + offset;
    return space < queue->size - offset ? space : queue->size - offset;
}

static inline void byte_queue_commit(struct byte_queue *queue, uint32_t length)
{
    atomic_store_explicit(&queue->put, atomic_load_explicit(&queue->put, memory_order_relaxed) + length,
                          memory_order_release);
}

/* Consumer: the next bytes, as many as lie in one piece; then byte_queue_consume(). */
static inline uint32_t byte_queue_peek(const struct byte_queue *queue, const uint8_t **data)
{
    uint32_t offset = atomic_load_explicit(&queue->got, memory_order_relaxed) & (queue->size - 1);
    uint32_t length = byte_queue_length(queue);

    *data = queue->data + offset;
    return length < queue->size - offset ? length : queue->size - offset;
}

static inline void byte_queue_consume(struct byte_queue *queue, uint32_t length)
{
    atomic_store_explicit(&queue->got, atomic_load_explicit(&queue->got, memory_order_relaxed) + length,
                          memory_order_release);
}

/* Producer: puts in what fits of `length` bytes, returns how many. */
static inline size_t byte_queue_put(struct byte_queue *queue, const void *data, size_t length)
{
    size_t done = 0;

    while (done < length) {
        uint8_t *room;
        size_t piece = byte_queue_reserve(queue, &room);

        if (piece == 0)
            break;
        if (piece > length - done)
            piece = length - done;
        memcpy(room, (const uint8_t *)data + done, piece);
        byte_queue_commit(queue, (uint32_t)piece);
        done += piece;
    }
    return done;
}

/* Consumer: takes out at most `length` bytes, returns how many. */
static inline size_t byte_queue_get(struct byte_queue *queue, void *data, size_t length)
{
    size_t done = 0;

    while (done < length) {
        const uint8_t *bytes;
        size_t piece = byte_queue_peek(queue, &bytes);

        if (piece == 0)
            break;
        if (piece > length - done)
            piece = length - done;
        memcpy((uint8_t *)data + done, bytes, piece);
        byte_queue_consume(queue, (uint32_t)piece);
        done += piece;
    }
    return done;
}

#endif
