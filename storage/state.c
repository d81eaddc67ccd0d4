// SPDX-License-Identifier: Apache-2.0
#include <storage/state.h>
#include <string.h>

#define SECTOR 512u

/* What is done with a bank: read it; or write it, in this order. */
enum step { STEP_READ, STEP_VALUES, STEP_VALUES_FLUSH, STEP_HEADER, STEP_HEADER_FLUSH, STEP_WRITTEN };

static void write_next_bank(struct state *state);
static void transfer_done(struct disk_request *request, enum disk_result result);

static void finish(struct state *state, enum state_result result)
{
    state->busy = false;
    state->done(state, result);
}

static bool usable(const struct state *state)
{
    const struct disk *disk = state->disk;

    return (disk->block_size == 512 || disk->block_size == STATE_HEADER_BYTES) &&
           state->first % (disk->block_size / SECTOR) == 0 && disk->max_transfer >= disk->block_size &&
           state->sectors >= STATE_PARTITION_MIN / SECTOR && state->first <= disk->sectors &&
           state->sectors <= disk->sectors - state->first;
}

static void submit(struct state *state, enum disk_operation operation, uint32_t offset, uint32_t bytes)
{
    uint64_t at = STATE_FIRST_BANK + (uint64_t)state->bank * STATE_BANK_BYTES + offset;
    bool flush = operation == DISK_FLUSH;

    state->segment = (struct segment){.base = state->buffer + offset, .length = bytes};
    state->request = (struct disk_request){
        .operation = (uint8_t)operation,
        .segments = flush ? 0 : 1,
        .segment = flush ? NULL : &state->segment,
        .sector = flush ? 0 : state->first + at / SECTOR,
        .sectors = bytes / SECTOR,
        .done = transfer_done,
        .owner = state,
    };
    state->disk->submit(state->disk, &state->request);
}

/* As much of [offset, end) of the bank as the disk takes at once. */
static void transfer(struct state *state)
{
    uint32_t most = state->disk->max_transfer & ~(state->disk->block_size - 1), offset = state->offset;
    uint32_t bytes = state->end - offset < most ? state->end - offset : most;

    state->offset += bytes;
    submit(state, state->step == STEP_READ ? DISK_READ : DISK_WRITE, offset, bytes);
}

/* The first bank of a commit that is stable is the new current one; the others follow. */
static void bank_written(struct state *state, bool success)
{
    if (!success) {
        state->bank_errors++;
    } else {
        state->held[state->bank] = state->stored;
        state->healed += state->healing;
        if (state->committing)
            state->current = state->bank;
        state->committing = false;
    }
    write_next_bank(state);
}

static void start(struct state *state, enum step step)
{
    uint32_t bytes = state->stored > state->held[state->bank] ? state->stored : state->held[state->bank];

    if (step == STEP_VALUES && bytes == 0)
        step = STEP_HEADER;
    if ((step == STEP_VALUES_FLUSH || step == STEP_HEADER_FLUSH) && !state->disk->has_flush)
        step++;
    state->step = (uint8_t)step;
    switch (step) {
    case STEP_READ:
        state->offset = 0;
        state->end = STATE_BANK_BYTES;
        transfer(state);
        break;
    case STEP_VALUES: /* over all that the bank held before: nothing of that stays */
        state->held[state->bank] = STATE_VALUES_BYTES;
        state->offset = STATE_HEADER_BYTES;
        state->end = STATE_HEADER_BYTES + (bytes + STATE_HEADER_BYTES - 1) / STATE_HEADER_BYTES * STATE_HEADER_BYTES;
        transfer(state);
        break;
    case STEP_HEADER:
        state->offset = 0;
        state->end = STATE_HEADER_BYTES;
        transfer(state);
        break;
    case STEP_VALUES_FLUSH:
    case STEP_HEADER_FLUSH:
        state->offset = state->end = 0;
        submit(state, DISK_FLUSH, 0, 0);
        break;
    case STEP_WRITTEN:
        bank_written(state, true);
        break;
    }
}

/* From the bank after the current one round to that, which is overwritten only when another holds the same by then. */
static void write_next_bank(struct state *state)
{
    for (uint32_t i = 1; i <= STATE_BANKS; i++) {
        uint32_t bank = (state->current + i) % STATE_BANKS;

        if (!(state->pending & 1u << bank))
            continue;
        if (bank == state->current)
            break; /* and no other could be written */
        state->pending &= ~(1u << bank);
        state->bank = bank;
        start(state, STEP_VALUES);
        return;
    }
    state->commits += !state->healing && !state->committing;
    state->failed_commits += state->committing;
    state->healing = false;
    finish(state, state->committing ? STATE_IO_ERROR : STATE_OK);
}

/* All banks are read: those that are not the newest are written again. */
static void all_read(struct state *state)
{
    if (state->current == STATE_BANKS) {
        finish(state, state->bank_errors == STATE_BANKS ? STATE_IO_ERROR : STATE_NONE);
    } else if (state->disk->read_only || state->pending == 0) {
        finish(state, STATE_OK);
    } else {
        state->healing = true;
        state->stored = state->length;
        memcpy(state->buffer + STATE_HEADER_BYTES, state->values, state->length);
        state_bank_seal(state->buffer, state->sequence, state->length);
        write_next_bank(state);
    }
}

static void bank_read(struct state *state, bool success)
{
    static const char begins[4] = {'B', 'H', 'S', 'T'};
    const uint8_t *values = state->buffer + STATE_HEADER_BYTES;
    struct state_bank header = {0};
    bool whole = success && state_bank_check(state->buffer, &header);

    state->bank_errors += !success;
    state->damaged += !success || (!whole && memcmp(state->buffer, begins, sizeof(begins)) == 0);
    state->held[state->bank] = whole ? header.length : STATE_VALUES_BYTES;
    if (whole && (state->current == STATE_BANKS || header.sequence > state->sequence)) {
        state->pending = (1u << state->bank) - 1; /* all before it are older, or nothing */
        state->current = state->bank;
        state->sequence = header.sequence;
        state->length = header.length;
        memcpy(state->values, values, header.length);
    } else if (!whole || header.sequence != state->sequence || header.length != state->length ||
               memcmp(values, state->values, header.length) != 0) {
        state->pending |= 1u << state->bank;
    }
    if (++state->bank < STATE_BANKS)
        start(state, STEP_READ);
    else
        all_read(state);
}

static void transfer_done(struct disk_request *request, enum disk_result result)
{
    struct state *state = request->owner;

    if (result == DISK_OK && state->offset < state->end)
        transfer(state);
    else if (state->step == STEP_READ)
        bank_read(state, result == DISK_OK);
    else if (result != DISK_OK)
        bank_written(state, false);
    else
        start(state, (enum step)(state->step + 1));
}

void state_open(struct state *state)
{
    state->busy = true;
    state->healing = state->committing = false;
    state->current = STATE_BANKS;
    state->sequence = state->commits = state->failed_commits = state->bank_errors = state->healed = 0;
    state->length = state->stored = state->pending = state->bank = state->damaged = 0;
    if (usable(state))
        start(state, STEP_READ);
    else
        finish(state, STATE_UNUSABLE);
}

bool state_commit(struct state *state)
{
    if (state->busy)
        return false;
    state->busy = true;
    if (!usable(state) || state->disk->read_only) {
        finish(state, usable(state) ? STATE_READ_ONLY : STATE_UNUSABLE);
        return true;
    }
    state->committing = true;
    state->pending = (1u << STATE_BANKS) - 1;
    state->stored = state->length;
    state->sequence++; /* also after one that failed: parts of that may be on the disk */
    memcpy(state->buffer + STATE_HEADER_BYTES, state->values, state->length);
    state_bank_seal(state->buffer, state->sequence, state->length);
    write_next_bank(state);
    return true;
}

bool state_get(const struct state *state, const char *name, struct state_value *value)
{
    return state_value_find(state->values, state->length, name, value);
}

enum state_set_result state_set(struct state *state, const char *name, uint8_t flags, const void *data, size_t size)
{
    return state_value_set(state->values, &state->length, name, flags, data, size);
}

bool state_remove(struct state *state, const char *name)
{
    return state_value_remove(state->values, &state->length, name);
}

void state_reset(struct state *state)
{
    state_values_reset(state->values, &state->length);
}
