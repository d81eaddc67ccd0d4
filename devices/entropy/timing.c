/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entropy from how long memory takes, for boards whose machine has no generator: each sample is the time of a few reads
 * that are not in the caches, by the system counter. They meet refreshes, other CPUs and devices.
 *
 * What a round of samples is worth is measured before it counts, as NIST SP 800-90B would have it for the commonest
 * value (6.3.1) and for values that come back after so many samples (6.3.8, simplified), and divided by four. Where
 * nothing varies, as on an emulator that counts instructions, it gives nothing. The log says once what a round was
 * worth.
 */
#include <devices/virtio/entropy.h>
#include <lib/native.h>
#include <mbedtls/sha256.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/module.h>
#include <string.h>

#define SAMPLES 1024u
#define ROUNDS_MAX 64u
#define READS 4u
#define LAGS 32u
#define WANTED_BITS (ENTROPY_BLOCK * 8u + 64u) /* of its own; SP 800-90B, 3.1.5.1.2 */
#define SAFETY 4u
#define QUARTERS 4u /* entropy is counted in quarters of a bit a sample */

static uint8_t field[1u << 18] __attribute__((aligned(64)));
static uint8_t sample[SAMPLES];
static uint8_t state[32];

static void take_samples(void)
{
    static uint32_t place = 1;
    uint64_t before = counter_read();

    for (uint32_t i = 0; i < SAMPLES; i++) {
        uint64_t after;

        for (uint32_t read = 0; read < READS; read++) {
            volatile uint8_t *at = &field[place % sizeof field];

            memory_discard(at, 1);
            place = (place + *at) * 1664525u + 1013904223u; /* all over it; the next one waits for this one */
        }
        after = counter_read();
        sample[i] = (uint8_t)(after - before);
        before = after;
    }
}

static uint32_t square_root(uint32_t value)
{
    uint32_t root = 0;

    while ((root + 1) * (root + 1) <= value)
        root++;
    return root;
}

/* Of all samples `count` (at least one) could be foretold in one way: quarters of a bit in each, rounded down. */
static uint32_t worth(uint32_t count)
{
    uint64_t ratio;

    count += 3 * square_root(count); /* what it might be with bad luck */
    if (count >= SAMPLES)
        return 0;
    ratio = (SAMPLES << 5) / count;
    return 63 - (uint32_t)__builtin_clzll(ratio * ratio * ratio * ratio) - QUARTERS * 5;
}

static uint32_t assess(void)
{
    uint32_t count[256] = {0}, most = 1;

    for (uint32_t i = 0; i < SAMPLES; i++)
        if (++count[sample[i]] > most)
            most = count[sample[i]];
    for (uint32_t lag = 1; lag <= LAGS; lag++) {
        uint32_t same = 0;

        for (uint32_t i = lag; i < SAMPLES; i++)
            same += sample[i] == sample[i - lag];
        if (same > most)
            most = same;
    }
    return worth(most);
}

/* A hash of the state, another one for each purpose. */
static void derive(uint8_t purpose, uint8_t result[32])
{
    uint8_t input[sizeof state + 1];

    memcpy(input, state, sizeof state);
    input[sizeof state] = purpose;
    mbedtls_sha256(input, sizeof input, result, 0);
    memset(input, 0, sizeof input);
}

static bool produce(uint8_t block[ENTROPY_BLOCK])
{
    static bool said;
    uint32_t bits = 0;

    for (uint32_t round = 0; round < ROUNDS_MAX && bits < WANTED_BITS; round++) {
        mbedtls_sha256_context context;
        uint32_t quarters;

        take_samples();
        quarters = assess();
        bits += SAMPLES * quarters / QUARTERS / SAFETY;
        mbedtls_sha256_init(&context);
        mbedtls_sha256_starts(&context, 0);
        mbedtls_sha256_update(&context, state, sizeof state);
        mbedtls_sha256_update(&context, sample, sizeof sample);
        mbedtls_sha256_finish(&context, state);
        mbedtls_sha256_free(&context);
        if (!said)
            bulkhead_log("entropy from the timing of memory: %u/4 bits a sample are measured, a quarter of that counts",
                         quarters);
        said = true;
    }
    if (bits < WANTED_BITS)
        return false;
    memset(sample, 0, sizeof sample);
    /* Neither what is handed out nor what is kept says anything of the other. */
    derive(1, block);
    derive(2, state);
    return true;
}

static void timing_start(void)
{
    entropy_add_source(produce);
}
MODULE(MODULE_DEVICE, timing, timing_start);
