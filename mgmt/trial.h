/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows a start: an update on trial is confirmed once the appliance is healthy, and given up when its time is
 * over; a confirmed version raises the lowest one that may run. Loop context.
 */
#ifndef MGMT_TRIAL_H
#define MGMT_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

enum trial_state {
    TRIAL_LOOKING,   /* at the disk */
    TRIAL_NONE,      /* what runs is confirmed, or there are no slots */
    TRIAL_ON,        /* waits for health or for its time to be over */
    TRIAL_CONFIRMED, /* since this start */
    TRIAL_OVER,      /* not healthy in time, or an operator's word: the other slot is next */
};
enum trial_state trial_state(void);
/* Why it is not healthy yet, for people; "" when it is. */
const char *trial_waits_for(void);
/* An operator's word, also of what was given up and still runs. False: there is nothing to confirm. */
bool trial_confirm(void);

#endif
