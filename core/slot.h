/* SPDX-License-Identifier: Apache-2.0 */
/* The boot slot that kernel and bundle came from, as far as the boot chain knows slots. */
#ifndef CORE_SLOT_H
#define CORE_SLOT_H

/* Boot CPU: this slot's bundle is refused, the log says why. Resets the machine once that could be read: a slot on
 * trial has no try left then, and the other one boots. */
void slot_refused(void);

#endif
