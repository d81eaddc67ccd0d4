// SPDX-License-Identifier: Apache-2.0
#include <storage/manifest.h>
#include <string.h>

enum manifest_field {
    KEY_ID = 8,
    VERSION = 16,
    ZERO = 20,
    BYTES = 24,
    DIGEST = 32,
    BOARD = 64,
    RELEASE = 96,
    ZEROS = 160
};

static uint64_t get(const uint8_t *from, uint32_t bytes)
{
    uint64_t value = 0;

    for (uint32_t i = bytes; i-- > 0;)
        value = value << 8 | from[i];
    return value;
}

static bool is_zero(const uint8_t *from, uint32_t bytes)
{
    uint8_t any = 0;

    for (uint32_t i = 0; i < bytes; i++)
        any |= from[i];
    return any == 0;
}

/* Printable, with nothing but zeros after it. */
static bool get_text(const uint8_t *from, char *text, uint32_t size)
{
    uint32_t length = 0;

    while (length < size && from[length] >= ' ' && from[length] <= '~')
        length++;
    memcpy(text, from, size);
    return length > 0 && length < size && is_zero(from + length, size - length);
}

bool manifest_parse(const uint8_t block[MANIFEST_BYTES], struct manifest *manifest)
{
    manifest->version = (uint32_t)get(block + VERSION, 4);
    manifest->bytes = get(block + BYTES, 8);
    memcpy(manifest->digest, block + DIGEST, sizeof manifest->digest);
    memcpy(manifest->key_id, block + KEY_ID, sizeof manifest->key_id);
    return memcmp(block, "BHUPDT01", 8) == 0 && is_zero(block + ZERO, 4) &&
           is_zero(block + ZEROS, MANIFEST_SIGNED - ZEROS) && manifest->bytes > 0 &&
           get_text(block + BOARD, manifest->board, sizeof manifest->board) &&
           get_text(block + RELEASE, manifest->release, sizeof manifest->release);
}
