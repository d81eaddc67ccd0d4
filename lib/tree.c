/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/tree.h>
#include <libfdt.h>
#include <stddef.h>
#include <string.h>

#define CELLS 2 /* addresses and sizes below the root */
#define GIC_CELLS 3u
#define GIC_SPI 0
#define LINE_CELLS 2u
#define FLAG_LEVEL 0xcu

static const void *tree;

bool tree_init(const void *blob)
{
    if (!blob || fdt_check_header(blob) != 0)
        return false;
    tree = blob;
    return true;
}

const void *tree_blob(void)
{
    return tree;
}

int tree_path(const char *path)
{
    return fdt_path_offset(tree, path);
}

int tree_compatible(int previous, const char *compatible)
{
    int node = previous;

    while ((node = fdt_node_offset_by_compatible(tree, node, compatible)) >= 0) {
        const char *status = fdt_getprop(tree, node, "status", NULL);

        if (!status || strcmp(status, "disabled") != 0)
            break;
    }
    return node;
}

static uint64_t cells(const fdt32_t *cell)
{
    return (uint64_t)fdt32_to_cpu(cell[0]) << 32 | fdt32_to_cpu(cell[1]);
}

struct tree_range tree_reg(int node, uint32_t index)
{
    int length;
    const fdt32_t *reg = node < 0 ? NULL : fdt_getprop(tree, node, "reg", &length);
    const uint32_t entry = 2 * CELLS * sizeof *reg;

    if (!reg || (uint32_t)length / entry <= index)
        return (struct tree_range){0};
    reg += index * 2 * CELLS;
    return (struct tree_range){cells(reg), cells(reg + CELLS)};
}

struct tree_range tree_memory(uint64_t address)
{
    int node = -1;

    while ((node = fdt_node_offset_by_prop_value(tree, node, "device_type", "memory", sizeof "memory")) >= 0) {
        struct tree_range range;

        for (uint32_t index = 0; (range = tree_reg(node, index)).size; index++)
            if (address >= range.base && address - range.base < range.size)
                return range;
    }
    return (struct tree_range){0};
}

uint32_t tree_interrupt(int node, uint32_t index, bool *level)
{
    int length;
    const fdt32_t *cell = node < 0 ? NULL : fdt_getprop(tree, node, "interrupts", &length);
    int controller = fdt_node_offset_by_phandle(tree, (uint32_t)tree_number(0, "interrupt-parent", 0));
    uint32_t width = (uint32_t)tree_number(controller, "#interrupt-cells", GIC_CELLS);

    if (!cell || width < LINE_CELLS || (uint32_t)length / (width * sizeof *cell) <= index)
        return 0;
    cell += index * width;
    if (level)
        *level = fdt32_to_cpu(cell[width - 1]) & FLAG_LEVEL;
    if (width == LINE_CELLS)
        return fdt32_to_cpu(cell[0]);
    return fdt32_to_cpu(cell[1]) + (fdt32_to_cpu(cell[0]) == GIC_SPI ? 32 : 16);
}

struct tree_message tree_message(int node, const char *property, uint32_t index)
{
    int length;
    const fdt32_t *cell = node < 0 ? NULL : fdt_getprop(tree, node, property, &length);

    if (!cell || (uint32_t)length / (3 * sizeof *cell) <= index)
        return (struct tree_message){0};
    cell += index * 3;
    return (struct tree_message){fdt32_to_cpu(cell[0]), fdt32_to_cpu(cell[1]), fdt32_to_cpu(cell[2])};
}

bool tree_has(int node, const char *property)
{
    return node >= 0 && fdt_getprop(tree, node, property, NULL) != NULL;
}

uint64_t tree_number(int node, const char *property, uint64_t otherwise)
{
    int length;
    const fdt32_t *value = node < 0 ? NULL : fdt_getprop(tree, node, property, &length);

    if (value && length == 4)
        return fdt32_to_cpu(*value);
    return value && length == 8 ? cells(value) : otherwise;
}

bool tree_bytes(int node, const char *property, void *bytes, uint32_t length)
{
    int found;
    const void *value = node < 0 ? NULL : fdt_getprop(tree, node, property, &found);

    if (!value || (uint32_t)found != length)
        return false;
    memcpy(bytes, value, length);
    return true;
}
