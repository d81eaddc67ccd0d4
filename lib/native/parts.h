/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a native domain's runtime, common ones and arch/<isa>/native, have of each other. */
#ifndef LIB_NATIVE_PARTS_H
#define LIB_NATIVE_PARTS_H

#include <stdint.h>

void console_init(void); /* needs the tree */
void heap_init(uint64_t base, uint64_t end);
void *heap_take_page(void); /* from the far end, for ever, zeroed */

/* A line, or a part of one, of a crash record: to the kernel log, which survives, if this domain may write there; else
 * to its console. */
void crash_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "called from" lines: return addresses by the frame pointers from `record` on, as long as they lie on a stack of this
 * image; relative to the image. */
void crash_say_callers(uint64_t record);

/* The linker script's. */
extern uint8_t image_start[], text_end[], constants_end[], image_end[];

#endif
