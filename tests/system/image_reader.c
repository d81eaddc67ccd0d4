// SPDX-License-Identifier: Apache-2.0
/* image_reader IMAGE NAME...: where the appliance's own readers find these partitions, and what they find in "state". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/gpt.h>
#include <storage/slots.h>
#include <storage/state.h>
#include <string.h>

static uint8_t *at(FILE *file, uint64_t offset, size_t length)
{
    uint8_t *data = malloc(length);

    if (fseek(file, (long)offset, SEEK_SET) != 0 || fread(data, 1, length, file) != length)
        exit(2);
    return data;
}

static void show_state(FILE *file, uint64_t offset)
{
    struct slots slots;
    struct state_bank bank;
    struct state_value value;

    if (!slots_parse(at(file, offset + SLOTS_OFFSET, SLOTS_BYTES), &slots) ||
        !slots_parse(at(file, offset + SLOTS_BACKUP_OFFSET, SLOTS_BYTES), &slots))
        exit(3);
    printf("next %d\n", slots_next(&slots));
    slots.slot[slots_next(&slots)].corrupted = true;
    printf("then %d\n", slots_next(&slots));
    for (uint32_t i = 0; i < STATE_BANKS; i++) {
        uint8_t *data = at(file, offset + STATE_FIRST_BANK + (uint64_t)i * STATE_BANK_BYTES, STATE_BANK_BYTES);
        uint32_t place = 0;

        if (!state_bank_check(data, &bank))
            exit(4);
        printf("bank %" PRIu32 " sequence %" PRIu64 "\n", i, bank.sequence);
        while (state_value_next(data + STATE_HEADER_BYTES, bank.length, &place, &value))
            printf("value %.*s=%.*s %u\n", value.name_length, value.name, value.length, value.data, value.flags);
    }
}

int main(int count, char **words)
{
    FILE *file = fopen(words[1], "rb");
    uint64_t blocks;
    struct gpt_header header;
    struct gpt_range range = {0, 0};
    uint8_t *table;

    fseek(file, 0, SEEK_END);
    blocks = (uint64_t)ftell(file) / 512;
    for (uint32_t backup = 0; backup < 2; backup++) {
        uint64_t lba = backup ? blocks - 1 : 1;

        if (!gpt_header_parse(at(file, lba * 512, 512), 512, lba, blocks, &header))
            return 5;
        table = at(file, header.table * 512, header.table_blocks * 512);
        if (!gpt_table_check(&header, table))
            return 6;
        for (int i = 2; i < count; i++) {
            if (gpt_find(&header, table, words[i], &range) != GPT_FOUND)
                return 7;
            printf("%s %" PRIu64 " %" PRIu64 "\n", words[i], range.first * 512, range.blocks * 512);
        }
    }
    if (gpt_find(&header, table, "state", &range) == GPT_FOUND)
        show_state(file, range.first * 512);
    return 0;
}
