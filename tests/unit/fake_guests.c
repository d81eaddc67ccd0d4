/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_guests.h"
#include <bulkhead/management.h>
#include <bulkhead/partition.h>
#include <lib/hypercall.h>
#include <lib/segment.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/doorbell.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <mgmt/platform.h>
#include <stdlib.h>
#include <string.h>

const struct partition_config partitions[] = {{.name = "red"}, {.name = "green"}, {.name = "blue"}};
const uint32_t partition_count = GUESTS;
const struct channel_config channels[] = {
    {.device_id = VIRTIO_ID_NET, .front = 0},
    {.device_id = VIRTIO_ID_NET, .front = 1},
    {.device_id = VIRTIO_ID_NET, .front = 2},
};
const uint32_t channel_count = GUESTS;
const struct port_config ports[] = {
    {.channel = 0, .mac = {2, 0, 0, 0, 0, 1}},
    {.channel = 1, .mac = {2, 0, 0, 0, 0, 2}},
    {.channel = 2, .mac = {2, 0, 0, 0, 0, 3}},
};
const uint32_t port_count = GUESTS;

struct guest guests[GUESTS];
uint64_t guests_now_ns;
struct uplink_frame uplink_frames[64];
uint32_t uplink_count;

extern const struct module module_net_backend;

static struct platform_grant grants[GUESTS];
static _Alignas(4096) uint8_t pages[GUESTS][4096];
static struct doorbell_handler *handlers[GUESTS];
static struct loop_source *pending;
static struct loop_timer *timers;
static struct vswitch_port *uplink;

static struct channel_state *state_of(uint32_t guest)
{
    return (struct channel_state *)(pages[guest] + CHANNEL_STATE_OFFSET);
}

static void set_status(uint32_t guest, uint32_t status)
{
    memcpy(pages[guest] + VIRTIO_MMIO_STATUS, &status, sizeof(status));
}

static bool uplink_deliver(void *owner, const struct packet *packet)
{
    struct uplink_frame *frame = &uplink_frames[uplink_count % 64];

    (void)owner;
    uplink_count++;
    frame->length = packet->length;
    frame->offload = packet->offload;
    segments_read(packet->segment, packet->segments, 0, frame->bytes, sizeof(frame->bytes));
    return true;
}

static void uplink_flush(void *owner)
{
    (void)owner;
}

static const struct vswitch_port_operations uplink_operations = {.deliver = uplink_deliver, .flush = uplink_flush};

void uplink_input(const uint8_t *frame, uint32_t length)
{
    struct packet packet = {.length = length, .segments = 1};
    struct segment segment = {(void *)(uintptr_t)frame, length};

    packet.segment = &segment;
    memcpy(packet.head, frame, length < PACKET_HEAD ? length : PACKET_HEAD);
    vswitch_input(uplink, &packet);
    vswitch_flush();
}

static void start_once(void)
{
    for (uint32_t i = 0; i < GUESTS; i++) {
        guests[i].memory = malloc(GUEST_MEMORY);
        grants[i] = (struct platform_grant){.guest_base = GUEST_BASE, .size = GUEST_MEMORY, .local = guests[i].memory};
    }
    module_net_backend.start();
    uplink = vswitch_port_add(0, "uplink", NULL, &uplink_operations, NULL);
    vswitch_port_link(uplink, true);
}

void guests_begin(void)
{
    if (!uplink)
        start_once();
    for (uint32_t i = 0; i < GUESTS; i++) {
        guest_reset(i);
        guests[i] = (struct guest){.memory = guests[i].memory};
        memset(guests[i].memory, 0, GUEST_MEMORY);
    }
    guests_wait(1000000000);
    uplink_count = 0;
}

struct virtio_available *guest_available(uint32_t guest, uint32_t queue)
{
    return (struct virtio_available *)(guests[guest].memory + GUEST_AVAILABLE(queue));
}

struct virtio_used *guest_used(uint32_t guest, uint32_t queue)
{
    return (struct virtio_used *)(guests[guest].memory + GUEST_USED(queue));
}

void guest_describe(uint32_t guest, uint32_t table, uint32_t index, uint64_t address, uint32_t length, uint16_t flags,
                    uint16_t next)
{
    struct virtio_descriptor *descriptor = (struct virtio_descriptor *)(guests[guest].memory + table) + index;

    *descriptor = (struct virtio_descriptor){.address = address, .length = length, .flags = flags, .next = next};
}

void guest_offer(uint32_t guest, uint32_t queue, uint16_t head)
{
    struct virtio_available *available = guest_available(guest, queue);

    available->ring[available->index % GUEST_QUEUE_SIZE] = head;
    available->index++;
}

void guest_start(uint32_t guest, uint64_t features)
{
    struct channel_state *state = state_of(guest);

    state->driver_features = features;
    for (uint32_t q = 0; q < 2; q++)
        state->queue[q] = (struct channel_queue){
            .size = GUEST_QUEUE_SIZE,
            .ready = 1,
            .descriptors = GUEST_BASE + GUEST_DESCRIPTORS(q),
            .driver = GUEST_BASE + GUEST_AVAILABLE(q),
            .device = GUEST_BASE + GUEST_USED(q),
        };
    set_status(guest,
               VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
    guest_ring(guest, DOORBELL_STATUS);
}

void guest_reset(uint32_t guest)
{
    state_of(guest)->flags |= CHANNEL_RESETTING;
    guest_ring(guest, DOORBELL_STATUS);
}

void guest_ring(uint32_t guest, uint32_t bits)
{
    handlers[guest]->ring(handlers[guest], bits);
    guests_loop();
}

void guests_loop(void)
{
    while (pending) {
        struct loop_source *source = pending;

        pending = source->next;
        source->pending = false;
        source->run(source);
    }
}

void guests_wait(uint64_t ns)
{
    guests_now_ns += ns;
    for (struct loop_timer *timer = timers, *next; timer; timer = next) {
        next = timer->next;
        if (timer->deadline_ns > guests_now_ns)
            continue;
        loop_timer_cancel(timer);
        timer->run(timer);
    }
    guests_loop();
}

/* What the back-end calls. */

void loop_signal(struct loop_source *source)
{
    struct loop_source **last = &pending;

    if (source->pending)
        return;
    while (*last)
        last = &(*last)->next;
    source->pending = true;
    source->next = NULL;
    *last = source;
}

uint64_t time_ns(void)
{
    return guests_now_ns;
}

void loop_timer_set(struct loop_timer *timer, uint64_t after_ns)
{
    loop_timer_cancel(timer);
    timer->deadline_ns = guests_now_ns + after_ns;
    timer->next = timers;
    timers = timer;
}

void loop_timer_cancel(struct loop_timer *timer)
{
    struct loop_timer **at = &timers;

    while (*at && *at != timer)
        at = &(*at)->next;
    if (*at)
        *at = timer->next;
    timer->deadline_ns = 0;
}

void bulkhead_log(const char *format, ...)
{
    (void)format;
}

void doorbell_register(uint32_t channel, struct doorbell_handler *handler)
{
    handlers[channel] = handler;
}

const volatile uint8_t *platform_channel_page(uint32_t channel)
{
    return pages[channel];
}

const struct platform_grant *platform_grant(uint32_t partition)
{
    return &grants[partition];
}

int64_t hypercall_channel_offer(uint32_t channel, uint64_t features, uint32_t queues, uint32_t size)
{
    (void)channel, (void)features, (void)queues, (void)size;
    return HC_OK;
}

int64_t hypercall_channel_config(uint32_t channel, uint32_t offset, uint32_t width, uint64_t value)
{
    memcpy(pages[channel] + VIRTIO_MMIO_CONFIG + offset, &value, width);
    return HC_OK;
}

int64_t hypercall_channel_attach(uint32_t channel)
{
    state_of(channel)->flags |= CHANNEL_ATTACHED;
    return HC_OK;
}

int64_t hypercall_channel_signal(uint32_t channel, uint32_t bits)
{
    (void)bits;
    guests[channel].signals++;
    return HC_OK;
}

int64_t hypercall_channel_reset_done(uint32_t channel)
{
    guests[channel].reset_dones++;
    state_of(channel)->generation++;
    state_of(channel)->flags &= ~(uint32_t)CHANNEL_RESETTING;
    set_status(channel, 0);
    return HC_OK;
}

int64_t hypercall_channel_fail(uint32_t channel)
{
    guests[channel].fails++;
    set_status(channel, VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_DRIVER_OK);
    return HC_OK;
}
