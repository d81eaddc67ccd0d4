/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"
#include <lib/hypercall.h>
#include <lib/native.h>

_Noreturn void crash(const struct crash_frame *frame, const char *kind)
{
    crash_say("crash: %s at image + %lx: ESR %lx FAR %lx PSTATE %lx SP %lx\n", kind,
              frame->pc - (uint64_t)image_start, frame->esr, frame->far, frame->pstate, frame->sp);
    for (int i = 0; i < 30; i += 3)
        crash_say("  x%-2d %016lx  x%-2d %016lx  x%-2d %016lx\n", i, frame->x[i], i + 1, frame->x[i + 1], i + 2,
                  frame->x[i + 2]);
    crash_say("  x30 %016lx (image at %p)\n", frame->x[30], (void *)image_start);
    crash_say_callers(frame->x[29]);
    hypercall_panic(frame->pc);
}

_Noreturn void crash_again(void)
{
    hypercall_panic(0);
}
