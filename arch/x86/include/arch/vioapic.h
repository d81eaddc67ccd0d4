/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A domain's IOAPIC of 24 pins (82093AA data sheet, version 0x20 with an EOI register), and the lines above 23, which
 * are messages of the management domain's physical devices: edges with fixed vectors, for its vCPU 0.
 * core/interrupt.h says how lines are driven.
 */
#ifndef ARCH_VIOAPIC_H
#define ARCH_VIOAPIC_H

#include <core/spinlock.h>

#define VIOAPIC_PINS 24
#define VIOAPIC_MESSAGE_VECTOR 0x30u /* + line, for lines above the pins */
#define VIOAPIC_LINES 40

struct vioapic {
    struct spinlock lock; /* a leaf: nothing is locked under it */
    uint32_t select;
    uint32_t level;   /* atomic: lines that are high */
    uint32_t pending; /* edges that wait for their pin to be unmasked */
    uint64_t entry[VIOAPIC_PINS];
};

struct domain;

void vioapic_init(struct domain *domain); /* boot CPU, once: its registers at GUEST_IOAPIC_BASE */
/* Any CPU: a vCPU has ended a level-triggered interrupt of `vector`. */
void vioapic_eoi(struct domain *domain, uint8_t vector);

#endif
