/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake architecture: a machine of up to BULKHEAD_CPUS_MAX CPUs in one host thread, on which core/, the virtual
 * interrupt controllers of arm64 or x86 and the emulated devices run as they are. The test plays the guests: it takes and ends virtual interrupts as their
 * CPU interface would, and lets time pass.
 */
#ifndef ARCH_HOST_MACHINE_H
#define ARCH_HOST_MACHINE_H

#include <core/mmio.h>
#include <core/vcpu.h>

#define HOST_LRS 4

/* Once: domain d has the CPUs of partitions[d].cpus, and its interrupt controller at the guest's addresses. */
void machine_init(void);
/* Every domain (re)starts, by the kernel's own reset paths; and the record below is empty again. */
void machine_start(void);
/* The CPU that calls the kernel from here on. */
void machine_on(uint32_t cpu);
/* All CPUs take the physical interrupts that are pending for them. */
void machine_settle(void);
/* Time passes; deadlines expire on their CPUs. */
void machine_sleep(uint64_t ns);

/* An access of the current CPU's guest. */
enum mmio_result machine_write(uint64_t ipa, uint32_t width, uint64_t value);
uint64_t machine_read(uint64_t ipa, uint32_t width);

/* The guest on the current CPU takes its most urgent interrupt (1023: none), and ends it. */
uint32_t machine_take(void);
void machine_end(uint32_t intid);
/* x86-64: whether CPUs deliver interrupts themselves, and find those that are posted. */
void machine_virtualize(bool on, bool posts);

struct machine_record {
    uint32_t kicks;        /* cpu_request()s that interrupted a CPU */
    uint32_t stops;        /* domain_stop() calls */
    enum stop_cause cause; /* of the last */
    uint32_t physical_enabled[16];
    uint32_t physical_pended, physical_deactivated; /* how often */
    uint32_t eoi_exits;                             /* ends of interrupts that the guest's CPU could not do alone */
    uint32_t message_line, message_cpu;             /* the last that was routed to a CPU, and that */
    int overlays;                                   /* pages that lie over guests' memory */
    uint32_t watches;                               /* of interrupts that wait (struct apic_virtualization) */
    uint32_t notices;                               /* of interrupts that were posted */
};
extern struct machine_record machine;

#endif
