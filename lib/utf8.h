/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, as far as a terminal and JSON need it. */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length in bytes (1..4) of the well-formed character (Unicode, table 3-7) at `text`, of which `length` bytes are
 * there; 0 when it is none, or cut off. */
unsigned utf8_length(const void *text, size_t length);
/* Whether the bytes, less than a character, can still become one with more bytes. */
int utf8_incomplete(const void *text, size_t length);
/* The code point of a well-formed character. */
uint32_t utf8_decode(const void *text);
/* Columns on a terminal: 0 combining, 2 wide East Asian and emoji, else 1. */
unsigned utf8_columns(uint32_t code_point);

/* Columns of `length` bytes of well-formed text. */
unsigned utf8_text_columns(const char *text, size_t length);

#endif
