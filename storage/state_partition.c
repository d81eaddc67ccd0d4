// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/module.h>
#include <storage/gpt_read.h>
#include <storage/state_partition.h>
#include <string.h>

#define SECTOR 512u
#define FRONT_BYTES 8192u /* what the slot record and its copy lie in */
#define DISKS_MAX 64u
#define NAME "state"

static struct state store;
static struct gpt_reader reader;
static uint32_t disk_index;
static const char *status = "being looked for";
static bool opened, again, resetting;
static void (*when_settled[STATE_SETTLED_MAX])(struct state *store);
static uint32_t waiting;
static bool is_settled;

/* What a boot loader tells the system: Android's bootloader_message, at the partition's first byte. */
#define MESSAGE_BYTES 832u
#define MESSAGE_COMMAND "boot-recovery"
#define MESSAGE_ARGUMENTS 64u
#define MESSAGE_RESET "--wipe_data"

/* The record. */
static uint8_t front[FRONT_BYTES];
static struct slots known_slots;
static bool slots_known, slots_busy, slots_placed;
static struct slot_place places[SLOTS];
static uint8_t slots_step;
static void (*slots_done)(bool success);
static struct disk_request request;
static struct segment segment;

static void store_done(struct state *state, enum state_result result);

struct state *state_store(void)
{
    return opened ? &store : NULL;
}

void state_when_settled(void (*settled)(struct state *found))
{
    if (is_settled)
        settled(state_store());
    else if (waiting < STATE_SETTLED_MAX)
        when_settled[waiting++] = settled;
    else
        bulkhead_log("state: more than %u wait for it", STATE_SETTLED_MAX);
}

static void settle(void)
{
    is_settled = true;
    while (waiting > 0)
        when_settled[--waiting](state_store());
}

const char *state_store_status(void)
{
    return status;
}

static void transfer(enum disk_operation operation, uint32_t offset, uint32_t bytes,
                     void (*done)(struct disk_request *request, enum disk_result result))
{
    bool flush = operation == DISK_FLUSH;

    segment = (struct segment){.base = front + offset, .length = bytes};
    request = (struct disk_request){
        .operation = (uint8_t)operation,
        .segments = flush ? 0 : 1,
        .segment = flush ? NULL : &segment,
        .sector = flush ? 0 : store.first + offset / SECTOR,
        .sectors = bytes / SECTOR,
        .done = done,
    };
    store.disk->submit(store.disk, &request);
}

static void front_read(struct disk_request *done, enum disk_result result)
{
    (void)done;
    slots_placed = result == DISK_OK;
    slots_known = slots_placed && slots_read(front + SLOTS_OFFSET, front + SLOTS_BACKUP_OFFSET, &known_slots);
    if (!slots_known)
        bulkhead_log("state: the slot record %s", slots_placed ? "is damaged, and so is its copy" : "cannot be read");
    store.done = store_done;
    state_open(&store);
}

static bool place(const struct gpt_range *range)
{
    uint32_t sectors_a_block = reader.disk->block_size / SECTOR;

    store.disk = reader.disk;
    store.first = range->first * sectors_a_block;
    store.sectors = range->blocks * sectors_a_block;
    return store.sectors >= STATE_PARTITION_MIN / SECTOR && store.disk->max_transfer >= FRONT_BYTES;
}

static void place_slots(const struct gpt_reader *from)
{
    static const char *const name[SLOTS] = {"boot-a", "boot-b"};
    uint32_t sectors_a_block = from->disk->block_size / SECTOR;
    struct gpt_range range;

    for (uint32_t i = 0; i < SLOTS; i++)
        if (gpt_find(&from->header, from->table, name[i], &range) == GPT_FOUND)
            places[i] = (struct slot_place){from->disk, range.first * sectors_a_block, range.blocks * sectors_a_block};
}

static void next_disk(void);

static void table_read(struct gpt_reader *from, enum gpt_read_result result)
{
    struct gpt_range range = {0, 0};
    bool table = result == GPT_READ_OK || result == GPT_READ_BACKUP;
    enum gpt_find_result found = table ? gpt_find(&from->header, from->table, NAME, &range) : GPT_NO_SUCH_NAME;

    if (found == GPT_FOUND)
        place_slots(from);
    gpt_reader_release(from);
    if (found == GPT_NO_SUCH_NAME) {
        disk_index++;
        next_disk();
    } else if (found != GPT_FOUND || !place(&range)) {
        status = "the partition \"" NAME "\" is too small, or the partition table is wrong about it";
        bulkhead_log("state: %s: %s", from->disk->name, status);
        settle();
    } else {
        transfer(DISK_READ, 0, FRONT_BYTES, front_read);
    }
}

static void next_disk(void)
{
    struct disk *disk = disk_index < DISKS_MAX ? disk_get(disk_index) : NULL;

    if (disk == NULL) {
        status = "no disk has a partition \"" NAME "\"";
        settle();
    } else if (disk->block_size != 512 && disk->block_size != 4096) {
        disk_index++;
        next_disk();
    } else {
        reader = (struct gpt_reader){.disk = disk, .done = table_read};
        gpt_read(&reader);
    }
}

void state_partition_start(void)
{
    disk_index = 0;
    opened = again = slots_known = slots_busy = slots_placed = is_settled = resetting = false;
    store.busy = false;
    memset(places, 0, sizeof places);
    status = "being looked for";
    next_disk();
}

MODULE(MODULE_SERVICE, state_partition, state_partition_start);

static bool reset_is_wanted(void)
{
    uint32_t last = MESSAGE_BYTES - (uint32_t)strlen(MESSAGE_RESET);

    if (memcmp(front, MESSAGE_COMMAND, sizeof(MESSAGE_COMMAND)) != 0)
        return false;
    for (uint32_t at = MESSAGE_ARGUMENTS; at <= last; at++)
        if (memcmp(front + at, MESSAGE_RESET, strlen(MESSAGE_RESET)) == 0)
            return true;
    return false;
}

static void message_flushed(struct disk_request *done, enum disk_result result)
{
    (void)done;
    slots_busy = false;
    if (result != DISK_OK)
        bulkhead_log("state: %s: the wish for a factory reset cannot be taken away", store.disk->name);
}

static void message_written(struct disk_request *done, enum disk_result result)
{
    if (result == DISK_OK && store.disk->has_flush)
        transfer(DISK_FLUSH, 0, 0, message_flushed);
    else
        message_flushed(done, result);
}

/* The values are gone for good: so is the wish. */
static void message_clear(void)
{
    uint32_t block = store.disk->block_size;

    memset(front, 0, MESSAGE_BYTES);
    slots_busy = true;
    transfer(DISK_WRITE, 0, (MESSAGE_BYTES + block - 1) & ~(block - 1), message_written);
}

static const char *problem(enum state_result result)
{
    switch (result) {
    case STATE_OK:
    case STATE_NONE:
        return "stored";
    case STATE_IO_ERROR:
        return opened ? "not stored: the disk fails" : "cannot be read";
    case STATE_READ_ONLY:
        return "not stored: the disk is read-only";
    default:
        return "unusable: the disk is not as it should be";
    }
}

static void store_done(struct state *state, enum state_result result)
{
    bool good = result == STATE_OK || result == STATE_NONE;

    status = problem(result);
    if (!good)
        bulkhead_log("state: %s: %s", state->disk->name, status);
    if (!opened && state->damaged > 0)
        bulkhead_log("state: %" PRIu32 " of %u banks were damaged; %s", state->damaged, STATE_BANKS,
                     result == STATE_OK ? "the others have everything" : "all values are lost");
    if (resetting) {
        resetting = slots_busy = false;
        if (good)
            message_clear();
    }
    if (good && !opened) {
        opened = true;
        if (slots_placed && reset_is_wanted()) {
            bulkhead_log("state: factory reset: the boot loader asks for it");
            state_reset(&store);
            resetting = slots_busy = true; /* the message lies in the record's blocks: nobody writes there meanwhile */
            state_commit(&store);
        }
    }
    if (!is_settled)
        settle();
    if (again && opened) {
        again = false;
        state_store_commit();
    }
}

bool state_store_commit(void)
{
    if (!opened)
        return false;
    if (store.busy) {
        again = true;
        return true;
    }
    status = "being stored";
    return state_commit(&store);
}

bool slots_get(struct slots *slots)
{
    *slots = known_slots;
    return slots_known;
}

bool slots_place(uint32_t slot, struct slot_place *place)
{
    *place = slot < SLOTS ? places[slot] : (struct slot_place){0};
    return place->disk != NULL;
}

/* Step by step: the record, a flush, the copy, a flush. */
static void slots_go_on(struct disk_request *done, enum disk_result result)
{
    static const uint32_t place_of[] = {SLOTS_OFFSET, SLOTS_BACKUP_OFFSET};
    uint32_t block = store.disk->block_size, step = slots_step;

    (void)done;
    if (result != DISK_OK || step == 4) {
        slots_busy = false;
        if (result != DISK_OK)
            bulkhead_log("state: %s: the slot record cannot be written", store.disk->name);
        slots_done(result == DISK_OK);
        return;
    }
    slots_step++;
    if (step % 2 == 0)
        transfer(DISK_WRITE, place_of[step / 2] & ~(block - 1), block, slots_go_on);
    else if (store.disk->has_flush)
        transfer(DISK_FLUSH, 0, 0, slots_go_on);
    else
        slots_go_on(NULL, DISK_OK);
}

bool slots_put(const struct slots *slots, void (*done)(bool success))
{
    if (!slots_placed || slots_busy || store.disk->read_only)
        return false;
    slots_busy = true;
    slots_known = true;
    known_slots = *slots;
    slots_write(slots, front + SLOTS_OFFSET);
    slots_write(slots, front + SLOTS_BACKUP_OFFSET);
    slots_done = done;
    slots_step = 0;
    slots_go_on(NULL, DISK_OK);
    return true;
}
