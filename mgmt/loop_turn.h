/* SPDX-License-Identifier: Apache-2.0 */
/* The loop without its sleep: what loop_run() repeats, and tests drive step by step. */
#ifndef MGMT_LOOP_TURN_H
#define MGMT_LOOP_TURN_H

#include <mgmt/loop.h>

/* Runs every source that is pending and every timer that is due, once. True: more is pending already; else nothing has
 * to be done before `wake_ns` unless a source is signalled. */
bool loop_turn(uint64_t *wake_ns);
bool loop_pending(void); /* with interrupts masked: whether it is still so */

#endif
