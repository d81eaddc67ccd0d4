// SPDX-License-Identifier: Apache-2.0
#include "guest.h"
#include <libfdt.h>
#include <stdarg.h>
#include <stdio.h>

static const void *tree;
static uint32_t passed, failed;

/* The line is complete before it goes out, so that two CPUs' lines do not mix much. */
static void put_line(const char *prefix, const char *format, va_list arguments)
{
    char line[200];

    vsnprintf(line, sizeof(line), format, arguments);
    for (; *prefix != '\0'; prefix++)
        machine_put(*prefix);
    for (const char *at = line; *at != '\0'; at++) {
        if (*at == '\n')
            machine_put('\r');
        machine_put(*at);
    }
}

void print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    put_line("", format, arguments);
    va_end(arguments);
}

void check(bool ok, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    put_line(ok ? "PASS: " : "FAIL: ", format, arguments);
    va_end(arguments);
    print("\n");
    *(ok ? &passed : &failed) += 1;
}

_Noreturn void guest_done(void)
{
    print("DONE: %u passed, %u failed\n", (unsigned)passed, (unsigned)failed);
    guest_off();
    print("FAIL: switched off, and goes on\n");
    for (;;)
        cpu_relax();
}

_Noreturn void guest_start(const void *device_tree)
{
    tree = device_tree;
    machine_start();
    guest_main();
    guest_done();
}

struct guest_memory guest_memory(void)
{
    int node = fdt_node_offset_by_prop_value(tree, -1, "device_type", "memory", sizeof("memory"));
    int length = 0;
    const fdt64_t *reg = fdt_getprop(tree, node, "reg", &length);

    if (reg == NULL || length < 16) {
        check(false, "the device tree has a memory node");
        guest_done();
    }
    return (struct guest_memory){.base = fdt64_to_cpu(reg[0]), .size = fdt64_to_cpu(reg[1])};
}

uint32_t guest_cpus(void)
{
    uint32_t count = 0;
    int node;

    fdt_for_each_subnode(node, tree, fdt_path_offset(tree, "/cpus"))
    {
        const char *type = fdt_getprop(tree, node, "device_type", NULL);

        count += type != NULL && type[0] == 'c';
    }
    return count;
}

uint64_t guest_number(const char *path, const char *property)
{
    int length = 0;
    const fdt64_t *value = fdt_getprop(tree, fdt_path_offset(tree, path), property, &length);

    return value != NULL && length == 8 ? fdt64_to_cpu(*value) : 0;
}

uint64_t now_ms(void)
{
    return counter() / (frequency() / 1000);
}

void wait_ms(uint64_t ms)
{
    uint64_t end = now_ms() + ms;

    while (now_ms() < end)
        cpu_relax();
}

uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
