/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in a bank of the state store, as bytes: no I/O. A bank is a header block and named values after it:
 *
 *   header, little-endian:  0 "BHSTATE1"   8 sequence (64 bits)   16 length of the values   20 their CRC-32
 *                           24 CRC-32 of the 24 bytes before      the rest of the block is zeros
 *   a value:                0 length of the name   1 flags   2 length of the value (16 bits)   4 name, then value
 *
 * Names are a-z 0-9 . - and ascend, so that the same values are always the same bytes. Everything here may come from a
 * disk and is not trusted: every function is total. tools/image/state.py writes the same.
 */
#ifndef STORAGE_STATE_FORMAT_H
#define STORAGE_STATE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_BANK_BYTES 65536u
#define STATE_HEADER_BYTES 4096u /* a block of any disk: values begin on a boundary */
#define STATE_VALUES_BYTES (STATE_BANK_BYTES - STATE_HEADER_BYTES)
#define STATE_NAME_MAX 31u
#define STATE_VALUE_MAX 16384u

#define STATE_KEPT 1u /* flag: a factory reset leaves the value */

struct state_value {
    const char *name; /* not terminated */
    const uint8_t *data;
    uint16_t length;
    uint8_t name_length, flags;
};

struct state_bank { /* what a checked header says */
    uint64_t sequence;
    uint32_t length, crc;
};

/* Whether `bank` (STATE_BANK_BYTES) is whole: header, checksums and every value. */
bool state_bank_check(const uint8_t *bank, struct state_bank *header);
/* Writes the header for the `length` bytes of values in `bank`, and zeros after them. */
void state_bank_seal(uint8_t *bank, uint64_t sequence, uint32_t length);

/* The value at `*at` of `length` bytes of values; moves `*at` behind it. False: the end, or no well-formed value. */
bool state_value_next(const uint8_t *values, uint32_t length, uint32_t *at, struct state_value *value);
bool state_value_find(const uint8_t *values, uint32_t length, const char *name, struct state_value *value);

enum state_set_result { STATE_SET, STATE_SET_BAD_NAME, STATE_SET_TOO_LONG, STATE_SET_FULL };

/* Sets or replaces, in STATE_VALUES_BYTES of room. `data` does not lie in `values`. Nothing changes but by STATE_SET.
 */
enum state_set_result state_value_set(uint8_t *values, uint32_t *length, const char *name, uint8_t flags,
                                      const void *data, size_t size);
bool state_value_remove(uint8_t *values, uint32_t *length, const char *name); /* false: there was none */
void state_values_reset(uint8_t *values, uint32_t *length);                   /* removes all but STATE_KEPT */

#endif
