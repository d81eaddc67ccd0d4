// SPDX-License-Identifier: Apache-2.0
#include <storage/gpt.h>
#include <storage/state_format.h>
#include <string.h>

#define VALUE_HEADER 4u
#define SEQUENCE_MAX (1ull << 63)

enum header_field { HEADER_SEQUENCE = 8, HEADER_LENGTH = 16, HEADER_VALUES_CRC = 20, HEADER_CRC = 24 };
static const char magic[8] = {'B', 'H', 'S', 'T', 'A', 'T', 'E', '1'};

static uint64_t get(const uint8_t *from, uint32_t bytes)
{
    uint64_t value = 0;

    for (uint32_t i = bytes; i-- > 0;)
        value = value << 8 | from[i];
    return value;
}

static void put(uint8_t *to, uint32_t bytes, uint64_t value)
{
    for (uint32_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static bool name_valid(const char *name, size_t length)
{
    if (length == 0 || length > STATE_NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'))
            return false;
    }
    return true;
}

static int name_compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

    return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

bool state_value_next(const uint8_t *values, uint32_t length, uint32_t *at, struct state_value *value)
{
    const uint8_t *record = values + *at;
    uint32_t left = length - *at;
    uint16_t size;

    if (*at >= length || left < VALUE_HEADER)
        return false;
    size = (uint16_t)get(record + 2, 2);
    if (size > STATE_VALUE_MAX || left - VALUE_HEADER < record[0] + (uint32_t)size ||
        !name_valid((const char *)record + VALUE_HEADER, record[0]))
        return false;
    *value = (struct state_value){
        .name = (const char *)record + VALUE_HEADER,
        .name_length = record[0],
        .flags = record[1],
        .data = record + VALUE_HEADER + record[0],
        .length = size,
    };
    *at += VALUE_HEADER + record[0] + size;
    return true;
}

static bool values_check(const uint8_t *values, uint32_t length)
{
    struct state_value value, before = {0};
    uint32_t at = 0;

    while (at < length) {
        if (!state_value_next(values, length, &at, &value))
            return false;
        if (before.name != NULL && name_compare(before.name, before.name_length, value.name, value.name_length) >= 0)
            return false;
        before = value;
    }
    return true;
}

bool state_bank_check(const uint8_t *bank, struct state_bank *header)
{
    *header = (struct state_bank){
        .sequence = get(bank + HEADER_SEQUENCE, 8),
        .length = (uint32_t)get(bank + HEADER_LENGTH, 4),
        .crc = (uint32_t)get(bank + HEADER_VALUES_CRC, 4),
    };
    return memcmp(bank, magic, sizeof(magic)) == 0 && gpt_crc32(bank, HEADER_CRC) == get(bank + HEADER_CRC, 4) &&
           header->sequence < SEQUENCE_MAX && header->length <= STATE_VALUES_BYTES &&
           gpt_crc32(bank + STATE_HEADER_BYTES, header->length) == header->crc &&
           values_check(bank + STATE_HEADER_BYTES, header->length);
}

void state_bank_seal(uint8_t *bank, uint64_t sequence, uint32_t length)
{
    memset(bank, 0, STATE_HEADER_BYTES);
    memset(bank + STATE_HEADER_BYTES + length, 0, STATE_VALUES_BYTES - length);
    memcpy(bank, magic, sizeof(magic));
    put(bank + HEADER_SEQUENCE, 8, sequence);
    put(bank + HEADER_LENGTH, 4, length);
    put(bank + HEADER_VALUES_CRC, 4, gpt_crc32(bank + STATE_HEADER_BYTES, length));
    put(bank + HEADER_CRC, 4, gpt_crc32(bank, HEADER_CRC));
}

/* Where the value named so stands: [*first, *end); or, if there is none, where it would: *first == *end. */
static void locate(const uint8_t *values, uint32_t length, const char *name, size_t name_length, uint32_t *first,
                   uint32_t *end)
{
    struct state_value value;
    uint32_t at = 0;

    *first = *end = 0;
    while (state_value_next(values, length, &at, &value)) {
        int order = name_compare(value.name, value.name_length, name, name_length);

        if (order < 0)
            *first = at;
        *end = order <= 0 ? at : *end;
        if (order >= 0)
            return;
    }
}

bool state_value_find(const uint8_t *values, uint32_t length, const char *name, struct state_value *value)
{
    uint32_t first, end;

    locate(values, length, name, strlen(name), &first, &end);
    return first < end && state_value_next(values, length, &first, value);
}

/* The bytes [first, end) become `room` bytes of whatever; returns the new length. */
static uint32_t make_room(uint8_t *values, uint32_t length, uint32_t first, uint32_t end, uint32_t room)
{
    memmove(values + first + room, values + end, length - end);
    return length - (end - first) + room;
}

enum state_set_result state_value_set(uint8_t *values, uint32_t *length, const char *name, uint8_t flags,
                                      const void *data, size_t size)
{
    size_t name_length = strnlen(name, STATE_NAME_MAX + 1);
    uint32_t first, end, bytes = (uint32_t)(VALUE_HEADER + name_length + size);

    if (!name_valid(name, name_length))
        return STATE_SET_BAD_NAME;
    if (size > STATE_VALUE_MAX)
        return STATE_SET_TOO_LONG;
    locate(values, *length, name, name_length, &first, &end);
    if (*length - (end - first) + bytes > STATE_VALUES_BYTES)
        return STATE_SET_FULL;
    *length = make_room(values, *length, first, end, bytes);
    values[first] = (uint8_t)name_length;
    values[first + 1] = flags;
    put(values + first + 2, 2, size);
    memcpy(values + first + VALUE_HEADER, name, name_length);
    if (size > 0)
        memcpy(values + first + VALUE_HEADER + name_length, data, size);
    return STATE_SET;
}

bool state_value_remove(uint8_t *values, uint32_t *length, const char *name)
{
    uint32_t first, end;

    locate(values, *length, name, strlen(name), &first, &end);
    *length = make_room(values, *length, first, end, 0);
    return first < end;
}

void state_values_reset(uint8_t *values, uint32_t *length)
{
    struct state_value value;
    uint32_t at = 0, first = 0;

    while (state_value_next(values, *length, &at, &value)) {
        if (value.flags & STATE_KEPT) {
            first = at;
        } else {
            *length = make_room(values, *length, first, at, 0);
            at = first;
        }
    }
}
