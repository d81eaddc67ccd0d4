/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's teaching device `edu` (docs/specs/edu): a PCI function that copies memory to or from a buffer of its own when
 * it is told, and interrupts by MSI. It checks nothing, so it does for a test what hostile software does to any device.
 * Give it dma_mask=0xffffffffffffffff.
 */
#ifndef TESTS_GUESTS_SUPPORT_EDU_H
#define TESTS_GUESTS_SUPPORT_EDU_H

#include "guest.h"

#define EDU_ID 0x11e81234u
#define EDU_BUFFER_SIZE 4096u

enum pci_place { PCI_ID = 0x00, PCI_COMMAND = 0x04, PCI_BAR0 = 0x10, PCI_CAPABILITIES = 0x34 };
#define PCI_MEMORY 2u
#define PCI_MASTER 4u

struct edu {
    uint64_t config, registers;
    uint32_t msi; /* where its MSI capability is; 0: it has none */
};

/* The first one of the virtual host, memory and mastering on; config 0: there is none. */
struct edu edu_find(void);
void edu_command(const struct edu *edu, uint32_t bits);                   /* PCI_MEMORY | PCI_MASTER */
void edu_message(const struct edu *edu, uint64_t address, uint32_t data); /* MSI on */

/* Between memory at `address` (as the device sees it) and the device's buffer; at most EDU_BUFFER_SIZE bytes. */
void edu_begin(const struct edu *edu, uint64_t address, uint32_t length, bool write_memory, bool interrupt);
bool edu_wait(const struct edu *edu);                                     /* false: not done within 10 s */
void edu_read(const struct edu *edu, uint64_t address, uint32_t length);  /* memory to buffer, and waits */
void edu_write(const struct edu *edu, uint64_t address, uint32_t length); /* buffer to memory, and waits */
void edu_interrupt(const struct edu *edu);                                /* one message, now */
void edu_acknowledge(const struct edu *edu);

#endif
