// SPDX-License-Identifier: Apache-2.0
#include <storage/gpt.h>
#include <storage/slots.h>
#include <string.h>

#define MAGIC "BCAB" /* 0x42414342, little-endian */
#define VERSION 1u

enum block_field { SUFFIX = 0, BLOCK_MAGIC = 4, BLOCK_VERSION = 8, COUNT = 9, SLOT_INFO = 12, CHECKSUM = 28 };

/* A slot is 16 bits: priority 0-3, tries 4-6, successful 7, corrupted 8. */
#define SUCCESSFUL 0x80u
#define CORRUPTED 1u

static uint32_t checksum(const uint8_t *block)
{
    return gpt_crc32(block, CHECKSUM);
}

/* "a" and "_a" are both written, by older and newer U-Boots. */
static int8_t suffix(const uint8_t *block)
{
    uint8_t letter = block[SUFFIX] == '_' ? block[SUFFIX + 1] : block[SUFFIX];

    return letter >= 'a' && letter < 'a' + SLOTS ? (int8_t)(letter - 'a') : -1;
}

bool slots_parse(const uint8_t block[SLOTS_BYTES], struct slots *slots)
{
    uint32_t crc = checksum(block);

    for (uint32_t i = 0; i < 4; i++)
        if (block[CHECKSUM + i] != (uint8_t)(crc >> 8 * i))
            return false;
    if (memcmp(block + BLOCK_MAGIC, MAGIC, 4) != 0 || block[BLOCK_VERSION] > VERSION || (block[COUNT] & 7) != SLOTS)
        return false;
    slots->last = suffix(block);
    for (uint32_t i = 0; i < SLOTS; i++) {
        const uint8_t *info = block + SLOT_INFO + 2 * i;

        slots->slot[i] = (struct slot){
            .priority = info[0] & 15,
            .tries = info[0] >> 4 & 7,
            .successful = info[0] & SUCCESSFUL,
            .corrupted = info[1] & CORRUPTED,
        };
    }
    return true;
}

void slots_write(const struct slots *slots, uint8_t block[SLOTS_BYTES])
{
    uint32_t crc;

    memset(block, 0, SLOTS_BYTES);
    if (slots->last >= 0) {
        block[SUFFIX] = '_';
        block[SUFFIX + 1] = (uint8_t)('a' + slots->last);
    }
    memcpy(block + BLOCK_MAGIC, MAGIC, 4);
    block[BLOCK_VERSION] = VERSION;
    block[COUNT] = SLOTS;
    for (uint32_t i = 0; i < SLOTS; i++) {
        const struct slot *slot = &slots->slot[i];

        block[SLOT_INFO + 2 * i] =
            (uint8_t)((slot->priority & 15) | (slot->tries & 7) << 4 | (slot->successful ? SUCCESSFUL : 0));
        block[SLOT_INFO + 2 * i + 1] = slot->corrupted ? CORRUPTED : 0;
    }
    crc = checksum(block);
    for (uint32_t i = 0; i < 4; i++)
        block[CHECKSUM + i] = (uint8_t)(crc >> 8 * i);
}

bool slots_read(const uint8_t primary[SLOTS_BYTES], const uint8_t backup[SLOTS_BYTES], struct slots *slots)
{
    return slots_parse(primary, slots) || slots_parse(backup, slots);
}

static bool can_boot(const struct slot *slot)
{
    return slot->tries > 0 && !slot->corrupted;
}

/* Priority decides, then being confirmed, then more tries, then the order. */
static uint32_t rank(const struct slot *slot)
{
    return (uint32_t)slot->priority << 4 | (uint32_t)slot->successful << 3 | slot->tries;
}

int slots_next(const struct slots *slots)
{
    int next = -1;

    for (int i = 0; i < (int)SLOTS; i++)
        if (can_boot(&slots->slot[i]) && (next < 0 || rank(&slots->slot[i]) > rank(&slots->slot[next])))
            next = i;
    return next;
}

int slots_boot(struct slots *slots)
{
    int next = slots_next(slots);

    if (next >= 0) {
        slots->last = (int8_t)next;
        slots->slot[next].tries -= !slots->slot[next].successful;
    }
    return next;
}

void slots_close(struct slots *slots, uint32_t slot)
{
    slots->slot[slot] = (struct slot){0};
}

/* What this slot is put before keeps its place below it. */
static void put_first(struct slots *slots, uint32_t slot)
{
    struct slot *other = &slots->slot[1 - slot];

    slots->slot[slot].priority = SLOTS_PRIORITY_MAX;
    if (other->priority == SLOTS_PRIORITY_MAX)
        other->priority--;
}

void slots_trial(struct slots *slots, uint32_t slot)
{
    slots->slot[slot] = (struct slot){.tries = 1};
    put_first(slots, slot);
}

void slots_confirm(struct slots *slots, uint32_t slot)
{
    slots->slot[slot] = (struct slot){.tries = SLOTS_TRIES_MAX, .successful = true};
    put_first(slots, slot);
}

int slots_gone_by(const struct slots *slots, uint32_t running)
{
    int next = slots_next(slots);

    return slots->slot[running].successful && can_boot(&slots->slot[running]) && next != (int)running &&
                   slots->slot[next].successful
               ? next
               : -1;
}

void slots_refuse(struct slots *slots, uint32_t slot)
{
    slots->slot[slot].corrupted = true;
}
