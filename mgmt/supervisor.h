/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: what follows when a domain crashes, resets itself or powers off, as the partition's policy says
 * (policies[] of management.h). The kernel performs; this decides, records why (HC_EVENT) and tells every session.
 *
 * It keeps nothing that a restart of the management domain would lose: what was decided is read back from the events in
 * the status page, so a back-off that was running goes on and a limit keeps counting. Loop context.
 */
#ifndef MGMT_SUPERVISOR_H
#define MGMT_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

/* Once, when the status page is there: resumes, and handles what happened while the management domain was down. */
void supervisor_init(void);
/* DOORBELL_DOMAIN: a domain's state changed. */
void supervisor_domain_changed(void);

enum supervision {
    SUPERVISION_NONE,     /* nothing is waiting */
    SUPERVISION_BACK_OFF, /* a restart waits for its time */
    SUPERVISION_GAVE_UP,  /* the limit was reached; only an operator starts it again */
};
struct supervision_state {
    enum supervision state;
    uint64_t restart_in_ns; /* SUPERVISION_BACK_OFF */
    uint32_t restarts;      /* within the policy's window */
};
struct supervision_state supervisor_state(uint32_t partition);

/* An operator decides about this domain: forgets a waiting restart and a limit that was reached. */
void supervisor_operator_decides(uint32_t partition);

#endif
