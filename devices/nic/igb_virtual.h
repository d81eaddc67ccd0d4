/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 82576's virtual functions, as its physical one sees them (datasheet 7.10 and 8.14): each has a pool of queues,
 * the address and VLAN that the configuration says and no others, and a mailbox by which its driver asks.
 */
#ifndef DEVICES_NIC_IGB_VIRTUAL_H
#define DEVICES_NIC_IGB_VIRTUAL_H

#include "intel.h"

#define IGB_ICR_MAILBOX 0x100u

/* How many are switched on: the physical function's own pool is the one behind theirs. */
uint32_t igb_virtual_count(const struct intel *nic);
/* After a reset, before the receiver runs: filters and pools. The functions wait for their drivers' first message. */
void igb_virtual_start(struct intel *nic);
/* ICR said IGB_ICR_MAILBOX: answers each of them once. */
void igb_virtual_attend(struct intel *nic);

#endif
