/* SPDX-License-Identifier: Apache-2.0 */
/* Physical devices of a domain: "/serial@3f8" (COM1), "/rtc@70"; PCI functions are core/vpci.c's. */
#ifndef ARCH_PASSTHROUGH_H
#define ARCH_PASSTHROUGH_H

#include <core/vcpu.h>

/* Boot CPU: ports, registers and interrupts of what partition_config.devices names. */
void passthrough_init(struct domain *domain);
/* Boot CPU, after that and vpci_init(): the nodes of these devices and of the PCI host, into a tree that is being
 * written. */
void passthrough_describe(struct domain *domain, void *tree);
/* Any CPU: a physical interrupt from VECTOR_LINES on. */
void passthrough_interrupt(uint32_t vector);
/* Whether COM1 is the domain's. */
bool passthrough_owns_serial(const struct domain *domain);

#endif
