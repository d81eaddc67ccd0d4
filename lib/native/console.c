/* SPDX-License-Identifier: Apache-2.0 */
/* stdout and stderr: the domain's own console ring, a line or 56 bytes a hypercall. No stdin. */
#include <lib/hypercall.h>
#include <lib/native.h>
#include <lib/native/parts.h>
#include <lib/tree.h>
#include <stdio.h>

#define NO_CONSOLE 0xffu

static uint32_t console = NO_CONSOLE;
static char line[HYPERCALL_BYTES_MAX];
static uint32_t line_length;

static int flush(FILE *file)
{
    (void)file;
    if (line_length && console != NO_CONSOLE)
        hypercall_console_write(console, line, line_length);
    line_length = 0;
    return 0;
}

static int put(char byte, FILE *file)
{
    bool enabled = interrupt_mask();

    line[line_length++] = byte;
    if (byte == '\n' || line_length == sizeof line)
        flush(file);
    interrupt_restore(enabled);
    return (unsigned char)byte;
}

static FILE output = FDEV_SETUP_STREAM(put, NULL, flush, _FDEV_SETUP_WRITE);
FILE *const stdout = &output;
FILE *const stderr = &output;

void console_init(void)
{
    console = (uint32_t)tree_number(tree_path("/chosen"), "bulkhead,console", NO_CONSOLE);
}
