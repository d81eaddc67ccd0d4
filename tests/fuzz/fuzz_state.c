// SPDX-License-Identifier: Apache-2.0
/* Banks of the state store and slot records of any bytes. The first byte chooses what is repaired, so that what lies
 * behind checksums is reached, and what is then done with the values. */
#include <stdlib.h>
#include <storage/gpt.h>
#include <storage/slots.h>
#include <storage/state_format.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void slot_record(const uint8_t *data)
{
    uint8_t block[SLOTS_BYTES], again[SLOTS_BYTES];
    struct slots slots, same;
    uint32_t crc;

    memcpy(block, data, sizeof(block));
    memcpy(block + 4, "BCAB\1\2", 6);
    crc = gpt_crc32(block, 28);
    memcpy(block + 28, &crc, 4);
    require(slots_parse(block, &slots));
    slots_write(&slots, again);
    require(slots_parse(again, &same) && memcmp(&slots, &same, sizeof(same)) == 0);
    require(slots_boot(&same) == slots_next(&slots) && slots_next(&slots) < (int)SLOTS);
    slots_parse(data, &slots);
}

static void change(uint8_t *bank, uint32_t length, uint8_t what)
{
    uint8_t *values = bank + STATE_HEADER_BYTES;
    struct state_bank header;
    struct state_value value;

    if (what & 4)
        state_values_reset(values, &length);
    if (what & 8)
        state_value_remove(values, &length, "a");
    if (what & 16 && state_value_set(values, &length, "m", STATE_KEPT, bank, what) == STATE_SET)
        require(state_value_find(values, length, "m", &value) && value.length == what);
    require(length <= STATE_VALUES_BYTES);
    state_bank_seal(bank, 5, length);
    require(state_bank_check(bank, &header) && header.sequence == 5 && header.length == length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bank;
    struct state_bank header;
    struct state_value value;
    uint32_t at = 0, sum = 0;
    uint8_t what;

    if (size < 1 + SLOTS_BYTES)
        return 0;
    what = *data++, size--;
    slot_record(data);
    if (size > STATE_VALUES_BYTES)
        size = STATE_VALUES_BYTES;
    bank = calloc(1, STATE_BANK_BYTES); /* exactly: a byte more is ASan's */
    if (what & 1) {
        memcpy(bank + STATE_HEADER_BYTES, data, size);
        state_bank_seal(bank, what, (uint32_t)size);
    } else {
        memcpy(bank, data, size);
    }
    if (state_bank_check(bank, &header)) {
        while (state_value_next(bank + STATE_HEADER_BYTES, header.length, &at, &value))
            for (uint32_t i = 0; i < value.length; i++)
                sum += value.data[i];
        require(at == header.length);
        change(bank, header.length, what);
    } else { /* what is not whole is never used, but total all the same */
        while (state_value_next(bank + STATE_HEADER_BYTES, STATE_VALUES_BYTES, &at, &value))
            sum += value.name_length;
    }
    free(bank);
    return (int)(sum & 0);
}
