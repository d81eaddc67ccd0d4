/* SPDX-License-Identifier: Apache-2.0 */
/* Physical devices of a domain: their registers, interrupts, and how they are quietened. */
#ifndef ARCH_PASSTHROUGH_H
#define ARCH_PASSTHROUGH_H

#include <core/vcpu.h>

/* Boot CPU: maps and links what partition_config.devices names. */
void passthrough_init(struct domain *domain);
/* Any CPU, the domain's vCPUs parked: no device of it accesses memory or interrupts any more. */
void passthrough_reset(struct domain *domain);
/* Boot CPU, after passthrough_init(): calls `each` for every device, with its node in the host's tree. */
void passthrough_each(struct domain *domain, void (*each)(int node, void *context), void *context);
/* Boot CPU: INTx number `index` of the domain's PCI functions: which line it is for which device of the domain's bus.
 * False: it has no more. */
bool passthrough_pci_line(const struct domain *domain, uint32_t index, uint32_t *slot, uint32_t *line);

#endif
