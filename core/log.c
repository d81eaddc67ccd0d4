// SPDX-License-Identifier: Apache-2.0
#include <core/log.h>

#include <core/arch.h>
#include <core/channel.h>
#include <core/deadline.h>
#include <core/format.h>
#include <core/memory.h>
#include <core/persistent.h>
#include <core/platform.h>
#include <core/status.h>
#include <devices/serial/early.h>
#include <string.h>

#define PERSISTENT_MAGIC 0x646165686b6c7542ull /* "Bulkhead" */
#define LINE_MAX 256
#define LAST_WORDS 3072 /* bytes of the log that the serial line gets when its owner has died */

struct persistent *persistent;
static struct spinlock lock;
static bool serial_lent;      /* the management domain owns the serial line */
static uint64_t lent_at_head; /* the ring's head when it got it */

static bool ring_is_sound(const struct byte_ring *ring)
{
    return ring->magic == RING_MAGIC && ring->size == BULKHEAD_LOG_RING_SIZE;
}

static bool left_by_former_boot(void)
{
    return persistent->magic == PERSISTENT_MAGIC && persistent->size == sizeof(*persistent) &&
           persistent->boot == ~persistent->boot_inverted && ring_is_sound(&persistent->ring);
}

/* An event that a power cut left half-written ends the list. */
static void adopt_events(void)
{
    uint64_t head = persistent->event_head;

    for (uint64_t s = head; s > 0 && s + BULKHEAD_EVENTS_MAX > head; s--)
        if (persistent->event[s % BULKHEAD_EVENTS_MAX].sequence != s)
            memset(&persistent->event[s % BULKHEAD_EVENTS_MAX], 0, sizeof(struct supervision_event));
}

void log_init(void)
{
    uint64_t bytes = sizeof(struct persistent) + BULKHEAD_LOG_RING_SIZE;

    if (platform.persistent.size >= bytes)
        persistent = kernel_map_memory(platform.persistent.base, bytes);
    else
        persistent = memory_pages((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
    if (left_by_former_boot()) {
        adopt_events();
    } else {
        memset(persistent, 0, sizeof(*persistent));
        persistent->size = sizeof(*persistent);
        persistent->ring.magic = RING_MAGIC;
        persistent->ring.size = BULKHEAD_LOG_RING_SIZE;
        persistent->magic = PERSISTENT_MAGIC;
    }
    persistent->boot++;
    persistent->boot_inverted = ~persistent->boot;
    cache_clean(persistent, sizeof(*persistent));
}

struct hpa log_ring_page(void)
{
    return kernel_hpa(&persistent->ring);
}

uint64_t log_ring_bytes(void)
{
    return (sizeof(struct byte_ring) + BULKHEAD_LOG_RING_SIZE + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

/* lock held. What is in memory survives a reset; what is only in a cache does not. */
static void ring_append(const char *data, uint32_t length)
{
    struct byte_ring *ring = &persistent->ring;
    uint64_t head = ring->head;

    while (length > 0) {
        uint32_t at = head % BULKHEAD_LOG_RING_SIZE;
        uint32_t part = BULKHEAD_LOG_RING_SIZE - at < length ? BULKHEAD_LOG_RING_SIZE - at : length;

        memcpy(ring->data + at, data, part);
        cache_clean(ring->data + at, part);
        data += part;
        length -= part;
        head += part;
    }
    __atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
    cache_clean(ring, sizeof(*ring));
}

void log_append(const void *data, uint32_t length)
{
    spinlock_acquire(&lock);
    ring_append(data, length);
    if (!serial_lent)
        serial_early_write(data, length);
    spinlock_release(&lock);
    channel_ring_system(DOORBELL_LOG);
}

void log_line(const char *format, ...)
{
    char line[LINE_MAX];
    uint64_t microseconds = time_ns() / 1000;
    size_t length = format_print(line, sizeof(line), "[%5lu.%06lu] ", microseconds / 1000000, microseconds % 1000000);
    va_list arguments;

    va_start(arguments, format);
    length += format_text(line + length, sizeof(line) - length, format, arguments);
    va_end(arguments);
    line[length++] = '\n'; /* where the NUL was */
    log_append(line, (uint32_t)length);
}

/* lock held. Whole lines of what was logged since the management domain got the line: it may have died before it
 * printed them, and what they say is why. */
static void print_last_words(void)
{
    const struct byte_ring *ring = &persistent->ring;
    uint64_t at = lent_at_head;

    if (ring->head - at > LAST_WORDS) {
        at = ring->head - LAST_WORDS;
        while (at < ring->head && ring->data[(at - 1) % BULKHEAD_LOG_RING_SIZE] != '\n')
            at++;
    }
    for (; at < ring->head; at++)
        serial_early_write((const char *)&ring->data[at % BULKHEAD_LOG_RING_SIZE], 1);
}

void log_serial(bool lent)
{
    spinlock_acquire(&lock);
    if (serial_lent && !lent) {
        serial_early_take();
        print_last_words();
    }
    if (lent)
        lent_at_head = persistent->ring.head;
    serial_lent = lent;
    spinlock_release(&lock);
}

void log_event(uint8_t partition, enum event_kind kind, enum stop_cause cause, uint64_t detail)
{
    struct supervision_event event = {
        .boot = persistent->boot,
        .milliseconds = time_ns() / 1000000,
        .wall_seconds = time_wall_s(),
        .detail = detail,
        .partition = partition,
        .kind = (uint8_t)kind,
        .cause = (uint8_t)cause,
    };
    struct supervision_event *kept;

    spinlock_acquire(&lock);
    event.sequence = persistent->event_head + 1;
    kept = &persistent->event[event.sequence % BULKHEAD_EVENTS_MAX];
    *kept = event;
    cache_clean(kept, sizeof(*kept));
    persistent->event_head = event.sequence;
    cache_clean(&persistent->event_head, sizeof(persistent->event_head));
    status_event(&event);
    spinlock_release(&lock);
    channel_ring_system(DOORBELL_DOMAIN);
}

void log_seize(void)
{
    lock = (struct spinlock){0};
}
