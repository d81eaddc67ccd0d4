// SPDX-License-Identifier: Apache-2.0
/* Partition tables of any bytes. The first byte chooses whether checksums are repaired, so that what lies behind them
 * is reached. */
#include <stdlib.h>
#include <storage/gpt.h>
#include <string.h>

#define BLOCK 512u
#define BLOCKS 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, sizeof(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"linux1", "", "a", "abcdefghijklmnopqrstuvwxyz0123456789"};
    uint8_t block[BLOCK] = {0}, *table;
    struct gpt_header header;
    struct gpt_range range;
    size_t bytes;
    bool repair;

    if (size < 1 + 92)
        return 0;
    repair = data[0] & 1;
    data++, size--;
    memcpy(block, data, size < BLOCK ? size : BLOCK);
    data += size < BLOCK ? size : BLOCK;
    size -= size < BLOCK ? size : BLOCK;
    if (repair) {
        memcpy(block, "EFI PART\0\0\1\0\x5c\0\0\0", 16);
        put32(block + 16, 0);
        put32(block + 16, gpt_crc32(block, 92));
    }
    if (!gpt_header_parse(block, BLOCK, 1, BLOCKS, &header))
        return 0;
    if (header.table + header.table_blocks > BLOCKS || header.table < 2 || header.last_usable >= BLOCKS)
        abort();
    bytes = (size_t)header.entries * header.entry_size;
    if (bytes > GPT_TABLE_MAX || bytes > header.table_blocks * (size_t)BLOCK)
        abort();
    table = calloc(1, bytes); /* exactly: a byte more is ASan's */
    memcpy(table, data, size < bytes ? size : bytes);
    gpt_table_check(&header, table);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (gpt_find(&header, table, names[i], &range) == GPT_FOUND &&
            (range.blocks == 0 || range.first < header.first_usable ||
             range.first + range.blocks - 1 > header.last_usable))
            abort();
    free(table);
    return 0;
}
