/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's PCI functions (PCI Express base specification 6.0, chapters 6 and 7), those of segment 0, found once at
 * boot behind its ECAM window. What devices say of themselves is not trusted: walks are bounded, sizes checked. From
 * pci_init() on no function reaches memory or interrupts until its owner's virtual host (core/vpci.h) lets it.
 */
#ifndef CORE_PCI_H
#define CORE_PCI_H

#include <bulkhead/partition.h>
#include <bulkhead/status.h>
#include <core/platform.h>

struct domain;

enum pci_register {
    PCI_ID = 0x00, /* vendor, device << 16 */
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_CLASS = 0x08, /* revision, class << 8 */
    PCI_CACHE_LINE = 0x0c,
    PCI_HEADER = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_BUSES = 0x18,  /* bridge: primary, secondary << 8, subordinate << 16 */
    PCI_WINDOW = 0x20, /* bridge: memory base, limit << 16, in MiB, from bit 4 on */
    PCI_WINDOW_PREFETCHABLE = 0x24,
    PCI_WINDOW_UPPER = 0x28, /* of that one: base, then limit */
    PCI_SUBSYSTEM = 0x2c,
    PCI_CAPABILITIES = 0x34,
    PCI_LINE = 0x3c,
    PCI_PIN = 0x3d,
    PCI_BRIDGE_CONTROL = 0x3e,
};
#define COMMAND_MEMORY 0x2u
#define COMMAND_MASTER 0x4u
#define COMMAND_NO_INTX 0x400u
#define STATUS_INTX 0x8u
#define STATUS_CAPABILITIES 0x10u
#define PCI_BARS 6u
#define BAR_IO 1u
#define BAR_64_BITS 4u
#define BAR_FLAGS 15u

enum pci_capability {
    CAPABILITY_PM = 0x01,
    CAPABILITY_MSI = 0x05,
    CAPABILITY_VENDOR = 0x09,
    CAPABILITY_PCIE = 0x10,
    CAPABILITY_MSIX = 0x11,
    CAPABILITY_AF = 0x13,
};
#define CAPABILITIES_END 0x100u
#define CAPABILITIES_MAX 48u
#define PCIE_DEVICE_CAPABILITIES 4u
#define PCIE_FLR_CAPABLE (1u << 28)
#define PCIE_DEVICE_CONTROL 8u
#define PCIE_FLR 0x8000u
#define PCIE_DEVICE_STATUS 10u
#define PCIE_PENDING 0x20u
#define VENDOR_VIRTIO 0x1af4u
#define VIRTIO_TYPE 3u /* in its vendor-specific capabilities (virtio 1.2, 4.1.4) */
#define VIRTIO_COMMON 1u
#define VIRTIO_CONFIG_ACCESS 5u
#define MSIX_BAR 7u /* of the registers that say where table and PBA are */
#define MSIX_ENTRY_SIZE 16u

struct pci_bar {
    uint64_t base; /* hpa */
    uint64_t size; /* 0: none, I/O ports, or no place for it */
    uint8_t flags; /* as in the register: 64 bits, prefetchable */
};

struct pci_function {
    volatile uint8_t *config; /* 4 KiB */
    uint16_t requester;       /* bus << 8 | device << 3 | function */
    uint16_t group;           /* isolation group: the lowest requester of those that cannot be kept apart from it */
    uint16_t physical;        /* of a virtual function: requester of its physical one; else its own requester */
    bool bridge;              /* type 1 header */
    uint8_t secondary, subordinate; /* its buses; 0: none */
    uint8_t slot;                   /* device of its guest's bus */
    bool fixture;                   /* the machine's own: bridges, IOMMUs; nobody gets it, and it is left as it is */
    bool is_virtual;
    uint32_t id, class_revision, subsystem;
    struct pci_bar bar[PCI_BARS];
    uint8_t pm, msi, msix, pcie, af; /* where these capabilities are; 0: it has none */
    uint16_t acs, sriov;
    volatile uint8_t *virtio;     /* device_status of a virtio device (virtio 1.2, 4.1.4.3); else NULL */
    struct domain *owner;         /* NULL: nobody's */
    struct device_status *status; /* in the status page */
};
extern struct pci_function *pci_functions; /* by requester */
extern uint32_t pci_function_count;        /* at most BULKHEAD_DEVICES_MAX */

/* Boot CPU, once, with platform.pci and the status page: finds, numbers and places (where firmware has not), silences
 * everything; switches on the virtual functions that sriov[] has. No function, no ECAM: pci_function_count is 0. */
void pci_init(void);
/* Any CPU: the function with that requester ID, or that a configuration means; NULL: it is not there. */
struct pci_function *pci_find(uint16_t requester);
/* The bridge to a bus; NULL: there is none, or that is bus 0. */
struct pci_function *pci_bridge_to(uint32_t bus);
struct pci_function *pci_select(const struct pci_selector *selector, bool is_virtual, uint16_t vf);

/* Configuration space; `width` 1, 2 or 4, aligned, within 4 KiB. */
uint32_t pci_read(const struct pci_function *function, uint32_t offset, uint32_t width);
void pci_write(const struct pci_function *function, uint32_t offset, uint32_t width, uint32_t value);
/* The capability after that at `at` (0: the first); 0: there is none. The list may go round in circles. */
uint32_t pci_next_capability(const struct pci_function *function, uint32_t at);

/* How it would be reset. */
enum device_reset pci_reset_kind(const struct pci_function *function);
/*
 * A CPU of its owner, whose vCPUs are parked; may take 200 ms. No more accesses of memory, no interrupts; those under
 * way have ended. Then the function is reset by the best that it has, and configured as pci_init() left it. False: it
 * did not come back.
 */
bool pci_reset(struct pci_function *function);
/* "00:03.0" */
struct pci_name {
    char text[8];
};
struct pci_name pci_name(uint16_t requester);

#endif
