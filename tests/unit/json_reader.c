// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <lib/utf8.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_reader.h"

#define DEPTH_MAX 16

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

static const char *skip_value(const char *at, int depth);

static const char *skip_string(const char *at)
{
    if (*at++ != '"')
        return NULL;
    while (*at != '"') {
        unsigned n = utf8_length(at, strlen(at));

        if (n == 0 || (unsigned char)*at < 0x20)
            return NULL;
        if (*at == '\\') {
            at++;
            if (*at == 'u') {
                for (int i = 1; i <= 4; i++) {
                    if (!isxdigit((unsigned char)at[i]))
                        return NULL;
                }
                at += 5;
            } else if (*at != 0 && strchr("\"\\/bfnrt", *at) != NULL) {
                at++;
            } else {
                return NULL;
            }
        } else {
            at += n;
        }
    }
    return at + 1;
}

static const char *skip_number(const char *at)
{
    if (*at == '-')
        at++;
    if (*at == '0')
        at++;
    else if (isdigit((unsigned char)*at))
        at += strspn(at, "0123456789");
    else
        return NULL;
    if (*at == '.') {
        if (!isdigit((unsigned char)at[1]))
            return NULL;
        at += 1 + strspn(at + 1, "0123456789");
    }
    return at;
}

static const char *skip_members(const char *at, char close, int depth)
{
    at = skip_blanks(at + 1);
    if (*at == close)
        return at + 1;
    for (;;) {
        if (close == '}') {
            at = skip_string(skip_blanks(at));
            if (at == NULL || *(at = skip_blanks(at)) != ':')
                return NULL;
            at++;
        }
        at = skip_value(at, depth + 1);
        if (at == NULL)
            return NULL;
        at = skip_blanks(at);
        if (*at == close)
            return at + 1;
        if (*at++ != ',')
            return NULL;
    }
}

static const char *skip_value(const char *at, int depth)
{
    at = skip_blanks(at);
    if (depth > DEPTH_MAX)
        return NULL;
    if (*at == '{')
        return skip_members(at, '}', depth);
    if (*at == '[')
        return skip_members(at, ']', depth);
    if (*at == '"')
        return skip_string(at);
    if (strncmp(at, "true", 4) == 0 || strncmp(at, "null", 4) == 0)
        return at + 4;
    if (strncmp(at, "false", 5) == 0)
        return at + 5;
    return skip_number(at);
}

bool json_valid(const char *text)
{
    const char *end = skip_value(text, 0);

    return end != NULL && *skip_blanks(end) == 0;
}

static const char *find(const char *at, const char *path)
{
    while (*path != 0) {
        size_t length = strcspn(path, ".");
        bool object;

        at = skip_blanks(at);
        object = *at == '{';
        if (!object && *at != '[')
            return NULL;
        at = skip_blanks(at + 1);
        for (long index = object ? -1 : strtol(path, NULL, 10);; index--) {
            if (*at == ']' || *at == '}')
                return NULL;
            if (object) {
                const char *key = skip_blanks(at) + 1, *end = skip_string(skip_blanks(at));

                at = skip_blanks(end) + 1;
                if ((size_t)(end - 1 - key) == length && memcmp(key, path, length) == 0)
                    break;
            } else if (index == 0) {
                break;
            }
            at = skip_blanks(skip_value(at, 0));
            if (*at == ',')
                at = skip_blanks(at + 1);
        }
        path += length + (path[length] == '.');
    }
    return skip_blanks(at);
}

const char *json_get(const char *text, const char *path)
{
    static char value[4096];
    const char *at = json_valid(text) ? find(text, path) : NULL, *end;
    size_t n = 0;

    if (at == NULL)
        return NULL;
    end = skip_value(at, 0);
    if (*at != '"') {
        snprintf(value, sizeof value, "%.*s", (int)(end - at), at);
        return value;
    }
    for (at++; at < end - 1 && n < sizeof value - 1;) {
        if (*at != '\\') {
            value[n++] = *at++;
        } else if (at[1] == 'u') {
            char digits[5] = {at[2], at[3], at[4], at[5]};

            value[n++] = (char)strtol(digits, NULL, 16);
            at += 6;
        } else {
            value[n++] = at[1] == 'n' ? '\n' : at[1] == 't' ? '\t' : at[1];
            at += 2;
        }
    }
    value[n] = 0;
    return value;
}

int json_count(const char *text, const char *path)
{
    const char *at = json_valid(text) ? find(text, path) : NULL;
    bool object;
    int count = 0;

    if (at == NULL || (*at != '[' && *at != '{'))
        return -1;
    object = *at == '{';
    at = skip_blanks(at + 1);
    while (*at != ']' && *at != '}') {
        if (object)
            at = skip_blanks(skip_string(at)) + 1;
        at = skip_blanks(skip_value(at, 0));
        if (*at == ',')
            at = skip_blanks(at + 1);
        count++;
    }
    return count;
}
