/* SPDX-License-Identifier: Apache-2.0 */
/* What pci.c, pci_place.c (or pci_placed.c) and pci_virtual.c have of each other. Boot CPU. */
#ifndef CORE_PCI_PARTS_H
#define CORE_PCI_PARTS_H

#include <core/pci.h>

/* Before functions are collected: buses have numbers. After it: BARs and bridges' windows have places. */
void pci_number(void);
void pci_place(void);
/* When all others have theirs: virtual functions. */
void pci_add_virtual(void);

/* A function by its requester ID, known or not: `config` only, until the next call. */
struct pci_function pci_look(uint32_t requester);
/* The bus's first function from `devfn` on; 256: there is none. */
uint32_t pci_next(uint32_t bus, uint32_t devfn);
bool pci_is_bridge(const struct pci_function *function);
void pci_write_bar(const struct pci_function *function, uint32_t at, const struct pci_bar *bar);

/* At its place by requester; NULL: there is no room. */
struct pci_function *pci_add(uint32_t requester);
void pci_silence(const struct pci_function *function);
/* The BARs whose registers begin at `at`; and those that are not where they may be are left out. */
void pci_read_bars(const struct pci_function *function, uint32_t at, struct pci_bar bars[PCI_BARS]);
void pci_check_bars(struct pci_function *function);
/* Where something begins that [base, base + size) runs into; or base + size. Not the function's own, nor the windows of
 * the bridges that lead to `bus`. */
uint64_t pci_obstacle(uint64_t base, uint64_t size, uint32_t bus, const struct pci_function *own);
void pci_wait_ns(uint64_t ns);

#define PCI_RESET_NS 100000000ull /* until a function answers again (6.6) */
#define SRIOV_CONTROL 0x08u

#endif
