/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash record holds of the CPU. */
#ifndef ARCH_CRASH_H
#define ARCH_CRASH_H

/* x0..x30, sp, pc, SPSR, ESR, FAR */
#define CRASH_REGISTERS 36
#define CRASH_FRAME 29
#define CRASH_SP 31
#define CRASH_PC 32

#endif
