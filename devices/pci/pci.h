/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions of a native domain, behind the ECAM window of its device tree (PCI Express base specification, 7.2.2).
 * The firmware has numbered buses and placed BARs; nothing here moves them. Configuration space is not trusted: walks
 * are bounded. Boot only, loop context.
 */
#ifndef DEVICES_PCI_H
#define DEVICES_PCI_H

#include <stdbool.h>
#include <stdint.h>

enum pci_register {
    PCI_ID = 0x00, /* vendor, device << 16 */
    PCI_COMMAND = 0x04,
    PCI_CLASS = 0x08, /* revision, class << 8 */
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM = 0x2c, /* vendor, device << 16 */
    PCI_CAPABILITIES = 0x34,
};
#define PCI_CAPABILITY_MSI 0x05u
#define PCI_CAPABILITY_VENDOR 0x09u
#define PCI_CAPABILITY_MSIX 0x11u
#define PCI_BARS 6u

struct pci_function {
    uintptr_t config;
    uint16_t requester; /* bus << 8 | device << 3 | function */
    char name[8]; /* bus:device.function */
};

/* Calls `found` for every function that is there, bridges left out, in the order of buses and devices. */
void pci_scan(void (*found)(const struct pci_function *function));

/* The offset of the first capability of this kind behind `after` (0: from the start); 0: there is none. */
uint32_t pci_capability(const struct pci_function *function, uint32_t kind, uint32_t after);
/* `length` bytes at `offset` of memory BAR `index`, mapped; 0: there is no such thing. */
uintptr_t pci_bar(const struct pci_function *function, uint32_t index, uint32_t offset, uint32_t length);
/* Its registers answer; INTx is off. */
void pci_enable(const struct pci_function *function);
/* It may read and write memory, and send messages: once it is known not to do what it was last told to. */
void pci_enable_master(const struct pci_function *function);
/* It may not any more: for a device that cannot be brought to rest otherwise. */
void pci_disable_master(const struct pci_function *function);
/* MSI-X on, entry 0 with the next message that the kernel has given, or MSI where there is no MSI-X; its interrupt for
 * interrupt_register(), or 0. An edge: the device sends it once for what becomes pending. */
uint32_t pci_message(const struct pci_function *function);

/* Virtual functions (SR-IOV), as configured: how many the kernel has switched on of this one, and what it says of the
 * i-th (NULL: no partition has that one). */
struct pci_config;
uint32_t pci_virtual_count(const struct pci_function *function);
const struct pci_config *pci_virtual(const struct pci_function *function, uint32_t index);

/* Drivers: each is asked for every function, in the order of the bus; true: the function is its own. */
bool virtio_pci_probe(const struct pci_function *function);
bool nvme_probe(const struct pci_function *function);
bool ahci_probe(const struct pci_function *function);
bool e1000e_probe(const struct pci_function *function);
bool igb_probe(const struct pci_function *function);

#endif
