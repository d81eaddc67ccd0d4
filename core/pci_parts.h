/* SPDX-License-Identifier: Apache-2.0 */
/* What pci.c and pci_place.c (or pci_placed.c) have of each other. Boot CPU. */
#ifndef CORE_PCI_PARTS_H
#define CORE_PCI_PARTS_H

#include <core/pci.h>

/* Before functions are collected: buses have numbers. After it: BARs and bridges' windows have places. */
void pci_number(void);
void pci_place(void);

/* A function by its requester ID, known or not: `config` only, until the next call. */
struct pci_function pci_look(uint32_t requester);
/* The bus's first function from `devfn` on; 256: there is none. */
uint32_t pci_next(uint32_t bus, uint32_t devfn);
bool pci_is_bridge(const struct pci_function *function);
void pci_write_bar(const struct pci_function *function, uint32_t at, const struct pci_bar *bar);

#endif
