/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One PCI function with one BAR, a loop and a clock, for drivers of devices. A test's model of the device answers
 * register accesses; what it reads and writes by DMA is this program's memory.
 */
#ifndef TESTS_UNIT_FAKE_PCI_H
#define TESTS_UNIT_FAKE_PCI_H

#include <devices/pci/pci.h>
#include <lib/native.h>
#include <mgmt/loop.h>

#define FAKE_CONFIG 0x10000000ul
#define FAKE_REGISTERS 0x20000000ul

/* The test's. */
uint32_t model_read(uint32_t offset);
void model_write(uint32_t offset, uint32_t value);

extern struct pci_function fake_function;
extern uint32_t fake_id, fake_class; /* of its configuration space */
extern bool fake_master;
extern struct interrupt_handler *fake_handler; /* NULL: no interrupt was registered */
extern uint32_t fake_log_lines;
extern uint64_t fake_now, fake_look_ns; /* and how long each look at it takes: a microsecond */

void fake_pci_reset(void);
void fake_interrupt(void);
/* Runs sources until none is pending; and timers that are due. */
void fake_run(void);
/* Lets time pass, and runs what is due on the way. */
void fake_pass(uint64_t ns);

#endif
