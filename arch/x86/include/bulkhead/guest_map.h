/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's machine on x86-64: RAM from 0 on, in one piece, below GUEST_MEMORY_END; what has no address here is not
 * there. Lines are inputs of the virtual IOAPIC. The management domain has ipa == hpa instead, and the lines
 * 24 to 39 for messages of its physical devices. The ACPI tables or the device tree say so to each.
 */
#ifndef BULKHEAD_GUEST_MAP_H
#define BULKHEAD_GUEST_MAP_H

#include <stdint.h>

#define GUEST_MEMORY_BASE 0ull
#define GUEST_MEMORY_END 0xf0000000ull
#define GUEST_PCI_ECAM 0xf0000000ull /* bus 0 */
#define GUEST_PCI_WINDOW 0xf1000000ull
#define GUEST_PCI_WINDOW_SIZE 0xd000000ull
#define GUEST_WATCHDOG_BASE 0xfea00000ull /* a page, described by the WDAT */
#define GUEST_VIRTIO_BASE 0xfeb00000ull
#define GUEST_VIRTIO_SLOTS 16
#define GUEST_IOAPIC_BASE 0xfec00000ull
#define GUEST_APIC_BASE 0xfee00000ull

/* Offsets into what a guest is handed at the end of its memory (load_plan.h): the kernel's (guest_boot.c), then, from
 * GUEST_DESCRIPTION_BOOT on, what is made with the bundle (tools/resolver/handover.py), but for a device tree. */
#define GUEST_DESCRIPTION_SEED 0x6020          /* setup_data for Linux, */
#define GUEST_DESCRIPTION_GENERATION_ID 0x6050 /* and VM generation ID: new at each start */
#define GUEST_DESCRIPTION_BOOT 0x7000          /* what the first argument points to */

/* I/O ports */
#define GUEST_PORT_RTC 0x70            /* index, data */
#define GUEST_PORT_UART 0x3f8          /* 16550, 8 ports */
#define GUEST_PORT_SLEEP_CONTROL 0x600 /* ACPI, hardware-reduced: SLP_TYP << 2 | SLP_EN */
#define GUEST_PORT_SLEEP_STATUS 0x601
#define GUEST_PORT_RESET 0x602 /* write GUEST_RESET_VALUE */
#define GUEST_SLEEP_OFF 5      /* SLP_TYP of \_S5 */
#define GUEST_SLEEP_ENABLE 0x20
#define GUEST_RESET_VALUE 1

#define GUEST_LINE_UART 4
#define GUEST_LINE_RTC 8
#define GUEST_LINE_DOORBELL 9 /* a back-end's doorbell page */
#define GUEST_LINE_WATCHDOG 23
#define GUEST_LINES 24

/* INTx of devices 1 to 4 on its PCI bus; a guest is no back-end. */
#define GUEST_PCI_SLOTS 4
static inline uint32_t guest_pci_line(uint32_t slot)
{
    return slot < 4 ? slot : GUEST_LINE_DOORBELL;
}

/* Slots 0, 1, 2 have lines 5, 6, 7; slots 3 to 15 lines 10 to 22. */
static inline uint32_t guest_virtio_line(uint32_t slot)
{
    return slot < 3 ? 5 + slot : 7 + slot;
}

#endif
