// SPDX-License-Identifier: Apache-2.0
/* A boot loader's event log of any bytes: read to its end, nothing behind it. */
#include <lib/event_log.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *log = malloc(4096 + size), sum = 0;
    uint32_t begun = size > 0 && data[0] & 1 ? event_log_begin(log, 4096) : 0; /* a sound first event, or not */
    struct event_reader reader;
    struct event event;
    uint8_t *exact;

    if (size > 0)
        memcpy(log + begun, data + 1, size - 1);
    exact = malloc(begun + size + 1);
    memcpy(exact, log, begun + (size > 0 ? size - 1 : 0));
    free(log);
    exact = realloc(exact, begun + size > 1 ? begun + size - 1 : 1);
    if (event_reader_open(&reader, exact, begun + (uint32_t)(size > 0 ? size - 1 : 0)))
        while (event_next(&reader, &event)) {
            for (uint32_t i = 0; i < event.length; i++)
                sum ^= event.data[i];
            for (uint32_t i = 0; event.sha256 != NULL && i < EVENT_DIGEST_BYTES; i++)
                sum ^= event.sha256[i];
            sum ^= event_startup_locality(&event);
        }
    free(exact);
    __asm__ volatile("" ::"r"(sum)); /* it is read */
    return 0;
}
