// SPDX-License-Identifier: Apache-2.0
#include "fake_front.h"
#include <lib/hypercall.h>
#include <mgmt/doorbell.h>
#include <mgmt/loop.h>
#include <mgmt/platform.h>
#include <stdlib.h>
#include <string.h>

struct front front;
uint8_t *front_memory;

static _Alignas(4096) uint8_t page[4096];
static struct platform_grant granted;
static struct doorbell_handler *doorbell;
static struct loop_source *pending;

void front_reset_all(void)
{
    free(front_memory);
    front_memory = calloc(1, FRONT_SIZE);
    granted = (struct platform_grant){.guest_base = FRONT_BASE, .size = FRONT_SIZE, .local = front_memory};
    front = (struct front){0};
    memset(page, 0, sizeof(page));
    doorbell = NULL;
    while (pending != NULL) {
        pending->pending = false;
        pending = pending->next;
    }
}

struct channel_state *front_state(void)
{
    return (struct channel_state *)(page + CHANNEL_STATE_OFFSET);
}

static void set_status(uint32_t status)
{
    memcpy(page + VIRTIO_MMIO_STATUS, &status, sizeof(status));
}

void front_start(uint64_t features)
{
    struct channel_state *state = front_state();

    state->driver_features = features;
    state->queue[0] = (struct channel_queue){
        .size = FRONT_QUEUE_SIZE,
        .ready = 1,
        .descriptors = FRONT_BASE + FRONT_DESCRIPTORS,
        .driver = FRONT_BASE + FRONT_AVAILABLE,
        .device = FRONT_BASE + FRONT_USED,
    };
    set_status(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
    front_ring(DOORBELL_STATUS);
}

bool front_stop(void)
{
    struct channel_state *state = front_state();
    uint32_t dones = front.reset_dones;

    state->flags |= CHANNEL_RESETTING;
    state->generation++;
    front_ring(DOORBELL_STATUS);
    return front.reset_dones != dones;
}

void front_ring(uint32_t bits)
{
    if (doorbell != NULL)
        doorbell->ring(doorbell, bits);
    front_loop();
}

void front_loop(void)
{
    while (pending != NULL) {
        struct loop_source *source = pending;

        pending = source->next;
        source->pending = false;
        source->run(source);
    }
}

struct virtio_descriptor *front_descriptor(uint32_t index)
{
    return (struct virtio_descriptor *)(front_memory + FRONT_DESCRIPTORS) + index;
}

struct virtio_available *front_available(void)
{
    return (struct virtio_available *)(front_memory + FRONT_AVAILABLE);
}

struct virtio_used *front_used(void)
{
    return (struct virtio_used *)(front_memory + FRONT_USED);
}

void front_describe(uint32_t index, uint64_t address, uint32_t length, uint16_t flags, uint16_t next)
{
    *front_descriptor(index) =
        (struct virtio_descriptor){.address = address, .length = length, .flags = flags, .next = next};
}

void front_offer(uint16_t head)
{
    struct virtio_available *available = front_available();

    available->ring[available->index % FRONT_QUEUE_SIZE] = head;
    available->index++;
}

/* What the back-end calls. */

void loop_signal(struct loop_source *source)
{
    struct loop_source **last = &pending;

    if (source->pending)
        return;
    while (*last != NULL)
        last = &(*last)->next;
    source->pending = true;
    source->next = NULL;
    *last = source;
}

void doorbell_register(uint32_t channel, struct doorbell_handler *handler)
{
    (void)channel;
    doorbell = handler;
}

const volatile uint8_t *platform_channel_page(uint32_t channel)
{
    return channel == 0 ? page : NULL;
}

const struct platform_grant *platform_grant(uint32_t partition)
{
    (void)partition;
    return &granted;
}

int64_t hypercall_channel_offer(uint32_t channel, uint64_t features, uint32_t queues, uint32_t size)
{
    (void)channel, (void)queues, (void)size;
    front.offers++;
    front.offered_features = features;
    return HC_OK;
}

int64_t hypercall_channel_config(uint32_t channel, uint32_t offset, uint32_t width, uint64_t value)
{
    (void)channel;
    if (offset > CHANNEL_CONFIG_SIZE || width > CHANNEL_CONFIG_SIZE - offset)
        return HC_E_RANGE;
    memcpy(front.config + offset, &value, width);
    return HC_OK;
}

int64_t hypercall_channel_attach(uint32_t channel)
{
    (void)channel;
    front.attaches++;
    front_state()->flags |= CHANNEL_ATTACHED;
    return HC_OK;
}

int64_t hypercall_channel_signal(uint32_t channel, uint32_t bits)
{
    (void)channel, (void)bits;
    front.signals++;
    return HC_OK;
}

int64_t hypercall_channel_reset_done(uint32_t channel)
{
    (void)channel;
    front.reset_dones++;
    front_state()->flags &= ~(uint32_t)CHANNEL_RESETTING;
    set_status(0);
    return HC_OK;
}

int64_t hypercall_channel_fail(uint32_t channel)
{
    (void)channel;
    front.fails++;
    set_status(VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_DRIVER_OK);
    return HC_OK;
}
