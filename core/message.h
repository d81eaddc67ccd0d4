/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message-signalled interrupts of PCI functions; arch/<isa> implements it. What a guest writes into its MSI capability
 * or MSI-X table is its own message and never reaches the device: the kernel writes the physical one, and on arrival
 * the guest gets the interrupt that its own message stands for.
 */
#ifndef CORE_MESSAGE_H
#define CORE_MESSAGE_H

#include <core/vcpu.h>

struct message {
    uint64_t address;
    uint32_t data;
};

/* Boot CPU: the domain's function `requester` may send messages 0 to count - 1, which are counted in status->messages.
 * How many it gets, at most `count`; 0: none are left (a line said so). */
struct device_status;
uint32_t message_reserve(struct domain *domain, uint32_t requester, uint32_t count, struct device_status *status);
/*
 * A CPU of the domain, one caller a domain at a time (core/vpci.c's lock): message `index` is to raise in the domain what
 * `guest` means there; replaces what it was bound to. `physical` is what the device is to send for it. False: it means
 * nothing there; leave the entry masked. Masking is the caller's.
 */
bool message_bind(struct domain *domain, uint32_t requester, uint32_t index, struct message guest,
                  struct message *physical);
/* Likewise. What the device still sends for it raises nothing. Nothing happens if it is not bound. */
void message_unbind(struct domain *domain, uint32_t requester, uint32_t index);
/* CPU of vCPU 0, all vCPUs parked, the functions quiet: all messages of the domain are unbound. */
void message_reset(struct domain *domain);

#endif
