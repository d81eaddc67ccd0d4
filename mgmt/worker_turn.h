/* SPDX-License-Identifier: Apache-2.0 */
/* The worker, as the loop's rest sees it. */
#ifndef MGMT_WORKER_TURN_H
#define MGMT_WORKER_TURN_H

#include <stdbool.h>

void worker_init(void);
/* Interrupts masked. Runs the worker until an interrupt or the end of a piece of work; false: it has nothing to do. */
bool worker_turn(void);

#endif
