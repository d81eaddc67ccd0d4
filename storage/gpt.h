/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GUID partition tables (UEFI 2.10, section 5.3) as bytes: parsing and checking, no I/O. Everything here comes from a
 * disk and is not trusted: sizes are bounded before they are used, and every function is total.
 */
#ifndef STORAGE_GPT_H
#define STORAGE_GPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GPT_ENTRIES_MAX 256u    /* more than that is refused; 128 is what everybody writes */
#define GPT_ENTRY_SIZE_MAX 512u /* likewise; 128 is usual */
#define GPT_TABLE_MAX (GPT_ENTRIES_MAX * GPT_ENTRY_SIZE_MAX)
#define GPT_BLOCK_MAX 4096u
#define GPT_NAME_MAX 36u /* UTF-16 code units */

struct gpt_header {     /* what a checked header says; all block numbers lie on the disk */
    uint64_t alternate; /* block of the other header, as this one claims */
    uint64_t first_usable, last_usable;
    uint64_t table;        /* first block of the entries */
    uint32_t table_blocks; /* table_blocks * block_size <= GPT_TABLE_MAX rounded up to a block */
    uint32_t entries, entry_size;
    uint32_t table_crc;
};

/* The header that stands in `block` (of `block_size` bytes, 512 or 4096), read from block number `lba` of a disk of
 * `blocks` blocks. False: not a header, or one that is damaged or impossible. */
bool gpt_header_parse(const uint8_t *block, uint32_t block_size, uint64_t lba, uint64_t blocks,
                      struct gpt_header *header);

/* Whether `table` (header->entries * header->entry_size bytes) has the checksum that the header names. */
bool gpt_table_check(const struct gpt_header *header, const uint8_t *table);

enum gpt_find_result {
    GPT_FOUND,
    GPT_NO_SUCH_NAME,
    GPT_AMBIGUOUS, /* two partitions have this name */
    GPT_BAD_RANGE, /* it lies outside of the usable blocks */
    GPT_OVERLAP,   /* it shares blocks with another partition */
};

struct gpt_range {
    uint64_t first, blocks;
};

/* The partition with the ASCII name `name`, in a table that gpt_table_check() passed. */
enum gpt_find_result gpt_find(const struct gpt_header *header, const uint8_t *table, const char *name,
                              struct gpt_range *range);

uint32_t gpt_crc32(const uint8_t *data, size_t length);

#endif
