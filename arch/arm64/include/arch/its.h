/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical ITS (its.c), with what core/message.h says. Tables are made at boot: each function that may send
 * messages has events 0, 1, ... of its own, each event an LPI, and a domain's message SPI is bound to the LPI. So no
 * domain has a part in the ITS' commands, but for which of its CPUs an LPI comes to.
 */
#ifndef ARCH_ITS_H
#define ARCH_ITS_H

#include <core/address.h>
#include <stdbool.h>
#include <stdint.h>

#define LPI_FIRST 8192u /* INTID */

struct domain;

/* Boot CPU, after gic_init(), while the tree is mapped: the ITS that PCI functions send to, if the machine has one. */
void its_init(void);
/* Where devices write their messages to: what the SMMU is to map. */
struct its_doorbell {
    struct hpa page; /* 0: the machine has no ITS */
    struct ipa seen_at;
};
struct its_doorbell its_doorbell(void);
/* The CPU that it came to: an LPI, already ended. */
void its_interrupt(uint32_t intid);
/* Any CPU: the domain's message SPI is taken by that CPU from now on. */
void its_route(struct domain *domain, uint32_t line, uint32_t cpu);

#endif
