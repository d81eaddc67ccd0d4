/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual PCI host of a domain that has PCI functions. Configuration space is emulated behind a trapped ECAM window
 * and a table of what may be read and written; BARs stand at fixed addresses and are mapped, but for the pages of an
 * MSI-X table, which trap.
 *
 * A guest sees its i-th function as device i + 1 of bus 0, its ECAM at GUEST_PCI_ECAM, and all BARs in GUEST_PCI_WINDOW.
 * The management domain sees the machine's own addresses (ipa == hpa) and numbers, without bridges.
 */
#ifndef CORE_VPCI_H
#define CORE_VPCI_H

#include <core/pci.h>
#include <core/vcpu.h>

/* Boot CPU, after pci_init() and iommu_init(), before the domains are built: every function gets its owner. One line for
 * each thing that is not as configured. */
void vpci_claim(void);
/* Boot CPU, while the domain is built, stage 2 created: its host and functions. False: it cannot have what its
 * configuration promises (a line said why). */
bool vpci_init(struct domain *domain);
/* CPU of vCPU 0, all vCPUs parked: no function of it accesses memory or interrupts any more, all are reset. May be called
 * again. */
void vpci_reset(struct domain *domain);
/* CPU of vCPU 0, before its vCPUs run: what firmware has left in its functions is gone, before the first start too. */
void vpci_start(struct domain *domain);

/* INTx, where a function has no messages. A level: the function is told to be silent while it waits for its guest, which
 * vpci_line_end() is for. CPU of vCPU 0: the machine's line has risen; any CPU of the domain: the guest has ended the
 * interrupt of that line. */
void vpci_interrupt(struct domain *domain);
void vpci_line_end(struct domain *domain, uint32_t line);

/* For the description of its machine. */
struct vpci_host {
    uint32_t functions;  /* 0: the domain has no PCI */
    struct ipa ecam;     /* of bus 0 */
    uint32_t buses;      /* from 0 on */
    struct ipa window;   /* all BARs lie in it; the management domain's lie anywhere: size 0 */
    uint64_t window_size;
    uint32_t messages;   /* that its functions can send in all */
};
struct vpci_host vpci_host(const struct domain *domain);

#endif
