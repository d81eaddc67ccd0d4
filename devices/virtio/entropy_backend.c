/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rng: random numbers for guests from a generator of its own (CTR_DRBG, NIST SP 800-90A), which takes its seeds
 * from the machine's entropy. A guest gets as much as its rate allows, so that it cannot keep this domain busy. Without
 * entropy a request simply waits.
 */
#include <bulkhead/partition.h>
#include <devices/virtio/backend.h>
#include <devices/virtio/entropy.h>
#include <mbedtls/ctr_drbg.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/module.h>
#include <string.h>

enum {
    SEED = MBEDTLS_CTR_DRBG_ENTROPY_LEN + MBEDTLS_CTR_DRBG_ENTROPY_NONCE_LEN,
    PIECE = 256,  /* bytes generated at a time */
    RATE = 16384, /* bytes that a guest gets in each period */
    SEGMENTS = 16,
    RESEED_BYTES = 1 << 20, /* output after which fresh entropy is mixed in */
};
#define PERIOD_NS 250000000ull
#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC)

struct entropy_device {
    struct backend backend;
    struct loop_timer timer; /* set while a request waits for the next period or for a seed */
    uint64_t period_ns;      /* when the current period began */
    uint32_t left;           /* bytes in it */
};

static struct entropy_device devices[BULKHEAD_PARTITIONS_MAX];
static uint32_t devices_in_use;

static mbedtls_ctr_drbg_context generator;
static bool generator_ready;
static uint64_t generated; /* since the last seed */
static uint8_t seed[SEED];
static uint32_t seed_length;

/* Gathers entropy; true once there is enough for a seed. */
static bool gather_seed(void)
{
    seed_length += (uint32_t)entropy_take(seed + seed_length, sizeof(seed) - seed_length);
    return seed_length == sizeof(seed);
}

static int give_seed(void *context, unsigned char *output, size_t length)
{
    (void)context;
    if (length > seed_length)
        return MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
    seed_length -= (uint32_t)length;
    memcpy(output, seed + seed_length, length);
    memset(seed + seed_length, 0, length);
    return 0;
}

/* Whether the generator may be used. */
static bool prepare(void)
{
    if (generator_ready && generated < RESEED_BYTES)
        return true;
    if (!gather_seed())
        return generator_ready; /* an old seed does until there is a new one */
    if (!generator_ready) {
        mbedtls_ctr_drbg_init(&generator);
        generator_ready = mbedtls_ctr_drbg_seed(&generator, give_seed, NULL, NULL, 0) == 0;
        mbedtls_ctr_drbg_set_reseed_interval(&generator, INT32_MAX); /* by the bytes, here */
    } else {
        mbedtls_ctr_drbg_reseed(&generator, NULL, 0);
    }
    generated = 0;
    return generator_ready;
}

/* Fills the request's buffers up to `limit` bytes; returns how many. */
static uint32_t fill(const struct virtqueue_chain *chain, const struct segment *segment, uint32_t limit)
{
    uint32_t length = chain->writable_bytes < limit ? chain->writable_bytes : limit, done = 0;

    while (done < length) {
        uint8_t bytes[PIECE];
        uint32_t piece = length - done < sizeof(bytes) ? length - done : sizeof(bytes);

        if (mbedtls_ctr_drbg_random(&generator, bytes, piece) != 0)
            break;
        done += (uint32_t)segments_write(segment + chain->readable, chain->writable, done, bytes, piece);
    }
    generated += done;
    return done;
}

static bool serve(struct backend *backend, uint32_t queues)
{
    struct entropy_device *device = backend->owner;
    struct virtqueue *queue = &backend->queue[0];
    struct segment segment[SEGMENTS];
    struct virtqueue_chain chain;
    uint64_t now = time_ns();

    (void)queues;
    if (now - device->period_ns >= PERIOD_NS) {
        device->period_ns = now;
        device->left = RATE;
    }
    virtqueue_notify_disable(queue);
    do {
        if (!prepare() || device->left == 0) {
            loop_timer_set(&device->timer, PERIOD_NS);
            break;
        }
        while (device->left) {
            enum virtqueue_result result = virtqueue_take(queue, &chain, segment, SEGMENTS);
            uint32_t written = 0;

            if (result == VIRTQUEUE_EMPTY)
                break;
            if (result == VIRTQUEUE_TAKEN)
                written = fill(&chain, segment, device->left);
            virtqueue_return(queue, chain.head, written);
            device->left -= written ? written : 1;
        }
        virtqueue_publish(queue);
    } while (device->left == 0 || virtqueue_notify_enable(queue));
    backend_signal(backend, queue);
    return false;
}

static void period_over(struct loop_timer *timer)
{
    struct entropy_device *device = timer->owner;

    backend_wake(&device->backend, 1);
}

static void start(struct backend *backend)
{
    (void)backend;
}

static bool stop(struct backend *backend)
{
    struct entropy_device *device = backend->owner;

    loop_timer_cancel(&device->timer);
    return true;
}

static const struct backend_operations operations = {.start = start, .serve = serve, .stop = stop};

static void entropy_backend_start(void)
{
    for (uint32_t i = 0; i < channel_count && devices_in_use < BULKHEAD_PARTITIONS_MAX; i++) {
        struct entropy_device *device = &devices[devices_in_use];

        if (channels[i].device_id != VIRTIO_ID_ENTROPY)
            continue;
        devices_in_use++;
        device->backend.owner = device;
        device->timer = (struct loop_timer){.run = period_over, .owner = device};
        backend_attach(&device->backend, i, &operations, FEATURES, 1, NULL, 0);
    }
    if (devices_in_use && !entropy_present())
        bulkhead_log("guests' entropy devices wait: this machine has no entropy source");
}

MODULE(MODULE_BACKEND, entropy_backend, entropy_backend_start);
