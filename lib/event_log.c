// SPDX-License-Identifier: Apache-2.0
#include <lib/event_log.h>
#include <string.h>

#define SHA1_BYTES 20u
#define OLD_HEADER (4 + 4 + SHA1_BYTES + 4) /* TCG_PCR_EVENT: PCR, type, digest, size */
#define SPECIFICATION "Spec ID Event03"     /* and its NUL */
#define SPECIFICATION_COUNT 24u             /* after signature, platform class, version (3), width of UINTN */
#define DIGEST_BYTES_MAX 64u
#define LOCALITY "StartupLocality"

static uint32_t get(const uint8_t *from, uint32_t bytes)
{
    uint32_t value = 0;

    for (uint32_t i = bytes; i-- > 0;)
        value = value << 8 | from[i];
    return value;
}

static uint8_t *put(uint8_t *to, uint32_t bytes, uint32_t value)
{
    for (uint32_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
    return to + bytes;
}

static bool read_algorithms(struct event_reader *reader, const uint8_t *data, uint32_t length)
{
    if (length < SPECIFICATION_COUNT + 4 || memcmp(data, SPECIFICATION, sizeof(SPECIFICATION)) != 0)
        return false;
    reader->algorithms = get(data + SPECIFICATION_COUNT, 4);
    if (reader->algorithms == 0 || reader->algorithms > EVENT_ALGORITHMS_MAX ||
        reader->algorithms * 4 > length - SPECIFICATION_COUNT - 4)
        return false;
    for (uint32_t i = 0; i < reader->algorithms; i++) {
        const uint8_t *from = data + SPECIFICATION_COUNT + 4 + i * 4;

        reader->algorithm[i].id = (uint16_t)get(from, 2);
        reader->algorithm[i].bytes = (uint16_t)get(from + 2, 2);
        if (reader->algorithm[i].bytes > DIGEST_BYTES_MAX ||
            (reader->algorithm[i].id == EVENT_SHA256 && reader->algorithm[i].bytes != EVENT_DIGEST_BYTES))
            return false;
    }
    return true;
}

bool event_reader_open(struct event_reader *reader, const void *log, uint32_t size)
{
    uint32_t length;

    *reader = (struct event_reader){.log = log, .size = size};
    if (size < OLD_HEADER || get(reader->log, 4) != 0 || get(reader->log + 4, 4) != EV_NO_ACTION)
        return false;
    length = get(reader->log + OLD_HEADER - 4, 4);
    if (length > size - OLD_HEADER || !read_algorithms(reader, reader->log + OLD_HEADER, length))
        return false;
    reader->at = OLD_HEADER + length;
    reader->sound = true;
    return true;
}

static uint32_t digest_bytes(const struct event_reader *reader, uint32_t id)
{
    for (uint32_t i = 0; i < reader->algorithms; i++)
        if (reader->algorithm[i].id == id)
            return reader->algorithm[i].bytes;
    return 0;
}

/* From `at` on; behind it, or 0: it is not well-formed. */
static uint32_t read_event(const struct event_reader *reader, uint32_t at, struct event *event)
{
    uint32_t count = get(reader->log + at + 8, 4);

    *event = (struct event){.pcr = get(reader->log + at, 4), .type = get(reader->log + at + 4, 4)};
    if (count == 0 || count > EVENT_ALGORITHMS_MAX)
        return 0;
    at += 12;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id, bytes;

        if (reader->size - at < 2)
            return 0;
        id = get(reader->log + at, 2);
        bytes = digest_bytes(reader, id);
        at += 2;
        if (bytes == 0 || reader->size - at < bytes)
            return 0;
        if (id == EVENT_SHA256)
            event->sha256 = reader->log + at;
        at += bytes;
    }
    if (reader->size - at < 4)
        return 0;
    event->length = get(reader->log + at, 4);
    at += 4;
    if (event->length > reader->size - at)
        return 0;
    event->data = reader->log + at;
    return at + event->length;
}

bool event_next(struct event_reader *reader, struct event *event)
{
    static const uint8_t nothing[12];
    uint32_t next;

    if (!reader->sound || reader->at == reader->size)
        return false;
    if (reader->size - reader->at < sizeof(nothing)) {
        reader->sound = false;
        for (uint32_t i = reader->at; i < reader->size; i++)
            if (reader->log[i] != 0)
                return false;
        reader->sound = true;
        return false;
    }
    if (memcmp(reader->log + reader->at, nothing, sizeof(nothing)) == 0)
        return false;
    next = read_event(reader, reader->at, event);
    reader->sound = next != 0;
    if (next != 0)
        reader->at = next;
    return next != 0;
}

uint32_t event_log_begin(uint8_t *to, uint32_t room)
{
    const uint32_t length = SPECIFICATION_COUNT + 4 + 4 + 1;
    uint8_t *at = to;

    if (room < OLD_HEADER + length)
        return 0;
    at = put(at, 4, 0);
    at = put(at, 4, EV_NO_ACTION);
    memset(at, 0, SHA1_BYTES);
    at = put(at + SHA1_BYTES, 4, length);
    memcpy(at, SPECIFICATION, sizeof(SPECIFICATION));
    at = put(at + sizeof(SPECIFICATION), 4, 0);
    at = put(at, 4, 0x02000200 | 105u << 16); /* version 2.0, errata 105; UINTN has 64 bits */
    at = put(at, 4, 1);
    at = put(at, 2, EVENT_SHA256);
    at = put(at, 2, EVENT_DIGEST_BYTES);
    put(at, 1, 0); /* nothing of the vendor */
    return OLD_HEADER + length;
}

uint32_t event_log_put(uint8_t *to, uint32_t room, const struct event *event)
{
    const uint32_t head = 12 + 2 + EVENT_DIGEST_BYTES + 4;
    uint8_t *at = to;

    if (room < head || event->length > room - head)
        return 0;
    at = put(at, 4, event->pcr);
    at = put(at, 4, event->type);
    at = put(at, 4, 1);
    at = put(at, 2, EVENT_SHA256);
    memcpy(at, event->sha256, EVENT_DIGEST_BYTES);
    at = put(at + EVENT_DIGEST_BYTES, 4, event->length);
    if (event->length > 0)
        memcpy(at, event->data, event->length);
    return head + event->length;
}

uint8_t event_startup_locality(const struct event *event)
{
    bool is = event->type == EV_NO_ACTION && event->pcr == 0 && event->length == sizeof(LOCALITY) + 1 &&
              memcmp(event->data, LOCALITY, sizeof(LOCALITY)) == 0;

    return is ? event->data[sizeof(LOCALITY)] : 0;
}
