/* SPDX-License-Identifier: Apache-2.0 */
/* Entropy from the timing of memory: what varies is taken, what only seems to is not. */
#include "devices/entropy/timing.c"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static enum { NOTHING, TWO_VALUES, PERIOD, RARELY, NOISE, LITTLE_NOISE } how;
static uint64_t now, random_state;
static uint32_t looks;

static uint32_t noise(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 24);
}

uint64_t counter_read(void)
{
    looks++;
    switch (how) {
    case NOTHING:
        return now += 40;
    case TWO_VALUES:
        return now += 40 + looks % 2;
    case PERIOD: /* a clock against another one, for instance */
        return now += 40 + looks % 29 * 7;
    case RARELY:
        return now += 40 + (noise() % 64 == 0);
    case NOISE:
        return now += 40 + noise() % 64;
    case LITTLE_NOISE:
        return now += 40 + noise() % 3;
    }
    return 0;
}

static bool (*source)(uint8_t block[ENTROPY_BLOCK]);
void entropy_add_source(bool (*added)(uint8_t block[ENTROPY_BLOCK]))
{
    source = added;
}
void bulkhead_log(const char *format, ...)
{
    (void)format;
}

/* mbedTLS' */
void mbedtls_platform_zeroize(void *buffer, size_t size);
void mbedtls_platform_zeroize(void *buffer, size_t size)
{
    memset(buffer, 0, size);
}

static bool gives(int kind, uint8_t block[ENTROPY_BLOCK])
{
    how = kind;
    looks = 0;
    return source(block);
}

static void test_what_can_be_foretold(void **state)
{
    uint8_t block[ENTROPY_BLOCK];

    (void)state;
    timing_start();
    assert_false(gives(NOTHING, block));
    assert_false(gives(TWO_VALUES, block));
    assert_false(gives(PERIOD, block));
    assert_false(gives(RARELY, block));
    assert_true(looks <= ROUNDS_MAX * (SAMPLES + 1));
}

static void test_noise(void **state)
{
    uint8_t first[ENTROPY_BLOCK], second[ENTROPY_BLOCK];
    uint32_t much;

    (void)state;
    timing_start();
    random_state = 88172645463325252ull;
    assert_true(gives(NOISE, first));
    much = looks;
    assert_true(gives(NOISE, second));
    assert_memory_not_equal(first, second, sizeof first);
    assert_true(gives(LITTLE_NOISE, second));
    assert_true(looks > much); /* it takes more of it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_can_be_foretold),
        cmocka_unit_test(test_noise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
