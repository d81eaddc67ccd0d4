/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"
#include <lib/hypercall.h>

static const char *const kinds[] = {
    [0] = "division by zero", [2] = "NMI",           [3] = "breakpoint",          [6] = "invalid opcode",
    [8] = "double fault",     [12] = "stack fault",  [13] = "general protection", [14] = "page fault",
    [16] = "x87 exception",   [18] = "machine check", [19] = "SIMD exception",
};

_Noreturn void crash(const struct crash_frame *frame)
{
    const char *kind = frame->vector < sizeof kinds / sizeof *kinds ? kinds[frame->vector] : NULL;
    uint64_t cr2;

    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    crash_say("crash: %s (%lu) at image + %lx: error %lx CR2 %lx RFLAGS %lx RSP %lx\n", kind ? kind : "exception",
              frame->vector, frame->rip - (uint64_t)image_start, frame->error, cr2, frame->rflags, frame->rsp);
    crash_say("  rax %016lx  rbx %016lx  rcx %016lx\n", frame->rax, frame->rbx, frame->rcx);
    crash_say("  rdx %016lx  rsi %016lx  rdi %016lx\n", frame->rdx, frame->rsi, frame->rdi);
    crash_say("  rbp %016lx  r8  %016lx  r9  %016lx\n", frame->rbp, frame->r8, frame->r9);
    crash_say("  r10 %016lx  r11 %016lx  r12 %016lx\n", frame->r10, frame->r11, frame->r12);
    crash_say("  r13 %016lx  r14 %016lx  r15 %016lx (image at %p)\n", frame->r13, frame->r14, frame->r15,
              (void *)image_start);
    crash_say_callers(frame->rbp);
    hypercall_panic(frame->rip);
}

_Noreturn void crash_again(void)
{
    hypercall_panic(0);
}
