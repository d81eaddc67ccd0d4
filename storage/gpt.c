// SPDX-License-Identifier: Apache-2.0
#include <storage/gpt.h>
#include <string.h>

#define HEADER_SIZE_MIN 92u
#define REVISION 0x00010000u

/* Offsets into a header and an entry. */
enum header_field {
    HEADER_REVISION = 8,
    HEADER_SIZE = 12,
    HEADER_CRC = 16,
    HEADER_MY_LBA = 24,
    HEADER_ALTERNATE = 32,
    HEADER_FIRST_USABLE = 40,
    HEADER_LAST_USABLE = 48,
    HEADER_TABLE = 72,
    HEADER_ENTRIES = 80,
    HEADER_ENTRY_SIZE = 84,
    HEADER_TABLE_CRC = 88,
};
enum entry_field { ENTRY_TYPE = 0, ENTRY_FIRST = 32, ENTRY_LAST = 40, ENTRY_NAME = 56 };

static uint16_t read16(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

static uint32_t read32(const uint8_t *from)
{
    return read16(from) | (uint32_t)read16(from + 2) << 16;
}

static uint64_t read64(const uint8_t *from)
{
    return read32(from) | (uint64_t)read32(from + 4) << 32;
}

/* The reflected CRC-32 of Ethernet, four bits at a time; `crc` is the inverted running value. */
static uint32_t crc32_continue(uint32_t crc, const uint8_t *data, size_t length)
{
    static const uint32_t nibble[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };

    for (size_t i = 0; i < length; i++) {
        crc = nibble[(crc ^ data[i]) & 15] ^ crc >> 4;
        crc = nibble[(crc ^ data[i] >> 4) & 15] ^ crc >> 4;
    }
    return crc;
}

uint32_t gpt_crc32(const uint8_t *data, size_t length)
{
    return ~crc32_continue(~0u, data, length);
}

/* The header's checksum is taken with its own field as zeros. */
static uint32_t header_crc(const uint8_t *block, uint32_t size)
{
    static const uint8_t zeros[4];
    uint32_t crc = crc32_continue(~0u, block, HEADER_CRC);

    crc = crc32_continue(crc, zeros, sizeof(zeros));
    return ~crc32_continue(crc, block + HEADER_CRC + 4, size - HEADER_CRC - 4);
}

bool gpt_header_parse(const uint8_t *block, uint32_t block_size, uint64_t lba, uint64_t blocks,
                      struct gpt_header *header)
{
    uint32_t size = read32(block + HEADER_SIZE);

    if (memcmp(block, "EFI PART", 8) != 0 || read32(block + HEADER_REVISION) != REVISION || size < HEADER_SIZE_MIN ||
        size > block_size || header_crc(block, size) != read32(block + HEADER_CRC) ||
        read64(block + HEADER_MY_LBA) != lba)
        return false;

    *header = (struct gpt_header){
        .alternate = read64(block + HEADER_ALTERNATE),
        .first_usable = read64(block + HEADER_FIRST_USABLE),
        .last_usable = read64(block + HEADER_LAST_USABLE),
        .table = read64(block + HEADER_TABLE),
        .entries = read32(block + HEADER_ENTRIES),
        .entry_size = read32(block + HEADER_ENTRY_SIZE),
        .table_crc = read32(block + HEADER_TABLE_CRC),
    };
    if (header->entries == 0 || header->entries > GPT_ENTRIES_MAX)
        return false;
    if (header->entry_size != 128 && header->entry_size != 256 && header->entry_size != 512)
        return false;
    header->table_blocks = (header->entries * header->entry_size + block_size - 1) / block_size;

    if (header->alternate >= blocks || header->last_usable >= blocks || header->first_usable > header->last_usable ||
        header->first_usable < 2)
        return false;
    /* The table lies on the disk, on one side of the usable blocks, and on no header. */
    if (header->table < 2 || header->table >= blocks || blocks - header->table < header->table_blocks)
        return false;
    if (header->table <= header->last_usable && header->table + header->table_blocks > header->first_usable)
        return false;
    return lba < header->first_usable || lba > header->last_usable;
}

bool gpt_table_check(const struct gpt_header *header, const uint8_t *table)
{
    return gpt_crc32(table, (size_t)header->entries * header->entry_size) == header->table_crc;
}

static bool entry_used(const uint8_t *entry)
{
    static const uint8_t unused[16];

    return memcmp(entry + ENTRY_TYPE, unused, sizeof(unused)) != 0;
}

static bool entry_named(const uint8_t *entry, const char *name)
{
    for (uint32_t i = 0; i < GPT_NAME_MAX; i++) {
        if (read16(entry + ENTRY_NAME + 2 * i) != (uint8_t)name[i])
            return false;
        if (name[i] == '\0')
            return true;
    }
    return name[GPT_NAME_MAX] == '\0';
}

enum gpt_find_result gpt_find(const struct gpt_header *header, const uint8_t *table, const char *name,
                              struct gpt_range *range)
{
    const uint8_t *found = NULL;
    uint64_t first, last;

    if (name[0] == '\0')
        return GPT_NO_SUCH_NAME;
    for (uint32_t i = 0; i < header->entries; i++) {
        const uint8_t *entry = table + (size_t)i * header->entry_size;

        if (!entry_used(entry) || !entry_named(entry, name))
            continue;
        if (found != NULL)
            return GPT_AMBIGUOUS;
        found = entry;
    }
    if (found == NULL)
        return GPT_NO_SUCH_NAME;

    first = read64(found + ENTRY_FIRST);
    last = read64(found + ENTRY_LAST);
    if (first > last || first < header->first_usable || last > header->last_usable)
        return GPT_BAD_RANGE;
    for (uint32_t i = 0; i < header->entries; i++) {
        const uint8_t *entry = table + (size_t)i * header->entry_size;

        if (entry != found && entry_used(entry) && read64(entry + ENTRY_FIRST) <= last &&
            read64(entry + ENTRY_LAST) >= first)
            return GPT_OVERLAP;
    }
    *range = (struct gpt_range){.first = first, .blocks = last - first + 1};
    return GPT_FOUND;
}
