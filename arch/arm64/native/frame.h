/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts that the assembly and the C of a native domain's start-up share. */
#ifndef ARM64_NATIVE_FRAME_H
#define ARM64_NATIVE_FRAME_H

#define STACK_SIZE 65536
#define GUARD_SIZE 4096
#define CRASH_STACK_SIZE 16384

/* An interrupt's frame: x0..x18, x29, x30, ELR, SPSR. */
#define IRQ_FRAME_SIZE 192
#define IRQ_FRAME_X29 152
#define IRQ_FRAME_ELR 168
#define IRQ_FRAME_SPSR 176

/* struct crash_frame: x0..x30, sp, pc, pstate, esr, far */
#define CRASH_FRAME_SIZE 288
#define CRASH_FRAME_SP 248
#define CRASH_FRAME_PC 256
#define CRASH_FRAME_ESR 272

#ifndef __ASSEMBLER__
#include <lib/native.h>
#include <lib/native/parts.h>

struct crash_frame {
    uint64_t x[31], sp, pc, pstate, esr, far;
};
_Static_assert(sizeof(struct crash_frame) == CRASH_FRAME_SIZE);

/* vectors.S */
extern uint8_t stack_guard[], crash_stack_guard[];
/* crash.c: `kind` is the vector's name. */
_Noreturn void crash(const struct crash_frame *frame, const char *kind);
_Noreturn void crash_again(void); /* an exception in crash() */
/* gic.c: takes one interrupt and runs its handler. */
void interrupt_dispatch(void);
/* mmu.c: builds the first map (image, device tree) and switches the MMU on; memory is still uncached around it. */
void mmu_start(uint64_t tree);
void mmu_init(void); /* the rest: RAM; needs the tree */
void gic_init(void);
void timer_init(void);
#endif

#endif
