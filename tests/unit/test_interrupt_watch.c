// SPDX-License-Identifier: Apache-2.0
/* Interrupts that do not end: held back, their devices looked at, let go again. */
#include "tests/unit/fake_pci.h"
#include <mgmt/interrupt_watch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

// clang-format off
#include <cmocka.h>
// clang-format on

#define LINES 3u
#define MESSAGE 2u /* this one cannot be held back */

/* An interrupt controller, and devices whose lines stay up whatever their handlers do. */
static struct {
    struct interrupt_handler handler;
    struct loop_source source;
    bool up, enabled;
    uint32_t calls, served;
} line[LINES];

uint32_t model_read(uint32_t offset)
{
    (void)offset;
    return 0;
}
void model_write(uint32_t offset, uint32_t value)
{
    (void)offset, (void)value;
}

static void interrupted(struct interrupt_handler *handler)
{
    line[handler->id].calls++;
    loop_signal(&line[handler->id].source);
}

static void serve(struct loop_source *source)
{
    for (uint32_t i = 0; i < LINES; i++)
        line[i].served += source == &line[i].source;
}

bool interrupt_mask(void)
{
    return true;
}
void interrupt_restore(bool enabled)
{
    (void)enabled;
}
bool interrupt_enable(uint32_t id, bool enabled)
{
    if (id == MESSAGE)
        return false;
    line[id].enabled = enabled;
    return true;
}

/* What a CPU does with interrupts on: it comes to nothing else while a line is up. True: it gets on. */
static bool cpu(void)
{
    for (uint32_t count = 0; count < LINES * INTERRUPT_CALLS_MAX; count++) {
        uint32_t i = 0;

        while (i < LINES && !(line[i].up && line[i].enabled))
            i++;
        if (i == LINES)
            return true;
        interrupt_handle(&line[i].handler);
    }
    return false;
}

static void turn(uint64_t ns)
{
    interrupt_progress();
    fake_pass(ns);
    assert_true(cpu());
}

static int set_up(void **state)
{
    (void)state;
    fake_log_lines = 0;
    interrupt_progress();
    for (uint32_t i = 0; i < LINES; i++) {
        line[i].up = false;
        line[i].enabled = true;
        line[i].calls = line[i].served = 0;
        line[i].source.run = serve;
        line[i].handler.handle = interrupted;
        line[i].handler.id = i;
        line[i].handler.name = "device";
        line[i].handler.watch.storms = 0;
    }
    return 0;
}

/* As many as one likes, while the loop gets on. */
static void test_interrupts_that_end(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10 * INTERRUPT_CALLS_MAX; i++) {
        interrupt_handle(&line[0].handler);
        if (i % (INTERRUPT_CALLS_MAX - 1) == 0)
            interrupt_progress();
    }
    assert_true(line[0].enabled);
    assert_null(interrupt_trouble(NULL));
    assert_int_equal(fake_log_lines, 0);
}

static void test_a_line_that_stays_up(void **state)
{
    uint32_t calls, served;
    uint64_t began;

    (void)state;
    line[0].up = true;
    assert_true(cpu()); /* it ends */
    assert_false(line[0].enabled);
    assert_int_equal(line[0].calls, INTERRUPT_CALLS_MAX);
    assert_ptr_equal(interrupt_trouble(NULL), &line[0].handler);
    fake_run();
    assert_int_equal(fake_log_lines, 1);
    /* Its device is looked at meanwhile. */
    calls = line[0].calls;
    served = line[0].served;
    fake_pass(INTERRUPT_PAUSE_NS / 2);
    assert_in_range(line[0].calls - calls, INTERRUPT_PAUSE_NS / 2 / INTERRUPT_LOOK_NS / 2,
                    INTERRUPT_PAUSE_NS / 2 / INTERRUPT_LOOK_NS + 1);
    assert_int_equal(line[0].served - served, line[0].calls - calls);
    /* It is tried again, more and more rarely; that makes no more lines. */
    began = fake_now;
    while (fake_now - began < 100000000000u)
        turn(INTERRUPT_LOOK_NS);
    assert_in_range(line[0].handler.watch.storms, 100000000000u / INTERRUPT_PAUSE_MAX_NS, 30);
    assert_int_equal(fake_log_lines, 1);
    /* The line falls: it has to stay so for some time. */
    line[0].up = false;
    began = fake_now;
    while (fake_log_lines == 1)
        turn(INTERRUPT_LOOK_NS);
    assert_in_range(fake_now - began, INTERRUPT_TRIAL_NS, INTERRUPT_TRIAL_NS + 2ull * INTERRUPT_PAUSE_MAX_NS);
    assert_true(line[0].enabled);
    calls = line[0].calls;
    fake_pass(100000000000u);
    assert_int_equal(line[0].calls, calls); /* nobody looks any more */
    /* Again: the first pause is a short one. */
    line[0].up = true;
    assert_true(cpu());
    fake_run();
    assert_int_equal(fake_log_lines, 3);
    line[0].up = false;
    fake_pass(INTERRUPT_PAUSE_NS + INTERRUPT_LOOK_NS);
    assert_true(line[0].enabled);
    fake_pass(2 * (uint64_t)INTERRUPT_TRIAL_NS);
    assert_int_equal(fake_log_lines, 4);
}

/* One that comes in bursts does not fill the log. */
static void test_bursts(void **state)
{
    uint64_t began = fake_now;

    (void)state;
    while (fake_now - began < 100000000000u) {
        line[1].up = true;
        assert_true(cpu());
        line[1].up = false;
        turn(INTERRUPT_PAUSE_NS);
    }
    assert_in_range(fake_log_lines, 1, 2);
    fake_pass(20000000000u);
}

static void test_two_at_once(void **state)
{
    (void)state;
    line[0].up = line[1].up = true;
    assert_true(cpu());
    for (uint32_t i = 0; i < 5000; i++)
        turn(INTERRUPT_LOOK_NS);
    assert_int_equal(fake_log_lines, 2);
    assert_true(line[0].served > 3000 && line[1].served > 3000);
    line[0].up = line[1].up = false;
    fake_pass(20000000000u);
    assert_int_equal(fake_log_lines, 4);
    assert_true(line[0].enabled && line[1].enabled);
}

/* What cannot be held back goes on; nothing is claimed. */
static void test_a_message(void **state)
{
    (void)state;
    line[MESSAGE].up = true;
    assert_false(cpu());
    line[MESSAGE].up = false;
    fake_run();
    assert_int_equal(fake_log_lines, 0);
    assert_int_equal(line[MESSAGE].handler.watch.storms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_interrupts_that_end, set_up),
        cmocka_unit_test_setup(test_a_line_that_stays_up, set_up),
        cmocka_unit_test_setup(test_bursts, set_up),
        cmocka_unit_test_setup(test_two_at_once, set_up),
        cmocka_unit_test_setup(test_a_message, set_up),
    };

    fake_pci_reset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
