// SPDX-License-Identifier: Apache-2.0
/*
 * arm64's ACPI tables of any bytes, for the loader that makes a device tree of them: the input is what lies where the
 * RSDP points. Its first byte chooses whether checksums are repaired (1), and
 * whether the kernel wants a GICv2 (2).
 */
#include <boot/efi/arm64/acpi_tree.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#define ROOT 0x40000000u
#define TABLES 0x40001000u
#define PIECES_MAX 65536
#define ROOM 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t input_size;
static bool repairs;
static uint8_t root[36];
static void *pieces[PIECES_MAX];
static unsigned piece_count;

static uint8_t checksum(const uint8_t *data, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum - data[i]);
    return sum;
}

static void make_root(void)
{
    uint64_t tables = TABLES;

    memset(root, 0, sizeof(root));
    memcpy(root, "RSD PTR ", 8);
    root[15] = 2;
    memcpy(root + 24, &tables, 8);
    root[8] = checksum(root, 20);
    root[32] = checksum(root, sizeof(root));
}

/* Of exactly that size: a byte more is ASan's. */
const uint8_t *firmware_memory(uint64_t address, uint64_t size)
{
    const uint8_t *from;
    uint8_t *piece;

    if (address >= ROOT && address - ROOT < sizeof(root) && size <= sizeof(root) - (address - ROOT))
        from = root + (address - ROOT);
    else if (address >= TABLES && address - TABLES < input_size && size <= input_size - (address - TABLES))
        from = input + (address - TABLES);
    else
        return NULL;
    if (piece_count == PIECES_MAX)
        abort();
    pieces[piece_count++] = piece = malloc(size);
    memcpy(piece, from, size);
    if (repairs && address >= TABLES && size > 36)
        piece[9] = (uint8_t)(piece[9] + checksum(piece, size));
    return piece;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct board_device devices[] = {
        {"pl011@9000000", "arm,pl011;arm,primecell", 0x9000000, 0x1000, {1, -1}, false},
        {"pcie@10000000", "pci-host-ecam-generic", 0x10000000, 0x2eff0000, {3, 4, 5, 6}, false},
        {"pl031@9010000", "arm,pl031;arm,primecell", 0x9010000, 0x1000, {2, -1}, true},
    };
    struct facts facts = {
        .rsdp = ROOT, .ram = {{0x40000000, 0x10000000}}, .ram_count = 1, .device = devices, .device_count = 3};
    uint8_t *tree;

    if (size < 1)
        return 0;
    repairs = data[0] & 1;
    facts.wants_gicv2 = data[0] & 2;
    input = data + 1;
    input_size = size - 1;
    make_root();
    tree = malloc(ROOM);
    if (acpi_tree_make(tree, ROOM, &facts) == NULL && fdt_check_full(tree, ROOM) != 0)
        abort();
    free(tree);
    while (piece_count > 0)
        free(pieces[--piece_count]);
    return 0;
}
