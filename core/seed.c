// SPDX-License-Identifier: Apache-2.0
#include <core/seed.h>

#include <core/arch.h>
#include <core/deadline.h>
#include <core/spinlock.h>
#include <string.h>

/* What is hashed: the pool, and what tells one use of it from another. */
enum purpose {
    PURPOSE_ADD = 1,
    PURPOSE_SEED,
    PURPOSE_STEP,
};
static struct {
    uint8_t pool[SEED_SIZE], input[SEED_SIZE];
    uint64_t purpose, taken, now;
} state;
static struct spinlock lock;
static size_t added;

static void digest(enum purpose purpose, uint8_t result[SEED_SIZE])
{
    uint8_t value[SEED_SIZE];

    state.purpose = purpose;
    state.now = time_ns();
    digest_sha256(&state, sizeof(state), value);
    memcpy(result, value, sizeof(value));
}

void seed_add(const void *entropy, size_t length)
{
    const uint8_t *bytes = entropy;

    added += length;
    while (length > 0) {
        size_t part = length < SEED_SIZE ? length : SEED_SIZE;

        memset(state.input, 0, sizeof(state.input));
        memcpy(state.input, bytes, part);
        digest(PURPOSE_ADD, state.pool);
        bytes += part;
        length -= part;
    }
    memset(state.input, 0, sizeof(state.input));
}

bool seed_available(void)
{
    return added >= SEED_SIZE;
}

void seed_take(uint8_t seed[SEED_SIZE])
{
    spinlock_acquire(&lock);
    state.taken++;
    digest(PURPOSE_SEED, seed);
    digest(PURPOSE_STEP, state.pool);
    spinlock_release(&lock);
}
