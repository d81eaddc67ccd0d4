/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop with a clock of the test's: who runs, in which order, and when it may sleep (issue 2, point 9). */
#include <lib/native.h>
#include <mgmt/loop_turn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static uint64_t now = 1000;
static char trace[64];
static bool masked;

uint64_t time_ns(void)
{
    return now;
}

bool interrupt_mask(void)
{
    bool enabled = !masked;

    masked = true;
    return enabled;
}

void interrupt_restore(bool enabled)
{
    if (enabled)
        masked = false;
}

static void note(void *owner)
{
    strcat(trace, owner);
}
static void run_source(struct loop_source *source)
{
    note(source->owner);
}
static void run_timer(struct loop_timer *timer)
{
    note(timer->owner);
}

static void sources_run_once_in_the_order_they_came(void **state)
{
    struct loop_source a = {run_source, "a", NULL, false}, b = {run_source, "b", NULL, false};
    uint64_t wake;

    (void)state;
    trace[0] = 0;
    loop_signal(&b);
    loop_signal(&a);
    loop_signal(&b);
    assert_true(loop_pending());
    assert_false(loop_turn(&wake));
    assert_string_equal(trace, "ba");
    assert_int_equal(wake, UINT64_MAX);
    assert_false(loop_turn(&wake));
    assert_string_equal(trace, "ba");
    assert_false(masked);
}

static struct loop_source other = {run_source, "o", NULL, false};

static void run_again(struct loop_source *source)
{
    note(source->owner);
    loop_signal(source);
    loop_signal(&other);
}

static void a_source_that_never_ends_lets_the_others_run(void **state)
{
    struct loop_source busy = {run_again, "b", NULL, false};
    uint64_t wake;

    (void)state;
    trace[0] = 0;
    loop_signal(&busy);
    for (int i = 0; i < 3; i++)
        assert_true(loop_turn(&wake));
    assert_string_equal(trace, "bbob");
    busy.run = run_source;
    assert_false(loop_turn(&wake));
}

static void timers_run_by_deadline_and_not_before(void **state)
{
    struct loop_timer a = {.run = run_timer, .owner = "a"}, b = {.run = run_timer, .owner = "b"};
    struct loop_timer c = {.run = run_timer, .owner = "c"};
    uint64_t wake;

    (void)state;
    trace[0] = 0;
    loop_timer_set(&a, 300);
    loop_timer_set(&b, 100);
    loop_timer_set(&c, 200);
    assert_false(loop_turn(&wake));
    assert_int_equal(wake, now + 100);
    now += 99;
    assert_false(loop_turn(&wake));
    assert_string_equal(trace, "");
    now += 1;
    assert_false(loop_turn(&wake));
    assert_string_equal(trace, "b");
    loop_timer_cancel(&c);
    loop_timer_cancel(&c);
    loop_timer_set(&a, 50); /* armed anew: earlier */
    assert_false(loop_turn(&wake));
    assert_int_equal(wake, now + 50);
    now += 5000;
    assert_false(loop_turn(&wake));
    assert_string_equal(trace, "ba");
    assert_int_equal(wake, UINT64_MAX);
    assert_int_equal(a.deadline_ns, 0);
}

static void run_tick(struct loop_timer *timer)
{
    note(timer->owner);
    if (strlen(trace) < 5)
        loop_timer_set(timer, 10);
}

static void a_timer_may_set_itself(void **state)
{
    struct loop_timer tick = {.run = run_tick, .owner = "t"};
    uint64_t wake;

    (void)state;
    trace[0] = 0;
    loop_timer_set(&tick, 10);
    for (int i = 0; i < 10; i++) {
        now += 10;
        loop_turn(&wake);
    }
    assert_string_equal(trace, "ttttt");
}

static void the_end_of_time_does_not_overflow(void **state)
{
    struct loop_timer late = {.run = run_timer, .owner = "l"};
    uint64_t wake;

    (void)state;
    trace[0] = 0;
    loop_timer_set(&late, UINT64_MAX);
    assert_false(loop_turn(&wake));
    assert_int_equal(wake, UINT64_MAX);
    assert_string_equal(trace, "");
    loop_timer_cancel(&late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_run_once_in_the_order_they_came),
        cmocka_unit_test(a_source_that_never_ends_lets_the_others_run),
        cmocka_unit_test(timers_run_by_deadline_and_not_before),
        cmocka_unit_test(a_timer_may_set_itself),
        cmocka_unit_test(the_end_of_time_does_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
