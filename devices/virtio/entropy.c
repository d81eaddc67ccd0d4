/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request at a time, for as much as the pool has room for, as long as less than READY_SIZE is there. The CPU's
 * generator, where there is one, is mixed in, and serves alone where there is no device. A source of the board's own
 * fills the pool where there is neither.
 */
#include <bulkhead/channel.h>
#include <devices/virtio/device.h>
#include <devices/virtio/entropy.h>
#include <mgmt/bulkhead_log.h>
#include <string.h>

#define POOL_SIZE 256u
#define READY_SIZE 64u
#define PAUSE_NS 10000000ull /* between two blocks of the board's own source, which take time */

static struct virtio_device *rng;
static struct driver_queue queue;
static struct loop_source used;
static struct loop_source *waiter;
static uint8_t request[POOL_SIZE]; /* the device's while it is asked */
static uint8_t pool[POOL_SIZE];
static uint32_t pool_length;
static bool asked;
static bool (*own_source)(uint8_t block[ENTROPY_BLOCK]); /* NULL: the board has none */

static void produce(struct loop_timer *timer);
static struct loop_timer producing = {.run = produce};

static bool cpu_has_random(void)
{
    uint64_t value;

    return cpu_random(&value);
}

static bool device_serves(void)
{
    return rng && !rng->failed;
}

static bool own_source_serves(void)
{
    return own_source && !device_serves() && !cpu_has_random();
}

static void wake(void)
{
    if (waiter && pool_length >= READY_SIZE) {
        loop_signal(waiter);
        waiter = NULL;
    }
}

static void produce(struct loop_timer *timer)
{
    uint8_t block[ENTROPY_BLOCK];
    bool enabled;

    if (!own_source_serves() || pool_length + sizeof block > POOL_SIZE)
        return;
    if (!own_source(block)) {
        bulkhead_log("the board's source of entropy gives none; it is not used any more");
        own_source = NULL;
        return;
    }
    enabled = interrupt_mask(); /* the worker takes too */
    memcpy(pool + pool_length, block, sizeof block);
    pool_length += sizeof block;
    interrupt_restore(enabled);
    memset(block, 0, sizeof block);
    wake();
    loop_timer_set(timer, PAUSE_NS);
}

static void produce_soon(struct loop_source *source)
{
    (void)source;
    if (!producing.deadline_ns)
        loop_timer_set(&producing, PAUSE_NS);
}
static struct loop_source low = {.run = produce_soon};

void entropy_add_source(bool (*source)(uint8_t block[ENTROPY_BLOCK]))
{
    own_source = source;
    loop_signal(&low);
}

static void ask(void)
{
    struct driver_segment segment = {request, POOL_SIZE - pool_length};

    if (!rng || rng->failed || asked || !driver_queue_add(&queue, &segment, 0, 1, request))
        return;
    asked = true;
    if (driver_queue_kick_needed(&queue))
        virtio_device_notify(rng, 0);
}

static void take(struct loop_source *source)
{
    uint32_t written;

    (void)source;
    if (driver_queue_take(&queue, &written)) {
        bool enabled = interrupt_mask(); /* the worker takes too */

        asked = false;
        memcpy(pool + pool_length, request, written); /* it has not grown since the request was made */
        pool_length += written;
        memset(request, 0, sizeof request);
        interrupt_restore(enabled);
        if (written == 0)
            virtio_device_fail(rng, "delivers no bytes");
    }
    if (queue.broken)
        virtio_device_fail(rng, "breaks its queue");
    if (pool_length < READY_SIZE)
        ask();
    if (driver_queue_interrupt_enable(&queue))
        loop_signal(&used);
    wake();
}

bool entropy_present(void)
{
    return device_serves() || cpu_has_random() || own_source;
}

size_t entropy_take(void *buffer, size_t length)
{
    uint8_t *to = buffer;
    size_t done = 0;
    bool enabled;

    if (!device_serves() && !own_source_serves()) {
        for (uint64_t value; done < length && cpu_random(&value); done += sizeof value)
            memcpy(to + done, &value, length - done < sizeof value ? length - done : sizeof value);
        return done < length ? done : length;
    }
    enabled = interrupt_mask();
    while (done < length && pool_length) {
        uint64_t value = 0;

        cpu_random(&value);
        to[done++] = pool[--pool_length] ^ (uint8_t)value;
        pool[pool_length] = 0;
    }
    interrupt_restore(enabled);
    if (pool_length < READY_SIZE)
        loop_signal(device_serves() ? &used : &low);
    return done;
}

void entropy_when_ready(struct loop_source *source)
{
    if (!device_serves() && cpu_has_random()) {
        loop_signal(source);
        return;
    }
    waiter = source;
    if (rng)
        loop_signal(&used);
    wake();
}

void virtio_entropy_probe(struct virtio_device *device)
{
    if (rng || !virtio_device_begin(device, VIRTIO_F_EVENT_IDX) || !virtio_device_queue(device, 0, 8, &queue))
        return;
    used.run = take;
    if (!virtio_device_ready(device, &used))
        return;
    rng = device;
    ask();
}
