/* SPDX-License-Identifier: Apache-2.0 */
/* <architecture>/entry_state.c: registers at the entry. */
#ifndef TESTS_GUESTS_START_STATE_H
#define TESTS_GUESTS_START_STATE_H

#include "support/guest.h"

/* What the kernel has written for the domain: its device tree, and what belongs to that. */
struct guest_memory entry_description(void);
void entry_registers(void);        /* checks that they are as new */
void entry_fill(uint64_t pattern); /* some that the next start is to be free of */

#endif
