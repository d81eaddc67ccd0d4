/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the virtio back-ends have in common: a channel's life from the offer over DRIVER_OK and reset to a driver that
 * broke the rules. A back-end supplies operations; its queues are started and stopped for it. Loop context.
 */
#ifndef DEVICES_VIRTIO_BACKEND_H
#define DEVICES_VIRTIO_BACKEND_H

#include <lib/virtqueue.h>
#include <mgmt/doorbell.h>
#include <mgmt/loop.h>

struct backend;

struct backend_operations {
    /* The driver is ready: DRIVER_OK stands, backend->features is final and the ready queues are started. */
    void (*start)(struct backend *backend);
    /* Serve the queues in the mask `queues`, a bounded amount of work; true: there is more, call again soon. Called
     * once with all queues after start(). */
    bool (*serve)(struct backend *backend, uint32_t queues);
    /* The front-end resets or its domain stops; the queues are stopped and nothing may touch the front-end's memory
     * after RESET_DONE. True: nothing is in use any more. False: backend_stopped() follows. Only after start(). */
    bool (*stop)(struct backend *backend);
};

enum backend_state {
    BACKEND_IDLE, /* no driver */
    BACKEND_RUNNING,
    BACKEND_BROKEN,   /* the driver broke the rules and has not reset since */
    BACKEND_STOPPING, /* waits for backend_stopped() */
};

struct backend {
    uint32_t channel;
    const struct backend_operations *operations;
    void *owner;
    uint64_t features; /* accepted by the driver */
    enum backend_state state;
    bool in_use;      /* stop() returned false, and backend_stopped() is still to come */
    uint32_t queues;  /* offered */
    uint32_t waiting; /* mask of queues to be served by the loop source */
    uint32_t generation;
    struct grant grant; /* the front-end's memory */
    struct virtqueue queue[BULKHEAD_QUEUES_MAX];
    struct doorbell_handler doorbell;
    struct loop_source source;
    struct backend *next;
    uint64_t starts, stops, failures, rings; /* counters */
};

/*
 * Offers a device on `channel` and attaches to it. `features`: device-specific and VIRTIO_F_ bits; `queues` of
 * BULKHEAD_QUEUE_SIZE_MAX; `config`: the device's configuration structure. A driver that is already running (this
 * domain restarted) is served on, from where it is. The backend lives for ever. False: the kernel refused; logged.
 */
bool backend_attach(struct backend *backend, uint32_t channel, const struct backend_operations *operations,
                    uint64_t features, uint32_t queues, const void *config, uint32_t config_size);

/* serve() is to be called soon for the queues in the mask; nothing happens while no driver runs. */
void backend_wake(struct backend *backend, uint32_t queues);
/* Interrupts the driver if it wants to know what was published on `queue`. */
void backend_signal(struct backend *backend, struct virtqueue *queue);
/* Interrupts the driver: used buffers. */
void backend_interrupt(struct backend *backend);
/* Changes `width` (1, 2, 4, 8) bytes of the configuration and tells the driver. */
void backend_config_change(struct backend *backend, uint32_t offset, uint32_t width, uint64_t value);
/* The driver broke a rule that the virtqueues do not know of. (A broken virtqueue is noticed after serve().) */
void backend_fail(struct backend *backend);
/* After stop() returned false: the last buffer is let go. */
void backend_stopped(struct backend *backend);

/* All attached back-ends, for listings: the first, or what follows. */
struct backend *backend_next(const struct backend *backend /* NULL: the first */);

#endif
