/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/partition.h>
#include <devices/virtio/backend.h>
#include <lib/hypercall.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/platform.h>
#include <string.h>

static struct backend *first_backend, **last_backend = &first_backend;

static const volatile struct channel_state *channel_state(const struct backend *backend)
{
    return (const volatile struct channel_state *)(platform_channel_page(backend->channel) + CHANNEL_STATE_OFFSET);
}

static uint32_t channel_status(const struct backend *backend)
{
    const volatile uint8_t *page = platform_channel_page(backend->channel);

    return __atomic_load_n((const volatile uint32_t *)(page + VIRTIO_MMIO_STATUS), __ATOMIC_ACQUIRE);
}

static const char *front_name(const struct backend *backend)
{
    return partitions[channels[backend->channel].front].name;
}

/* Stops the queues. `in_use` is set while the back-end still waits for buffers of the front-end. */
static void let_go(struct backend *backend)
{
    for (uint32_t i = 0; i < backend->queues; i++)
        virtqueue_stop(&backend->queue[i]);
    backend->waiting = 0;
    backend->stops++;
    backend->in_use = !backend->operations->stop(backend);
}

void backend_fail(struct backend *backend)
{
    if (backend->state != BACKEND_RUNNING)
        return;
    backend->state = BACKEND_BROKEN;
    backend->failures++;
    /* Less and less often: a guest that does nothing else must not push everything out of the log. */
    if ((backend->failures & (backend->failures - 1)) == 0)
        bulkhead_log("%s: virtio slot %u broken by its driver, time %llu", front_name(backend),
                     channels[backend->channel].slot, (unsigned long long)backend->failures);
    hypercall_channel_fail(backend->channel);
    let_go(backend);
}

void backend_wake(struct backend *backend, uint32_t queues)
{
    if (backend->state != BACKEND_RUNNING)
        return;
    backend->waiting |= queues;
    loop_signal(&backend->source);
}

static void begin(struct backend *backend, bool resume)
{
    const volatile struct channel_state *state = channel_state(backend);
    bool started = true;

    backend->generation = state->generation;
    backend->features = state->driver_features;
    backend->state = BACKEND_RUNNING;
    backend->starts++;
    for (uint32_t i = 0; i < backend->queues; i++) {
        struct channel_queue where = {
            .size = state->queue[i].size,
            .ready = state->queue[i].ready,
            .descriptors = state->queue[i].descriptors,
            .driver = state->queue[i].driver,
            .device = state->queue[i].device,
        };

        if (where.ready)
            started &= virtqueue_start(&backend->queue[i], &backend->grant, &where, backend->features, resume);
    }
    backend->operations->start(backend);
    if (!started || !(backend->features & VIRTIO_F_VERSION_1)) {
        backend_fail(backend);
        return;
    }
    backend_wake(backend, (1u << backend->queues) - 1);
}

static void look_at_status(struct backend *backend, bool resume)
{
    const volatile struct channel_state *state = channel_state(backend);
    uint32_t status = channel_status(backend);
    bool resetting = __atomic_load_n(&state->flags, __ATOMIC_ACQUIRE) & CHANNEL_RESETTING;

    if (resetting || state->generation != backend->generation) {
        if (backend->state == BACKEND_RUNNING)
            let_go(backend);
        backend->state = backend->in_use ? BACKEND_STOPPING : BACKEND_IDLE;
        if (resetting && !backend->in_use)
            hypercall_channel_reset_done(backend->channel);
        backend->generation = state->generation;
        status = channel_status(backend);
        resetting = __atomic_load_n(&state->flags, __ATOMIC_ACQUIRE) & CHANNEL_RESETTING;
    }
    if (backend->state == BACKEND_IDLE && !resetting && (status & VIRTIO_STATUS_DRIVER_OK) &&
        !(status & (VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED)))
        begin(backend, resume);
}

void backend_stopped(struct backend *backend)
{
    backend->in_use = false;
    look_at_status(backend, false);
}

static void serve(struct backend *backend)
{
    uint32_t queues = backend->waiting;
    bool broken = false;

    if (backend->state != BACKEND_RUNNING || queues == 0)
        return;
    backend->waiting = 0;
    if (backend->operations->serve(backend, queues))
        backend_wake(backend, queues);
    for (uint32_t i = 0; i < backend->queues; i++)
        broken |= backend->queue[i].broken;
    if (broken)
        backend_fail(backend);
}

static void run_source(struct loop_source *source)
{
    serve(source->owner);
}

static void ring(struct doorbell_handler *handler, uint32_t bits)
{
    struct backend *backend = handler->owner;

    backend->rings++;
    if (bits & DOORBELL_STATUS)
        look_at_status(backend, false);
    if (backend->state == BACKEND_RUNNING) {
        backend->waiting |= bits & ((1u << backend->queues) - 1);
        serve(backend);
    }
}

/* The configuration in pieces as large as a hypercall takes; the structure's fields are naturally aligned. */
static int64_t write_config(uint32_t channel, const uint8_t *config, uint32_t size)
{
    int64_t error = HC_OK;

    for (uint32_t offset = 0; offset < size && error == HC_OK;) {
        uint32_t width = size - offset >= 8 ? 8 : size - offset >= 4 ? 4 : size - offset >= 2 ? 2 : 1;
        uint64_t value = 0;

        memcpy(&value, config + offset, width);
        error = hypercall_channel_config(channel, offset, width, value);
        offset += width;
    }
    return error;
}

bool backend_attach(struct backend *backend, uint32_t channel, const struct backend_operations *operations,
                    uint64_t features, uint32_t queues, const void *config, uint32_t config_size)
{
    const struct platform_grant *grant = platform_grant(channels[channel].front);
    int64_t error;

    backend->channel = channel;
    backend->operations = operations;
    backend->queues = queues;
    backend->state = BACKEND_IDLE;
    backend->grant = (struct grant){.guest_base = grant->guest_base, .size = grant->size, .base = grant->local};
    backend->doorbell = (struct doorbell_handler){.ring = ring, .owner = backend};
    backend->source = (struct loop_source){.run = run_source, .owner = backend};
    if (!platform_channel_page(channel)) {
        bulkhead_log("%s: virtio slot %u has no register page", front_name(backend), channels[channel].slot);
        return false;
    }
    error = hypercall_channel_offer(channel, features, queues, BULKHEAD_QUEUE_SIZE_MAX);
    if (error == HC_OK)
        error = write_config(channel, config, config_size);
    if (error == HC_OK) {
        doorbell_register(channel, &backend->doorbell);
        error = hypercall_channel_attach(channel);
    }
    if (error != HC_OK) {
        bulkhead_log("%s: virtio slot %u refused (%d)", front_name(backend), channels[channel].slot, (int)error);
        return false;
    }
    *last_backend = backend;
    last_backend = &backend->next;
    backend->generation = channel_state(backend)->generation;
    look_at_status(backend, true);
    return true;
}

void backend_signal(struct backend *backend, struct virtqueue *queue)
{
    if (virtqueue_signal_wanted(queue))
        backend_interrupt(backend);
}

void backend_interrupt(struct backend *backend)
{
    hypercall_channel_signal(backend->channel, 1);
}

void backend_config_change(struct backend *backend, uint32_t offset, uint32_t width, uint64_t value)
{
    hypercall_channel_config(backend->channel, offset, width, value);
    if (backend->state == BACKEND_RUNNING)
        hypercall_channel_signal(backend->channel, 2);
}

struct backend *backend_next(const struct backend *backend)
{
    return backend ? backend->next : first_backend;
}
