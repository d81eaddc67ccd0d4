// SPDX-License-Identifier: Apache-2.0
/* Issue 2, point 14: the supervisor's policy on a fake clock. */
#include <mgmt/supervisor.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fake_appliance.h"

#define LINUX1 1 /* restart: 5 in 600 s, back-off 1 s doubling up to 5 s */
#define LINUX2 2 /* stop, critical */

static struct fake_transport serial;

static int setup(void **state)
{
    (void)state;
    fake_reset();
    fake_open(&serial, SESSION_INTERACTIVE);
    fake_taken(&serial);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_close(&serial);
    return 0;
}

static const struct supervision_event *last_event(void)
{
    return &fake_status.event[fake_status.event_head % BULKHEAD_EVENTS_MAX];
}

#define assert_said(text)                                                                                              \
    do {                                                                                                               \
        const char *said = fake_taken(&serial);                                                                        \
        if (strstr(said, text) == NULL)                                                                                \
            fail_msg("wanted \"%s\", got \"%s\"", text, said);                                                         \
    } while (0)

static void a_crash_restarts_after_its_back_off(void **state)
{
    (void)state;
    fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_WATCHDOG, 0xffff8000);
    assert_said("\r\x1b[Kdomain linux1: ");
    assert_int_equal(last_event()->kind, EVENT_RESTART);
    assert_int_equal(last_event()->cause, CAUSE_WATCHDOG);
    assert_int_equal(last_event()->detail, 1000);
    assert_int_equal(supervisor_state(LINUX1).state, SUPERVISION_BACK_OFF);
    fake_run(999 * FAKE_MS);
    assert_int_equal(fake_control_count, 0);
    assert_int_equal(supervisor_state(LINUX1).restart_in_ns, FAKE_MS);
    fake_run(FAKE_MS);
    assert_int_equal(fake_control_count, 1);
    assert_int_equal(fake_controls[0].partition, LINUX1);
    assert_int_equal(fake_controls[0].operation, DOMAIN_OP_START);
    assert_int_equal(supervisor_state(LINUX1).state, SUPERVISION_NONE);
}

static void the_line_says_what_when_and_how_often(void **state)
{
    (void)state;
    fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_WATCHDOG, 0xffff8000);
    assert_said(" at 0xffff8000; restarting in 1 s (1 of 5)\r\nedge-1> ");
    fake_run(FAKE_S);
    fake_stop(LINUX1, DOMAIN_STOPPED, CAUSE_GUEST_RESET, 0);
    assert_said("; restarting in 2 s (2 of 5)\r\n");
}

static void back_off_doubles_up_to_its_limit_then_it_gives_up(void **state)
{
    static const unsigned seconds[] = {1, 2, 4, 5, 5};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0);
        fake_run(seconds[i] * FAKE_S - 1);
        assert_int_equal(fake_control_count, i);
        fake_run(1);
        assert_int_equal(fake_control_count, i + 1);
    }
    fake_taken(&serial);
    fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0);
    assert_said("5 restarts within 600 s are the limit");
    assert_int_equal(last_event()->kind, EVENT_GIVE_UP);
    assert_int_equal(last_event()->detail, 5);
    assert_int_equal(supervisor_state(LINUX1).state, SUPERVISION_GAVE_UP);
    fake_run(3600 * FAKE_S);
    assert_int_equal(fake_control_count, 5);
}

static void the_window_forgets(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_WATCHDOG, 0);
        fake_run(130 * FAKE_S); /* 4 to 5 in any 600 s */
        assert_int_equal(fake_control_count, i + 1);
        assert_true(supervisor_state(LINUX1).restarts <= 5);
    }
}

static void an_operator_starts_afresh(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0);
        fake_run(10 * FAKE_S);
    }
    assert_int_equal(supervisor_state(LINUX1).state, SUPERVISION_GAVE_UP);
    fake_type(&serial, "domain start linux1\r");
    assert_int_equal(fake_control_count, 6);
    assert_int_equal(supervisor_state(LINUX1).state, SUPERVISION_NONE);
    fake_taken(&serial);
    fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0);
    assert_said("restarting in 1 s (1 of 5)");
}

static void an_operator_may_cancel_a_restart(void **state)
{
    (void)state;
    fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0);
    fake_type(&serial, "domain stop linux1\r");
    assert_said("cancelled");
    fake_run(3600 * FAKE_S);
    assert_int_equal(fake_control_count, 0);
    supervisor_init(); /* nor does the next instance take it up */
    fake_run(3600 * FAKE_S);
    assert_int_equal(fake_control_count, 0);
}

static void power_off_and_request_stay_stopped(void **state)
{
    (void)state;
    fake_stop(LINUX1, DOMAIN_STOPPED, CAUSE_POWER_OFF, 0);
    assert_said("stays stopped");
    fake_start(LINUX1);
    fake_type(&serial, "domain stop linux1\r");
    assert_said("stopped on request");
    fake_run(3600 * FAKE_S);
    assert_int_equal(fake_control_count, 1); /* the stop itself */
    assert_int_equal(supervisor_state(LINUX1).state, SUPERVISION_NONE);
}

static void the_policy_may_be_to_stop(void **state)
{
    (void)state;
    fake_stop(LINUX2, DOMAIN_CRASHED, CAUSE_BAD_ACCESS, 0x12340000);
    assert_said("CRITICAL: domain linux2: ");
    assert_int_equal(last_event()->kind, EVENT_GIVE_UP);
    fake_run(3600 * FAKE_S);
    assert_int_equal(fake_control_count, 0);
}

static void a_bad_image_is_not_tried_again(void **state)
{
    (void)state;
    fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_BAD_IMAGE, 0);
    fake_run(3600 * FAKE_S);
    assert_int_equal(fake_control_count, 0);
    assert_int_equal(supervisor_state(LINUX1).state, SUPERVISION_GAVE_UP);
}

static void one_domain_does_not_count_for_another(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0);
        fake_run(10 * FAKE_S);
    }
    assert_int_equal(supervisor_state(LINUX2).state, SUPERVISION_NONE);
    assert_int_equal(supervisor_state(LINUX2).restarts, 0);
}

/* The management domain itself crashes, and is started again by the kernel. */

static void a_new_instance_goes_on_with_the_back_off(void **state)
{
    (void)state;
    fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0);
    fake_run(1 * FAKE_S);
    fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0); /* 2 s */
    fake_run(500 * FAKE_MS);
    supervisor_init();
    assert_int_equal(supervisor_state(LINUX1).state, SUPERVISION_BACK_OFF);
    assert_int_equal(supervisor_state(LINUX1).restarts, 2);
    fake_run(1499 * FAKE_MS);
    assert_int_equal(fake_control_count, 1);
    fake_run(2 * FAKE_MS);
    assert_int_equal(fake_control_count, 2);
    fake_taken(&serial);
    fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0);
    assert_said("restarting in 4 s (3 of 5)");
}

static void a_new_instance_handles_what_it_missed(void **state)
{
    struct domain_status *status = &fake_status.domain[LINUX1];

    (void)state;
    /* As fake_stop(), but nobody is told. */
    status->cause = CAUSE_WATCHDOG;
    status->stopped_ns = 17 * FAKE_S;
    status->state = DOMAIN_CRASHED;
    fake_run(60 * FAKE_S);
    fake_status.domain[0].starts = 2;
    supervisor_init();
    assert_said("the management domain was restarted");
    assert_int_equal(last_event()->kind, EVENT_RESTART);
    fake_run(FAKE_S);
    assert_int_equal(fake_control_count, 1);
}

static void a_new_instance_knows_the_limit(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0);
        fake_run(10 * FAKE_S);
    }
    uint64_t events = fake_status.event_head;
    supervisor_init();
    fake_run(3600 * FAKE_S);
    assert_int_equal(fake_control_count, 5);
    assert_int_equal(fake_status.event_head, events); /* and does not record it again */
    assert_int_equal(supervisor_state(LINUX1).state, SUPERVISION_GAVE_UP);
}

static void events_of_other_boots_do_not_count(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0);
        fake_run(10 * FAKE_S);
    }
    fake_status.boot++;
    supervisor_init();
    assert_int_equal(supervisor_state(LINUX1).restarts, 0);
}

static void a_refused_start_is_said(void **state)
{
    (void)state;
    fake_stop(LINUX1, DOMAIN_CRASHED, CAUSE_PANIC, 0);
    fake_control_result = HC_E_RANGE;
    fake_run(2 * FAKE_S);
    fake_taken(&serial);
    fake_type(&serial, "log\r");
    assert_said("domain linux1: the kernel refuses to start it (-2)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_crash_restarts_after_its_back_off, setup, teardown),
        cmocka_unit_test_setup_teardown(the_line_says_what_when_and_how_often, setup, teardown),
        cmocka_unit_test_setup_teardown(back_off_doubles_up_to_its_limit_then_it_gives_up, setup, teardown),
        cmocka_unit_test_setup_teardown(the_window_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(an_operator_starts_afresh, setup, teardown),
        cmocka_unit_test_setup_teardown(an_operator_may_cancel_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(power_off_and_request_stay_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(the_policy_may_be_to_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_image_is_not_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(one_domain_does_not_count_for_another, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_instance_goes_on_with_the_back_off, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_instance_handles_what_it_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_instance_knows_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(events_of_other_boots_do_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_start_is_said, setup, teardown),
    };

    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
