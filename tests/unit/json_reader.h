/* SPDX-License-Identifier: Apache-2.0 */
/* A strict reader of JSON (RFC 8259), for tests of what the shell prints. */
#ifndef TESTS_UNIT_JSON_READER_H
#define TESTS_UNIT_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>

/* Whether `text` is one JSON document in UTF-8 and nothing else. */
bool json_valid(const char *text);
/* The value at a path such as "domains.1.name" as its text (a string decoded), or NULL. Valid until the next call. */
const char *json_get(const char *text, const char *path);
/* How many members the array or object at `path` has; -1: it is neither. "" is the document. */
int json_count(const char *text, const char *path);

#endif
