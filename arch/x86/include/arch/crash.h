/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash record holds of the CPU. */
#ifndef ARCH_CRASH_H
#define ARCH_CRASH_H

/* The general registers by their number in instructions, rip, rflags, cs, error code, cr0, cr2, cr3, cr4 */
#define CRASH_REGISTERS 24
#define CRASH_SP 4
#define CRASH_FRAME 5
#define CRASH_PC 16

#endif
