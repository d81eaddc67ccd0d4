/* SPDX-License-Identifier: Apache-2.0 */
/* The domain's own end: a readable record, then CAUSE_PANIC. Exceptions: arch/<isa>/native/crash.c. */
#include <lib/hypercall.h>
#include <lib/native.h>
#include <lib/native/parts.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void crash_say(const char *format, ...)
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

void crash_say_callers(uint64_t record)
{
    for (int depth = 0; depth < 16; depth++) {
        if (record % 16 || record < (uint64_t)constants_end || record > (uint64_t)image_end - 16)
            return;
        crash_say("  called from %lx\n", ((uint64_t *)record)[1] - (uint64_t)image_start);
        record = *(uint64_t *)record;
    }
}

_Noreturn void panic(const char *format, ...)
{
    char text[128];
    va_list arguments;

    interrupt_mask();
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    crash_say("panic: %s (at image + %lx)\n", text, (uint64_t)__builtin_return_address(0) - (uint64_t)image_start);
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
