/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partitions: const tables that tools/resolver writes from .config (O=DIR: DIR/generated/partitions.c) and
 * the kernel is linked with. What stands here has passed the resolver's checks, so the kernel does not repeat those;
 * it checks only what a machine can lack (CPUs, memory, a device).
 */
#ifndef BULKHEAD_PARTITION_H
#define BULKHEAD_PARTITION_H

#include <bulkhead/guest_map.h>
#include <bulkhead/limits.h>
#include <stdbool.h>
#include <stdint.h>

#define PARTITION_PCI_MAX 4
#define SRIOV_MAX 4
#define SRIOV_VFS_MAX 32

enum partition_flags {
    PARTITION_MANAGEMENT = 1, /* the first one, and only it: may call what hypercall.h marks M; ipa == hpa */
    PARTITION_AUTOSTART = 2,
    PARTITION_UART = 4,      /* has an emulated UART (PL011, 16550) with a console ring */
    PARTITION_RTC = 8,       /* emulated clock (PL031, MC146818) */
    PARTITION_WATCHDOG = 16, /* emulated watchdog (SBSA, WDAT) */
    PARTITION_PCI_REST = 32, /* the management domain: also has the PCI functions that nobody else names */
};

/* A PCI function: by address, or the instance-th of those with these ids, in the order of addresses. */
struct pci_selector {
    bool by_id;
    uint8_t instance;
    uint16_t address; /* bus << 8 | device << 3 | function */
    uint16_t vendor, device;
    const char *text; /* as it was configured, for messages: "00:03.0", "8086:10d3#1" */
};

enum pci_flags {
    PCI_VIRTUAL = 1,       /* not the selected function, but its virtual function `vf` (which sriov[] switches on) */
    PCI_WITHOUT_RESET = 2, /* accepted although it has no reset */
};

struct pci_config {
    struct pci_selector function;
    uint32_t flags;
    uint16_t vf;    /* 0-based */
    uint16_t vlan;  /* PCI_VIRTUAL and a NIC, for the physical function's driver: 0 or 1..4094, */
    uint8_t mac[6]; /* and the address; never zero then */
};

/* A physical function of the management domain whose first `vfs` virtual functions the kernel switches on at boot. */
struct sriov_config {
    struct pci_selector function;
    uint16_t vfs;
};

struct partition_config {
    char name[BULKHEAD_NAME_MAX];
    uint32_t flags;
    uint32_t cpus;        /* mask of physical CPUs; vCPU 0 is the lowest set bit */
    uint64_t memory_size; /* bytes, a multiple of 2 MiB */
    uint64_t memory_base; /* hpa; 0: the kernel places it */
    const char *plan;     /* name of its load plan in the bundle (/images/NAME) */
    const char *kernel;   /* for people: name of its kernel image there */
    const char *initrd;   /* likewise, or "" */
    const char *command_line;
    uint32_t heartbeat_ms;      /* the first heartbeat is due by then; 0: not watched */
    uint32_t progress_ms;       /* CAUSE_NO_PROGRESS after that long; 0: not watched */
    uint8_t uart_console;       /* index of the UART's (for a native domain: its own) console ring, or 0xff */
    const char *const *devices; /* NULL-terminated: physical devices, each a device-tree path or a compatible string */
    const struct pci_config *pci; /* physical PCI functions; a guest sees the i-th as device i + 1 of its bus 0 */
    uint32_t pci_count;           /* 0..PARTITION_PCI_MAX */
};

struct channel_config {
    uint8_t device_id; /* enum virtio_device_id */
    uint8_t front;     /* partition of the front-end */
    uint8_t back;      /* partition of the back-end */
    uint8_t slot;      /* virtio slot in the front-end's address space: GUEST_VIRTIO_BASE + slot * 4 KiB,
                          guest_virtio_line(slot) */
    uint8_t console;   /* VIRTIO_ID_CONSOLE: its console ring, else 0xff */
};

extern const struct partition_config partitions[];
extern const uint32_t partition_count;
extern const struct channel_config channels[];
extern const uint32_t channel_count;
extern const uint32_t console_count; /* rings 0..count-1; console_owner[i] is the partition whose console it is */
extern const uint8_t console_owner[];
extern const struct sriov_config sriov[];
extern const uint32_t sriov_count;

#endif
