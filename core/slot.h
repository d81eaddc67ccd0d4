/* SPDX-License-Identifier: Apache-2.0 */
/* The boot slot that kernel and bundle came from, as far as the boot chain knows slots. */
#ifndef CORE_SLOT_H
#define CORE_SLOT_H

#include <stdint.h>

/* The oldest version of a bundle that this machine still takes, by a store that never goes back. 0: none is known here. */
uint32_t slot_version_minimum(void);
/* Boot CPU: this slot's bundle is refused, the log says why. Resets the machine once that could be read: a slot on trial
 * has no try left then, and the other one boots. */
void slot_refused(void);

#endif
