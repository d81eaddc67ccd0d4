// SPDX-License-Identifier: Apache-2.0
/* Seeds for domains: none without entropy, never the same twice, and nothing of the pool in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <core/arch.h>
#include <core/deadline.h>
#include <core/seed.h>

static uint8_t digests[64][SEED_SIZE]; /* all that were made, in their order */
static unsigned digest_count;

uint64_t time_ns(void)
{
    return 1; /* a clock that stands still must not make seeds equal */
}

/* No hash to trust, but every byte of the input counts. */
void digest_sha256(const void *data, size_t length, uint8_t digest[32])
{
    const uint8_t *bytes = data;
    uint64_t state = 0xcbf29ce484222325u;

    for (size_t i = 0; i < length; i++)
        state = (state ^ bytes[i]) * 0x100000001b3u;
    for (unsigned i = 0; i < SEED_SIZE; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        digest[i] = (uint8_t)(state >> 56);
    }
    memcpy(digests[digest_count++ % 64], digest, SEED_SIZE);
}

static void none_before_there_is_entropy_enough(void **state)
{
    uint8_t entropy[SEED_SIZE] = {1, 2, 3};

    (void)state;
    assert_false(seed_available());
    seed_add(entropy, 8);
    assert_false(seed_available());
    seed_add(entropy, SEED_SIZE - 8);
    assert_true(seed_available());
}

static void no_two_are_equal_and_none_is_the_pool(void **state)
{
    uint8_t seed[16][SEED_SIZE];

    (void)state;
    digest_count = 0;
    for (unsigned i = 0; i < 16; i++)
        seed_take(seed[i]);
    assert_int_equal(digest_count, 32); /* the seed, and the pool's step */
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(seed[i], seed[j], SEED_SIZE);
        assert_memory_equal(seed[i], digests[2 * i], SEED_SIZE);
        assert_memory_not_equal(seed[i], digests[2 * i + 1], SEED_SIZE);
    }
}

static void what_is_added_changes_what_follows(void **state)
{
    uint8_t before[SEED_SIZE], after[SEED_SIZE], more[40] = {9};

    (void)state;
    seed_take(before);
    digest_count = 0;
    seed_add(more, sizeof(more)); /* two parts */
    assert_int_equal(digest_count, 2);
    seed_take(after);
    assert_memory_not_equal(before, after, SEED_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_before_there_is_entropy_enough),
        cmocka_unit_test(no_two_are_equal_and_none_is_the_pool),
        cmocka_unit_test(what_is_added_changes_what_follows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
