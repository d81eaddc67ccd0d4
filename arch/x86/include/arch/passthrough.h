/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical devices of a domain: "/serial@3f8" (COM1), "/rtc@70", and "/pcie", all PCI functions behind the ECAM window,
 * with the messages by which they interrupt.
 */
#ifndef ARCH_PASSTHROUGH_H
#define ARCH_PASSTHROUGH_H

#include <core/vcpu.h>

/* Boot CPU: ports, registers and interrupts of what partition_config.devices names. */
void passthrough_init(struct domain *domain);
/* Any CPU, the domain's vCPUs parked: no device of it accesses memory or interrupts any more. */
void passthrough_reset(struct domain *domain);
/* Boot CPU, after passthrough_init(): the nodes of these devices, into a tree that is being written. */
void passthrough_describe(struct domain *domain, void *tree);
/* Any CPU: a physical interrupt from VECTOR_LINES or VECTOR_MESSAGES on. */
void passthrough_interrupt(uint32_t vector);
/* Whether COM1 is the domain's. */
bool passthrough_owns_serial(const struct domain *domain);

#endif
