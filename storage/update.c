// SPDX-License-Identifier: Apache-2.0
#include <bulkhead/management.h>
#include <core/bundle.h>
#include <inttypes.h>
#include <lib/p256/p256.h>
#include <mbedtls/sha256.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/module.h>
#include <mgmt/platform.h>
#include <mgmt/worker.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/state_partition.h>
#include <storage/update.h>
#include <string.h>

#define SECTOR 512u
#define CHUNK 65536u

static struct update_status status;
static void (*changed)(void *owner);
static void *owner;
static void (*inspected)(void);

/* What is known of the slots. */
static struct manifest known[SLOTS];
static bool is_known[SLOTS], was_inspected;
static const char *manifest_problem[SLOTS];

/* The update. */
static struct manifest manifest;
static uint8_t sealed[SLOT_MANIFEST_BYTES]; /* the manifest as it will lie on the disk */
static uint64_t received;
static uint32_t candidates;
static struct work verification;
static bool genuine;

/* Transfers: one at a time. `buffer[filling]` takes what arrives while the other one is written. */
static uint8_t buffer[2][CHUNK] __attribute__((aligned(4096)));
static uint32_t filling, filled, chunk, slot_now;
static uint64_t at, end; /* bytes of the slot: where the next transfer begins; of a comparison */
static bool in_flight, failing;
static mbedtls_sha256_context hash;
static void (*compared)(bool readable, const uint8_t digest[32]);
static struct disk_request request;
static struct segment segment;

const struct update_status *update_status(void)
{
    return &status;
}

bool update_busy(void)
{
    return status.phase != UPDATE_IDLE && status.phase < UPDATE_DONE;
}

const struct manifest *update_manifest(uint32_t slot)
{
    return slot < SLOTS && is_known[slot] ? &known[slot] : NULL;
}

const char *update_manifest_problem(uint32_t slot)
{
    return slot < SLOTS ? manifest_problem[slot] : NULL;
}

static bool matches(uint32_t slot)
{
    const struct status_page *page = platform_status();

    return is_known[slot] && known[slot].version == page->bundle_version &&
           strncmp(known[slot].release, page->kernel_version, sizeof page->kernel_version - 1) == 0;
}

int update_running(void)
{
    uint32_t told = platform_status()->boot_slot - 'a', noted;
    struct slot_place place;
    struct slots slots;

    if (told < SLOTS)
        return (int)told;
    noted = slots_get(&slots) && slots.last >= 0 ? (uint32_t)slots.last : 0;
    if (!slots_place(noted, &place))
        return -1;
    return (int)(!matches(noted) && matches(1 - noted) ? 1 - noted : noted);
}

uint32_t update_version_minimum(void)
{
    const struct state *store = state_store();
    struct state_value value;
    char text[12] = "";
    uint32_t stored = 0;

    if (store != NULL && state_get(store, "rollback", &value) && value.length < sizeof text) {
        memcpy(text, value.data, value.length);
        stored = (uint32_t)strtoul(text, NULL, 10);
    }
    return stored > bundle_trust.version_minimum ? stored : bundle_trust.version_minimum;
}

/* Phases. */

static void enter(enum update_phase phase)
{
    status.phase = phase;
    status.done = 0;
    if (changed != NULL)
        changed(owner);
}

static void fail_now(void)
{
    failing = false;
    status.failed++;
    bulkhead_log("update: not installed: %s", status.problem);
    enter(UPDATE_FAILED);
}

__attribute__((format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list arguments;

    if (failing)
        return;
    va_start(arguments, format);
    vsnprintf(status.problem, sizeof status.problem, format, arguments);
    va_end(arguments);
    if (in_flight)
        failing = true; /* it ends when that has */
    else
        fail_now();
}

/* A request is done. False: and with it a failed update. */
static bool landed(enum disk_result result, const char *doing)
{
    in_flight = false;
    if (failing)
        fail_now();
    else if (result == DISK_OK)
        return true;
    else
        fail("the disk fails while slot %c is %s", (int)('a' + slot_now), doing);
    return false;
}

/* Transfers */

static void transfer(enum disk_operation operation, uint32_t slot, uint64_t offset, void *data, uint64_t bytes,
                     void (*done)(struct disk_request *request, enum disk_result result))
{
    struct slot_place place;

    slots_place(slot, &place);
    slot_now = slot;
    in_flight = true;
    segment = (struct segment){.base = data, .length = (uint32_t)bytes};
    request = (struct disk_request){
        .operation = (uint8_t)operation,
        .segments = operation == DISK_FLUSH ? 0 : 1,
        .segment = operation == DISK_FLUSH ? NULL : &segment,
        .sector = operation == DISK_FLUSH ? 0 : place.first + offset / SECTOR,
        .sectors = bytes / SECTOR,
        .done = done,
    };
    place.disk->submit(place.disk, &request);
}

static uint64_t slot_bytes(uint32_t slot)
{
    struct slot_place place;

    return slots_place(slot, &place) ? place.sectors * SECTOR : 0;
}

/* Bytes of a slot before its manifest; 0: it is too small for one. */
static uint64_t slot_room(uint32_t slot)
{
    uint64_t bytes = slot_bytes(slot);

    return bytes > SLOT_MANIFEST_BYTES ? bytes - SLOT_MANIFEST_BYTES : 0;
}

static uint64_t padded(uint64_t bytes)
{
    return (bytes + SLOT_MANIFEST_BYTES - 1) & ~(uint64_t)(SLOT_MANIFEST_BYTES - 1);
}

static void set_chunk(uint32_t slot)
{
    struct slot_place place;

    slots_place(slot, &place);
    chunk = place.disk->max_transfer < CHUNK ? place.disk->max_transfer & ~(SLOT_MANIFEST_BYTES - 1) : CHUNK;
}

/* The SHA-256 of the first bytes of a slot, for compared(). */
static void compare_next(void);

static void compare_read(struct disk_request *done, enum disk_result result)
{
    (void)done;
    in_flight = false;
    if (failing) {
        fail_now();
        return;
    }
    if (result != DISK_OK) {
        compared(false, NULL);
        return;
    }
    mbedtls_sha256_update(&hash, buffer[0], end - at < chunk ? end - at : chunk);
    at += chunk;
    status.done = at < end ? at : end;
    compare_next();
}

static void compare_next(void)
{
    uint8_t digest[32];
    uint64_t left = at < end ? padded(end - at) : 0;

    if (left > 0) {
        transfer(DISK_READ, slot_now, at, buffer[0], left < chunk ? left : chunk, compare_read);
    } else {
        mbedtls_sha256_finish(&hash, digest);
        compared(true, digest);
    }
}

static void compare(uint32_t slot, uint64_t bytes, void (*done)(bool readable, const uint8_t digest[32]))
{
    slot_now = slot;
    at = 0;
    end = status.total = bytes;
    compared = done;
    mbedtls_sha256_starts(&hash, 0);
    compare_next();
}

/* What is in the slots */

static void inspect_read(struct disk_request *done, enum disk_result result);

static void inspect(uint32_t slot)
{
    while (slot < SLOTS && slot_room(slot) == 0) {
        is_known[slot] = false;
        manifest_problem[slot++] = NULL;
    }
    if (slot < SLOTS) {
        transfer(DISK_READ, slot, slot_room(slot), buffer[0], SLOT_MANIFEST_BYTES, inspect_read);
    } else {
        was_inspected = true;
        enter(UPDATE_IDLE);
        inspected();
    }
}

static bool is_zero(const uint8_t *data, size_t length)
{
    while (length > 0 && data[length - 1] == 0)
        length--;
    return length == 0;
}

static bool is_signed(const uint8_t *block)
{
    uint8_t digest[32];

    mbedtls_sha256(block, MANIFEST_SIGNED, digest, 0);
    return p256_verify(block + MANIFEST_SIGNED, bundle_trust.key, digest);
}

/* Every byte of it counts; but another key's signature (of before a rotation) cannot be checked here. */
static const char *manifest_take(const uint8_t block[SLOT_MANIFEST_BYTES], struct manifest *found, bool *usable)
{
    bool is_ours;

    *usable = manifest_parse(block, found) && found->bytes <= slot_room(slot_now) &&
              is_zero(block + MANIFEST_BYTES, SLOT_MANIFEST_BYTES - MANIFEST_BYTES);
    is_ours = *usable && memcmp(found->key_id, bundle_trust.key_id, sizeof found->key_id) == 0;
    if (is_ours)
        *usable = is_signed(block);
    if (*usable)
        return is_ours ? NULL : "its manifest is signed with another key";
    return is_zero(block, SLOT_MANIFEST_BYTES) ? NULL : "its manifest is damaged";
}

static void inspect_read(struct disk_request *done, enum disk_result result)
{
    (void)done;
    in_flight = false;
    is_known[slot_now] = false;
    manifest_problem[slot_now] = result == DISK_OK ? manifest_take(buffer[0], &known[slot_now], &is_known[slot_now])
                                                   : "its manifest cannot be read";
    if (manifest_problem[slot_now] != NULL)
        bulkhead_log("update: slot %c: %s", (int)('a' + slot_now), manifest_problem[slot_now]);
    inspect(slot_now + 1);
}

bool update_inspect(void (*done)(void))
{
    if (update_busy())
        return false;
    status.phase = UPDATE_INSPECTING;
    inspected = done;
    inspect(0);
    return true;
}

static void (*examined)(const char *why);

static void examined_bytes(bool readable, const uint8_t digest[32])
{
    const struct manifest *expected = &known[slot_now];
    const char *why = NULL;

    if (!readable)
        why = "the disk cannot read it";
    else if (memcmp(digest, expected->digest, sizeof expected->digest) != 0)
        why = "its bytes are not what was installed";
    else if (expected->version < update_version_minimum())
        why = "its version is too old";
    enter(UPDATE_IDLE);
    examined(why);
}

bool update_examine(uint32_t slot, void (*done)(const char *why))
{
    if (update_busy())
        return false;
    examined = done;
    if (!is_known[slot]) {
        done("its manifest is damaged, or it has none");
        return true;
    }
    status.phase = UPDATE_INSPECTING;
    set_chunk(slot);
    mbedtls_sha256_init(&hash);
    compare(slot, known[slot].bytes, examined_bytes);
    return true;
}

/* The last steps: from the last one backwards. */

static void opened(bool success)
{
    in_flight = false;
    if (!success) {
        fail("slot %c is whole, but the slot record cannot be written", (int)('a' + status.slot));
        return;
    }
    known[status.slot] = manifest;
    is_known[status.slot] = true;
    status.completed++;
    bulkhead_log("update: version %" PRIu32 " (%s) is in slot %c, for one trial boot", manifest.version,
                 manifest.release, (int)('a' + status.slot));
    enter(UPDATE_DONE);
}

static void open_slot(struct disk_request *done, enum disk_result result)
{
    struct slots slots;

    (void)done;
    if (!landed(result, "read back"))
        return;
    if (memcmp(buffer[0], sealed, sizeof sealed) != 0) {
        fail("the disk does not keep what it is given: slot %c reads back otherwise", (int)('a' + status.slot));
        return;
    }
    enter(UPDATE_OPENING);
    slots_get(&slots);
    slots_trial(&slots, status.slot);
    in_flight = slots_put(&slots, opened);
    if (!in_flight)
        fail("the slot record is being written by somebody else");
}

static void checked(bool readable, const uint8_t digest[32])
{
    if (!readable)
        fail("the disk fails while slot %c is read back", (int)('a' + status.slot));
    else if (memcmp(digest, manifest.digest, sizeof manifest.digest) != 0)
        fail("the disk does not keep what it is given: slot %c reads back otherwise", (int)('a' + status.slot));
    else
        transfer(DISK_READ, status.slot, slot_room(status.slot), buffer[0], SLOT_MANIFEST_BYTES, open_slot);
}

static void flushed(struct disk_request *done, enum disk_result result)
{
    (void)done;
    if (!landed(result, "written"))
        return;
    enter(UPDATE_CHECKING);
    compare(status.slot, manifest.bytes, checked);
}

static void manifest_written(struct disk_request *done, enum disk_result result)
{
    struct slot_place place;

    slots_place(status.slot, &place);
    if (!place.disk->has_flush)
        flushed(done, result);
    else if (landed(result, "written"))
        transfer(DISK_FLUSH, status.slot, 0, NULL, 0, flushed);
}

static void seal(void)
{
    uint8_t digest[32];

    mbedtls_sha256_finish(&hash, digest);
    if (memcmp(digest, manifest.digest, sizeof digest) != 0) {
        fail("what arrived is not what was signed: the file is damaged");
        return;
    }
    enter(UPDATE_SEALING);
    transfer(DISK_WRITE, status.slot, slot_room(status.slot), sealed, sizeof sealed, manifest_written);
}

/* Receiving */

static void write_next(void);

static void written(struct disk_request *done, enum disk_result result)
{
    (void)done;
    if (!landed(result, "written"))
        return;
    status.bytes += request.sectors * SECTOR;
    status.done = at < manifest.bytes ? at : manifest.bytes;
    write_next();
    if (status.phase == UPDATE_WRITING && changed != NULL)
        changed(owner);
}

/* What has arrived, when it fills a buffer or is the last. */
static void write_next(void)
{
    uint8_t *data = buffer[filling];
    uint64_t bytes = padded(filled);

    if (in_flight || (filled < chunk && received < manifest.bytes))
        return;
    if (filled == 0) {
        seal();
        return;
    }
    memset(data + filled, 0, bytes - filled);
    filling = 1 - filling;
    filled = 0;
    at += bytes;
    transfer(DISK_WRITE, status.slot, at - bytes, data, bytes, written);
}

static size_t receive_slot(const uint8_t *data, size_t length)
{
    size_t taken = 0;

    while (taken < length && received < manifest.bytes) {
        uint64_t room = chunk - filled, more = length - taken;

        more = more < room ? more : room;
        more = more < manifest.bytes - received ? more : manifest.bytes - received;
        if (more == 0)
            break;
        memcpy(buffer[filling] + filled, data + taken, more);
        mbedtls_sha256_update(&hash, data + taken, more);
        filled += (uint32_t)more;
        received += more;
        taken += more;
        write_next();
    }
    return taken;
}

static void closed(bool success)
{
    in_flight = false;
    if (failing) {
        fail_now();
        return;
    }
    if (!success) {
        fail("the slot record cannot be written");
        return;
    }
    received = at = filled = filling = 0;
    mbedtls_sha256_starts(&hash, 0);
    status.total = manifest.bytes;
    enter(UPDATE_WRITING);
}

/* The slot that stays is whole. */
static void close_other(uint32_t kept)
{
    struct slots slots;

    status.slot = 1 - kept;
    if (manifest.bytes > slot_room(status.slot) || padded(manifest.bytes) > slot_room(status.slot)) {
        fail("it has %" PRIu64 " bytes, and a slot has room for %" PRIu64, manifest.bytes, slot_room(status.slot));
        return;
    }
    if (!slots_get(&slots)) {
        bulkhead_log("update: the slot record is made anew: slot %c is whole", (int)('a' + kept));
        slots = (struct slots){.last = (int8_t)kept};
        slots_confirm(&slots, kept);
    }
    slots_close(&slots, status.slot);
    if (slots_next(&slots) < 0) {
        bulkhead_log("update: slot %c is whole, and boots again: the other one is being filled", (int)('a' + kept));
        slots_confirm(&slots, kept);
    }
    is_known[status.slot] = false;
    manifest_problem[status.slot] = NULL;
    enter(UPDATE_CLOSING);
    in_flight = slots_put(&slots, closed);
    if (!in_flight)
        fail("the slot record is being written by somebody else");
}

static void check_kept(uint32_t slot);

static void kept_checked(bool readable, const uint8_t digest[32])
{
    if (readable && memcmp(digest, known[slot_now].digest, sizeof known[slot_now].digest) == 0) {
        close_other(slot_now);
        return;
    }
    bulkhead_log("update: slot %c is damaged on the disk", (int)('a' + slot_now));
    check_kept(1 - slot_now);
}

/* A loader that leaves a damaged slot for the other one may not have noted that: then the other one is what runs. */
static void check_kept(uint32_t slot)
{
    if (candidates++ == SLOTS) {
        fail(
            "no slot on the disk is whole, so that none can be given up for this; write the disk anew (docs/image.md)");
    } else if (!is_known[slot]) {
        bulkhead_log("update: slot %c has no manifest", (int)('a' + slot));
        check_kept(1 - slot);
    } else {
        compare(slot, known[slot].bytes, kept_checked);
    }
}

static void verify(struct work *work)
{
    (void)work;
    genuine = is_signed(sealed);
}

static uint64_t key_name(const uint8_t id[8])
{
    uint64_t name = 0;

    for (uint32_t i = 0; i < 8; i++)
        name = name << 8 | id[i];
    return name;
}

static void verified(struct work *work)
{
    (void)work;
    in_flight = false;
    if (failing) {
        fail_now();
    } else if (genuine) {
        candidates = 0;
        enter(UPDATE_KEPT);
        check_kept(1 - status.slot);
    } else if (memcmp(manifest.key_id, bundle_trust.key_id, sizeof manifest.key_id) != 0) {
        fail("it is signed with another key, %016" PRIx64 "; this appliance's is %016" PRIx64,
             key_name(manifest.key_id), key_name(bundle_trust.key_id));
    } else {
        fail("its signature is wrong");
    }
}

static void header_came(void)
{
    uint32_t minimum = update_version_minimum();
    uint64_t room = slot_room(status.slot);

    if (!manifest_parse(sealed, &manifest)) {
        fail("this is no update: `make update` makes one, bulkhead.update");
    } else if (strcmp(manifest.board, board_name) != 0) {
        fail("it is for the board %s; this is %s", manifest.board, board_name);
    } else if (manifest.version < minimum) {
        fail("its version, %" PRIu32 ", is too old: this appliance takes %" PRIu32 " or later", manifest.version,
             minimum);
    } else if (manifest.bytes > room) {
        fail("it has %" PRIu64 " bytes, and a slot has room for %" PRIu64, manifest.bytes, room);
    } else {
        enter(UPDATE_SIGNATURE);
        in_flight = true;
        verification = (struct work){.run = verify, .done = verified};
        worker_submit(&verification);
    }
}

size_t update_receive(const uint8_t *data, size_t length)
{
    size_t taken = 0;

    switch (status.phase) {
    case UPDATE_HEADER:
        while (taken < length && received < MANIFEST_BYTES)
            sealed[received++] = data[taken++];
        if (received == MANIFEST_BYTES)
            header_came();
        return taken;
    case UPDATE_WRITING:
        if (received < manifest.bytes)
            return receive_slot(data, length);
        return length;
    case UPDATE_SIGNATURE:
    case UPDATE_KEPT:
    case UPDATE_CLOSING:
        return 0;
    default:
        return length; /* nobody wants it any more */
    }
}

const char *update_begin(void (*on_change)(void *owner), void *of)
{
    struct slot_place place;
    struct slots slots;
    int running = update_running();

    if (update_busy())
        return status.phase == UPDATE_INSPECTING ? "the slots are still being looked at; try again"
                                                 : "another update is under way; 'slots' shows it";
    if (running < 0 || !slots_place(1 - (uint32_t)running, &place))
        return "no disk has boot slots: partitions \"boot-a\", \"boot-b\" and \"state\"";
    if (!was_inspected)
        return "the slots are still being looked at; try again";
    if (place.disk->read_only)
        return "the disk is read-only";
    if (slots_get(&slots) && !slots.slot[running].successful)
        return "what runs is on trial: 'update confirm' or 'update rollback' first";
    set_chunk(1 - (uint32_t)running);
    changed = on_change;
    owner = of;
    received = 0;
    failing = false;
    memset(sealed, 0, sizeof sealed);
    mbedtls_sha256_init(&hash);
    status.started++;
    status.total = 0;
    status.problem[0] = 0;
    status.slot = 1 - (uint32_t)running;
    enter(UPDATE_HEADER);
    return NULL;
}

bool update_abandon(const char *why)
{
    bool arriving = status.phase >= UPDATE_HEADER &&
                    (status.phase < UPDATE_WRITING || (status.phase == UPDATE_WRITING && received < manifest.bytes));

    if (arriving)
        fail("%s", why);
    return arriving;
}

void update_forget(void)
{
    changed = NULL;
}

static void update_start(void)
{
    status = (struct update_status){.phase = UPDATE_IDLE};
    changed = NULL;
    was_inspected = in_flight = failing = is_known[0] = is_known[1] = false;
}
MODULE(MODULE_SERVICE, update, update_start);
