/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An appliance without a kernel, for tests of the shell and the supervisor: three domains (mgmt, linux1, linux2), their
 * status page and rings, a clock that only fake_run() moves, and hypercalls that are written down.
 */
#ifndef TESTS_UNIT_FAKE_APPLIANCE_H
#define TESTS_UNIT_FAKE_APPLIANCE_H

#include <bulkhead/hypercall.h>
#include <bulkhead/status.h>
#include <mgmt/session.h>
#include <mgmt/trial.h>
#include <storage/slots.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_MS 1000000ull
#define FAKE_S 1000000000ull

extern struct status_page fake_status;
extern bool fake_crowd; /* net and disk listings are long */
extern bool fake_no_state; /* there is no partition "state" */
extern struct slots fake_put; /* the slot record that was written last */
extern enum trial_state fake_trial;
extern const char *fake_refused; /* why the loader went by slot b; NULL: it did not */
extern struct work *fake_work; /* submitted to the worker */
void fake_work_do(void);
extern bool fake_watchdog; /* there is a hardware watchdog */

void fake_reset(void);
/* Runs signalled sources, and timers that are due, while `ns` pass. */
void fake_run(uint64_t ns);

/* The kernel's part: a stop with its event (and the doorbell), a start, bytes in a ring. */
void fake_stop(uint32_t partition, enum domain_state state, enum stop_cause cause, uint64_t detail);
void fake_start(uint32_t partition);
void fake_ring_write(uint32_t console, const void *data, size_t length);
void fake_log_write(const char *text);

/* What came by hypercall. */
struct fake_control {
    uint32_t partition;
    enum domain_operation operation;
    uint64_t at_ns;
};
extern struct fake_control fake_controls[256];
extern unsigned fake_control_count;
extern int64_t fake_control_result;
extern unsigned fake_resets, fake_power_offs;
extern char fake_console_input[4096]; /* of all consoles */
extern size_t fake_console_input_length;
extern uint32_t fake_console_room; /* bytes that the devices take */

/* A transport that keeps what it is given. */
struct fake_transport {
    struct session *session;
    char *text; /* NUL-terminated */
    size_t length, size;
    size_t room; /* what write() takes before it is full; SIZE_MAX: everything */
    unsigned closes, resumes;
    size_t pending_write; /* largest fill that was refused, for checks */
};
void fake_open(struct fake_transport *transport, enum session_mode mode);
void fake_open_serial(struct fake_transport *transport); /* asks for the password */
void fake_type(struct fake_transport *transport, const char *text); /* and lets the loop run */
/* The text since the last call; valid until the next. */
const char *fake_taken(struct fake_transport *transport);
void fake_close(struct fake_transport *transport);

#endif
