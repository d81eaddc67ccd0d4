// SPDX-License-Identifier: Apache-2.0
#include "measure.h"
#include <lib/event_log.h>
#include <libfdt.h>
#include <string.h>

#define LOG_MAX 0x40000u   /* of the firmware */
#define OWN_ROOM 1024u     /* of a log of ours: three short events */
#define FINAL_ROOM 0x2000u /* for what the firmware adds at the end */
#define FINAL_EVENTS_MAX 64u
#define SIGNATURE_BYTES 112u /* struct signature_block of core/bundle.c: the end of the bundle's tree */
#define PCR_KERNEL 8u
#define PCR_BUNDLE 9u
#define PCR_STATE 12u
#define TCG2_LOG_FORMAT_TCG_2 2u
#define EXIT_BOOT_SERVICES 0x201u /* kind of an event */
#define TPL_CALLBACK 8u           /* after the firmware's own of that kind, which are at TPL_NOTIFY */

struct tcg2_event {
    uint32_t size, header_size;
    uint16_t header_version;
    uint32_t pcr, type;
    uint8_t data[32];
} __attribute__((packed));
#define EVENT_HEADER_BYTES 14u

struct tcg2 {
    void *get_capability;
    EFI efi_status (*get_event_log)(struct tcg2 *, uint32_t format, uint64_t *location, uint64_t *last,
                                    bool *truncated);
    EFI efi_status (*hash_log_extend_event)(struct tcg2 *, uint64_t flags, uint64_t data, uint64_t length,
                                            const struct tcg2_event *event);
};

struct final_events {
    uint64_t version, count;
    uint8_t events[];
};

static const struct efi_guid tcg2_guid = {0x607f766c, 0x7455, 0x42be, {0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f}};
static const struct efi_guid final_guid = {
    0x1e2ed096, 0x30e2, 0x4254, {0xbd, 0x89, 0x86, 0x3b, 0xbe, 0xf8, 0x23, 0x25}};

static struct tcg2 *tcg2;
static uint8_t *log, *placed; /* ours, or a copy of the firmware's; where the kernel will find it */
static uint32_t length, room;
static uint64_t final_known; /* how many of the last events the log has already */

static void note(uint32_t pcr, const char *what, const uint8_t digest[SHA256_SIZE])
{
    struct event event = {.pcr = pcr, .type = EV_IPL, .sha256 = digest, .data = (const uint8_t *)what};

    event.length = (uint32_t)strlen(what) + 1;
    if (length > 0)
        length += event_log_put(log + length, room - length, &event);
}

static void measure(uint32_t pcr, const char *what, const struct bytes *data)
{
    struct tcg2_event event = {.header_size = EVENT_HEADER_BYTES, .header_version = 1, .pcr = pcr, .type = EV_IPL};
    uint32_t letters = (uint32_t)strlen(what) + 1;
    uint8_t digest[SHA256_SIZE];

    memcpy(event.data, what, letters);
    event.size = EVENT_HEADER_BYTES + 4 + letters;
    if (tcg2 != NULL && !tcg2->hash_log_extend_event(tcg2, 0, (uint64_t)data->data, data->length, &event))
        return;
    if (tcg2 != NULL)
        say("Bulkhead: the TPM does not take measurements; they are in the log only\r\n");
    tcg2 = NULL;
    digest_of(data->data, data->length, digest);
    note(pcr, what, digest);
}

void measure_slot(const struct bytes *kernel, const struct bytes *bundle, const struct bytes *state)
{
    uint32_t tree = bundle->length >= PAGE ? fdt_totalsize(bundle->data) : 0;
    struct bytes signed_tree = {bundle->data, 0};

    if (boot->locate_protocol(&tcg2_guid, NULL, (void **)&tcg2))
        tcg2 = NULL;
    room = OWN_ROOM;
    log = allocate(room);
    length = log != NULL ? event_log_begin(log, room) : 0;
    if (tree > SIGNATURE_BYTES && tree <= bundle->length)
        signed_tree.length = tree - SIGNATURE_BYTES;
    measure(PCR_KERNEL, "kernel", kernel);
    measure(PCR_BUNDLE, "bundle", &signed_tree);
    if (state->data != NULL)
        measure(PCR_STATE, "state", state);
}

/* Bytes of the firmware's log; 0: it has none that is sound. */
static uint32_t firmware_log(const uint8_t **from)
{
    uint64_t location = 0, last = 0;
    struct event_reader reader;
    struct event event;
    bool truncated = false;

    if (tcg2->get_event_log(tcg2, TCG2_LOG_FORMAT_TCG_2, &location, &last, &truncated) || location == 0 ||
        last < location || last - location >= LOG_MAX)
        return 0;
    *from = (const uint8_t *)location;
    if (!event_reader_open(&reader, *from, LOG_MAX))
        return 0;
    while (reader.at <= last - location && event_next(&reader, &event))
        ;
    return reader.sound && reader.at > last - location ? reader.at : 0;
}

/* Events after the first get_event_log(), those of the log among them. */
static const struct final_events *find_final(void)
{
    for (uint64_t i = 0; i < system_table->table_count; i++)
        if (memcmp(&system_table->tables[i].name, &final_guid, sizeof(final_guid)) == 0)
            return system_table->tables[i].table;
    return NULL;
}

static EFI void append_final(void *event, void *context)
{
    const struct final_events *final = find_final();
    struct event_reader reader;
    struct event skipped;
    uint32_t known = 0;

    (void)event, (void)context;
    if (final == NULL || placed == NULL || final->count > FINAL_EVENTS_MAX ||
        !event_reader_open(&reader, placed, length))
        return;
    reader.log = final->events;
    reader.size = FINAL_ROOM;
    reader.at = 0;
    for (uint64_t i = 0; i < final->count; i++) {
        if (i == final_known)
            known = reader.at;
        if (!event_next(&reader, &skipped))
            return;
    }
    if (final->count > final_known && reader.at - known <= room - length)
        memcpy(placed + length, final->events + known, reader.at - known);
}

uint32_t measure_room(void)
{
    static void *at_the_end;
    const uint8_t *from = NULL;
    uint32_t bytes = tcg2 != NULL ? firmware_log(&from) : 0;

    if (tcg2 != NULL) {
        final_known = find_final() != NULL ? find_final()->count : 0;
        log = bytes > 0 ? allocate(bytes) : NULL;
        length = log != NULL ? bytes : 0;
        if (length > 0)
            memcpy(log, from, bytes);
        if (at_the_end == NULL)
            boot->create_event(EXIT_BOOT_SERVICES, TPL_CALLBACK, append_final, NULL, &at_the_end);
    }
    room = length > 0 ? (length + FINAL_ROOM + PAGE - 1) & ~(PAGE - 1) : 0;
    return room;
}

void measure_place(uint8_t *place)
{
    placed = place;
    memset(place, 0, room);
    memcpy(place, log, length);
}
