/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-console with one port. What the guest writes goes into its console's ring, where any session reads it from the
 * start; what a session types goes to the guest, or into the kernel's emulated UART when that is behind the console.
 */
#include <bulkhead/partition.h>
#include <devices/virtio/backend.h>
#include <lib/hypercall.h>
#include <mgmt/console_attach.h>
#include <mgmt/console_input.h>
#include <mgmt/module.h>

enum {
    QUEUE_RECEIVE = 0, /* to the guest */
    QUEUE_TRANSMIT = 1,
    QUEUES = 2,
    SEGMENTS = 32,
    WRITE_MAX = BULKHEAD_CONSOLE_RING_SIZE, /* of one chain: more than that would overwrite itself */
    BUDGET = 4096,                          /* bytes after which others get their turn */
};

#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC)

struct console {
    struct backend backend;
    uint8_t ring;
    bool input_waits; /* somebody has more input than the driver had room for */
    bool writing;     /* `chain` was taken, and `written` of its bytes are in the ring */
    uint32_t written;
    struct virtqueue_chain chain;
    struct segment segment[SEGMENTS];
};

static struct console consoles[BULKHEAD_CONSOLES_MAX];
static uint32_t consoles_in_use;

/* Consoles whose device is the kernel's UART, and which had no room for input. */
static uint32_t uarts_waiting;
_Static_assert(BULKHEAD_CONSOLES_MAX <= 32, "a bit each");

/* Continues with the chain at hand for at most `budget` bytes; returns how many it wrote. */
static uint32_t write_on(struct console *console, uint32_t budget)
{
    uint32_t end = console->chain.readable_bytes < WRITE_MAX ? console->chain.readable_bytes : WRITE_MAX;
    uint32_t done = 0;

    while (console->written < end && done < budget) {
        uint8_t bytes[HYPERCALL_BYTES_MAX];
        uint32_t length = end - console->written < sizeof(bytes) ? end - console->written : sizeof(bytes);

        segments_read(console->segment, console->chain.readable, console->written, bytes, length);
        hypercall_console_write(console->ring, bytes, length);
        console->written += length;
        done += length;
    }
    if (console->written == end) {
        struct virtqueue *queue = &console->backend.queue[QUEUE_TRANSMIT];

        console->writing = false;
        virtqueue_return(queue, console->chain.head, 0);
        virtqueue_publish(queue);
    }
    return done;
}

/* True: there is more. */
static bool serve_output(struct console *console)
{
    struct virtqueue *queue = &console->backend.queue[QUEUE_TRANSMIT];
    uint32_t done = 0;

    virtqueue_notify_disable(queue);
    do {
        for (;;) {
            if (console->writing)
                done += write_on(console, BUDGET - done);
            if (done >= BUDGET) {
                backend_signal(&console->backend, queue);
                return true;
            }
            if (virtqueue_take(queue, &console->chain, console->segment, SEGMENTS) == VIRTQUEUE_EMPTY)
                break;
            console->writing = true;
            console->written = 0;
            done++; /* so that empty chains end, too */
        }
    } while (virtqueue_notify_enable(queue));
    backend_signal(&console->backend, queue);
    return false;
}

static bool serve(struct backend *backend, uint32_t queues)
{
    struct console *console = backend->owner;

    if ((queues & 1u << QUEUE_RECEIVE) && console->input_waits) {
        console->input_waits = false;
        console_attach_input_ready(console->ring);
    }
    return (queues & 1u << QUEUE_TRANSMIT) && serve_output(console);
}

static uint32_t input(struct console *console, const uint8_t *data, uint32_t length)
{
    struct virtqueue *queue = &console->backend.queue[QUEUE_RECEIVE];
    struct segment segment[SEGMENTS];
    struct virtqueue_chain chain;
    uint32_t done = 0;

    virtqueue_notify_disable(queue);
    do {
        while (done < length && virtqueue_take(queue, &chain, segment, SEGMENTS) != VIRTQUEUE_EMPTY) {
            uint32_t written =
                (uint32_t)segments_write(segment + chain.readable, chain.writable, 0, data + done, length - done);

            virtqueue_return(queue, chain.head, written);
            done += written;
        }
        virtqueue_publish(queue);
    } while (done < length && virtqueue_notify_enable(queue));
    backend_signal(&console->backend, queue);
    console->input_waits |= done < length;
    if (queue->broken)
        backend_fail(&console->backend);
    return done;
}

static uint32_t uart_input(uint32_t ring, const uint8_t *data, uint32_t length)
{
    uint32_t done = 0;

    while (done < length) {
        uint32_t piece = length - done < HYPERCALL_BYTES_MAX ? length - done : HYPERCALL_BYTES_MAX;
        int64_t taken = hypercall_console_input(ring, data + done, piece);

        if (taken > 0)
            done += (uint32_t)taken;
        if (taken < (int64_t)piece) {
            uarts_waiting |= 1u << ring;
            break;
        }
    }
    return done;
}

uint32_t console_input(uint32_t console, const void *data, uint32_t length)
{
    if (console >= BULKHEAD_CONSOLES_MAX)
        return length;
    for (uint32_t i = 0; i < consoles_in_use; i++) {
        if (consoles[i].ring == console)
            return input(&consoles[i], data, length);
    }
    return uart_input(console, data, length);
}

static void uart_has_room(struct doorbell_system_handler *handler, uint32_t bits)
{
    uint32_t waiting = uarts_waiting;

    (void)handler;
    (void)bits;
    uarts_waiting = 0;
    for (uint32_t ring = 0; ring < BULKHEAD_CONSOLES_MAX; ring++) {
        if (waiting & 1u << ring)
            console_attach_input_ready(ring);
    }
}
static struct doorbell_system_handler room_handler = {.ring = uart_has_room, .mask = DOORBELL_CONSOLE};

static void start(struct backend *backend)
{
    struct console *console = backend->owner;

    console->writing = false;
}

static bool stop(struct backend *backend)
{
    struct console *console = backend->owner;

    console->writing = false;
    return true;
}

static const struct backend_operations operations = {.start = start, .serve = serve, .stop = stop};

static void console_backend_start(void)
{
    doorbell_register_system(&room_handler);
    for (uint32_t i = 0; i < channel_count && consoles_in_use < BULKHEAD_CONSOLES_MAX; i++) {
        struct console *console = &consoles[consoles_in_use];

        if (channels[i].device_id != VIRTIO_ID_CONSOLE)
            continue;
        consoles_in_use++;
        console->ring = channels[i].console;
        console->backend.owner = console;
        backend_attach(&console->backend, i, &operations, FEATURES, QUEUES, NULL, 0);
    }
}

MODULE(MODULE_BACKEND, console_backend, console_backend_start);
