/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts that do not end. A handler quietens its device until the loop has looked at it, so between two turns of
 * the loop a device interrupts a few times at the most. One that does so hundreds of times holds its line up whatever
 * its registers are told, and would have this domain's CPU for ever. Its interrupt is then held back for a pause, which
 * grows as long as that goes on; meanwhile its handler is called by a timer, so that the device works, slowly.
 */
#ifndef MGMT_INTERRUPT_WATCH_H
#define MGMT_INTERRUPT_WATCH_H

#include <lib/native.h>

#define INTERRUPT_CALLS_MAX 500u           /* between two turns of the loop; more do not end */
#define INTERRUPT_LOOK_NS 4000000u         /* while it is held back: how often its device is looked at */
#define INTERRUPT_PAUSE_NS 100000000u      /* the first; the next ones are twice as long each, */
#define INTERRUPT_PAUSE_MAX_NS 6400000000u /* up to this */
#define INTERRUPT_TRIAL_NS 10000000000u    /* so long without trouble, and it is over */

/* loop_run(), in each turn: the loop gets on. */
void interrupt_progress(void);

/* Loop context: the handlers that were ever held back, the last one first; NULL: no more. `watch.storms` counts how
 * often. */
const struct interrupt_handler *interrupt_trouble(const struct interrupt_handler *before /* NULL: from the start */);

#endif
