/* SPDX-License-Identifier: Apache-2.0 */
/* The fake architecture's barriers: one thread plays all CPUs. */
#ifndef ARCH_BARRIER_H
#define ARCH_BARRIER_H

static inline void cpu_relax(void) {}
void cpu_wait(void); /* of a test that parks vCPUs: the CPU sleeps, another goes on */

#endif
