/* SPDX-License-Identifier: Apache-2.0 */
/* The domain's own end: a readable record, then CAUSE_PANIC. */
#include "frame.h"
#include <lib/hypercall.h>
#include <lib/native.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern uint8_t image_start[], text_end[];

/* To the kernel log, which survives, if this domain may write there; else to its console. */
static void say(const char *format, ...)
{
    char line[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (size_t at = 0, length = strlen(line); at < length; at += HYPERCALL_BYTES_MAX) {
        size_t part = length - at < HYPERCALL_BYTES_MAX ? length - at : HYPERCALL_BYTES_MAX;

        if (hypercall_log_write(line + at, (uint32_t)part) != HC_OK) {
            fputs(line + at, stdout);
            return;
        }
    }
}

/* Return addresses by the frame pointers, as long as they lie on a stack of this image; relative to the image. */
static void say_callers(const struct crash_frame *frame)
{
    extern uint8_t constants_end[], image_end[];
    uint64_t record = frame->x[29];

    for (int depth = 0; depth < 16; depth++) {
        if (record % 16 || record < (uint64_t)constants_end || record > (uint64_t)image_end - 16)
            return;
        say("  called from %lx\n", ((uint64_t *)record)[1] - (uint64_t)image_start);
        record = *(uint64_t *)record;
    }
}

_Noreturn void crash(const struct crash_frame *frame, const char *kind)
{
    say("crash: %s at image + %lx: ESR %lx FAR %lx PSTATE %lx SP %lx\n", kind, frame->pc - (uint64_t)image_start,
        frame->esr, frame->far, frame->pstate, frame->sp);
    for (int i = 0; i < 30; i += 3)
        say("  x%-2d %016lx  x%-2d %016lx  x%-2d %016lx\n", i, frame->x[i], i + 1, frame->x[i + 1], i + 2,
            frame->x[i + 2]);
    say("  x30 %016lx (image at %p)\n", frame->x[30], (void *)image_start);
    say_callers(frame);
    hypercall_panic(frame->pc);
}

_Noreturn void crash_again(void)
{
    hypercall_panic(0);
}

_Noreturn void panic(const char *format, ...)
{
    char text[128];
    va_list arguments;

    interrupt_mask();
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say("panic: %s (at image + %lx)\n", text, (uint64_t)__builtin_return_address(0) - (uint64_t)image_start);
    hypercall_panic((uint64_t)__builtin_return_address(0));
}

void abort(void)
{
    panic("abort()");
}

_Noreturn void __assert_func(const char *file, int line, const char *function, const char *text);
_Noreturn void __assert_func(const char *file, int line, const char *function, const char *text)
{
    panic("%s:%d: %s: %s", file, line, function ? function : "", text);
}
