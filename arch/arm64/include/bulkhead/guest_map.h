/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's address map on arm64 (ipa). The management domain has ipa == hpa instead; its GIC stands where the host's
 * does, and what the kernel shares with it stands at its hpa. The device tree says so to both. Lines are SPIs.
 */
#ifndef BULKHEAD_GUEST_MAP_H
#define BULKHEAD_GUEST_MAP_H

#include <stdint.h>

#define GUEST_GICD_BASE 0x08000000ull
#define GUEST_GICD_SETSPI 0x40ull            /* of the distributor: where messages are written to, as it says */
#define GUEST_GICC_BASE 0x08010000ull        /* 8 KiB; GICv2 only */
#define GUEST_MESSAGE_BASE 0x08090000ull     /* where they are, for devices: a page of the ITS */
#define GUEST_GICR_BASE 0x080a0000ull        /* 128 KiB a vCPU; GICv3 only */
#define GUEST_UART_BASE 0x09000000ull        /* PL011 */
#define GUEST_RTC_BASE 0x09010000ull         /* PL031 */
#define GUEST_WATCHDOG_REFRESH 0x09020000ull /* SBSA generic watchdog */
#define GUEST_WATCHDOG_CONTROL 0x09030000ull
#define GUEST_VIRTIO_BASE 0x0a000000ull
#define GUEST_VIRTIO_SLOTS 32
#define GUEST_PCI_ECAM 0x10000000ull   /* one bus */
#define GUEST_PCI_WINDOW 0x11000000ull /* of BARs */
#define GUEST_PCI_WINDOW_SIZE 0x2e000000ull
#define GUEST_MEMORY_BASE 0x40000000ull

#define GUEST_LINE_UART 1
#define GUEST_LINE_RTC 2
#define GUEST_LINE_WATCHDOG 0 /* 3 to 6 are INTx on some machines, and stay themselves */
#define GUEST_LINE_DOORBELL 4 /* a back-end's doorbell page */
#define GUEST_LINE_VIRTIO 16
#define GUEST_LINE_MESSAGES 416 /* of PCI functions: the last ones that there are */
#define GUEST_MESSAGES 64

static inline uint32_t guest_virtio_line(uint32_t slot)
{
    return GUEST_LINE_VIRTIO + slot;
}

#endif
