// SPDX-License-Identifier: Apache-2.0
/* x86: counts to nanoseconds and back (arch/x86/time_scale.h), on machines slow and fast, young and very old. */
#include <boot/x86/stage.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define YEAR_NS (31557600ull * NS_PER_S)

static const uint64_t frequencies[] = {20000000,   25000000,   999999999,  1000000000, 1000000001,
                                       2099997000, 2994375000, 3700000000, 5999999999, 10000000000};
static const uint64_t uptimes[] = {
    1, 2, 999, 1000001, NS_PER_S, 3600 * NS_PER_S, YEAR_NS, 10 * YEAR_NS + 7, 50 * YEAR_NS + 123456789};

/* Else an interrupt comes early, and again at once, until the time has come. */
static void a_deadline_is_never_early_and_hardly_late(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(frequencies) / sizeof(*frequencies); i++) {
        struct time_scale scale = time_scale(frequencies[i]);

        for (unsigned j = 0; j < sizeof(uptimes) / sizeof(*uptimes); j++)
            for (uint64_t ns = uptimes[j]; ns < uptimes[j] + 1000; ns++) {
                uint64_t count = scale_to_count(&scale, ns);

                assert_true(scale_to_ns(&scale, count) >= ns);
                if (count > 130)
                    assert_true(scale_to_ns(&scale, count - 130) <= ns);
            }
    }
}

/* Of a year, less than 2 us by rounding. */
static void time_passes_at_the_right_speed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(frequencies) / sizeof(*frequencies); i++) {
        struct time_scale scale = time_scale(frequencies[i]);
        uint64_t ns = scale_to_ns(&scale, frequencies[i] * 31557600);

        assert_true(ns <= YEAR_NS && ns > YEAR_NS - 2000);
    }
}

static void what_does_not_fit_is_never(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(frequencies) / sizeof(*frequencies); i++) {
        struct time_scale scale = time_scale(frequencies[i]);
        uint64_t count = scale_to_count(&scale, UINT64_MAX), ns = scale_to_ns(&scale, UINT64_MAX);

        assert_true(count > UINT64_MAX / 60);
        assert_true(frequencies[i] > 1000000000 || ns == UINT64_MAX);
        assert_true(frequencies[i] < 1000000001 || count == UINT64_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_is_never_early_and_hardly_late),
        cmocka_unit_test(time_passes_at_the_right_speed),
        cmocka_unit_test(what_does_not_fit_is_never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
