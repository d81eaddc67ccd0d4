/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event log of a measured boot as bytes, in the crypto-agile format of the TCG PC Client Platform Firmware Profile
 * 1.05, chapter 10: a first event in the old form that names the algorithms, then TCG_PCR_EVENT2s. What is read may
 * come from anywhere and is not trusted: every function is total. No I/O, no hashing.
 */
#ifndef LIB_EVENT_LOG_H
#define LIB_EVENT_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define EVENT_DIGEST_BYTES 32u
#define EVENT_ALGORITHMS_MAX 8u
#define EVENT_SHA256 0x000bu

/* Types: table 27 of the profile. */
#define EV_NO_ACTION 0x3u /* extended into no PCR */
#define EV_SEPARATOR 0x4u
#define EV_IPL 0xdu
#define EV_EVENT_TAG 0x6u
#define EV_EFI_VARIABLE_DRIVER_CONFIG 0x80000001u
#define EV_EFI_VARIABLE_AUTHORITY 0x800000e0u

struct event {
    uint32_t pcr, type;
    const uint8_t *sha256; /* NULL: the log has no such digest of it */
    const uint8_t *data;
    uint32_t length;
};

struct event_reader {
    const uint8_t *log;
    uint32_t size, at;
    bool sound; /* false: an event is not well-formed; nothing behind it is read */
    uint32_t algorithms;
    struct {
        uint16_t id, bytes;
    } algorithm[EVENT_ALGORITHMS_MAX];
};

/* False: that is no such log. */
bool event_reader_open(struct event_reader *reader, const void *log, uint32_t size);
/* False: the end (of the bytes, or an event of zeros), or reader->sound is false. `at` stands behind the event. */
bool event_next(struct event_reader *reader, struct event *event);

/* A log of SHA-256 alone: bytes written at `to`; 0: there is no room. */
uint32_t event_log_begin(uint8_t *to, uint32_t room);
uint32_t event_log_put(uint8_t *to, uint32_t room, const struct event *event);

/* What PCR 0 begins with: the locality of TPM2_Startup, if an event tells (StartupLocality), else 0. */
uint8_t event_startup_locality(const struct event *event);

#endif
