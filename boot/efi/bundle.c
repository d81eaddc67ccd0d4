// SPDX-License-Identifier: Apache-2.0
/* The kernel's own check of the bundle (core/bundle.c), before a slot is chosen: what the kernel would refuse is left
 * for the other slot. */
#include "bundle.h"
#include <stdarg.h>
#include <string.h>

#pragma GCC visibility push(hidden) /* at a fixed distance */
#include <core/bundle.c>
#pragma GCC visibility pop
#include <core/format.h>

#define SAID_MAX 2048u
#define TREE_ALIGNMENT 8

static char said[SAID_MAX]; /* what bundle_open() found */
static size_t said_length;

void log_line(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    said_length += format_text(said + said_length, SAID_MAX - said_length, format, arguments);
    va_end(arguments);
    said_length += format_print(said + said_length, SAID_MAX - said_length, "\r\n");
}

void digest_sha256(const void *data, size_t length, uint8_t digest[32])
{
    digest_of(data, length, digest);
}

void status_measured(const char *name, const uint8_t sha256[32])
{
    (void)name, (void)sha256; /* measure.c does that */
}

/* As it was built into the kernel, which tells by its own digest that it is none by chance. */
static bool find_trust(const struct bytes *kernel, struct bundle_trust *trust)
{
    uint8_t digest[32];

    for (uint32_t at = 0; kernel->length >= sizeof(*trust) && at <= kernel->length - sizeof(*trust); at++) {
        if (memcmp(kernel->data + at, BUNDLE_TRUST_MARK, sizeof(trust->mark)) != 0)
            continue;
        memcpy(trust, kernel->data + at, sizeof(*trust));
        digest_of(trust->key, sizeof(trust->key), digest);
        if (memcmp(trust->key_id, digest, sizeof(trust->key_id)) == 0)
            return true;
    }
    return false;
}

/* Down to where a tree may begin. memmove() would take it byte by byte. */
static void align(struct bytes *bundle)
{
    uint8_t *to = bundle->data - (uintptr_t)bundle->data % TREE_ALIGNMENT;
    uint64_t word;
    uint32_t at = 0;

    for (; to != bundle->data && bundle->length - at >= sizeof(word); at += sizeof(word)) {
        __builtin_memcpy(&word, bundle->data + at, sizeof(word));
        __builtin_memcpy(to + at, &word, sizeof(word));
    }
    memmove(to + at, bundle->data + at, to != bundle->data ? bundle->length - at : 0);
    bundle->data = to;
}

const char *check_bundle(const struct bytes *kernel, struct bytes *bundle, uint32_t version_minimum)
{
    struct bundle_trust trust;

    if (!find_trust(kernel, &trust))
        return "the kernel does not say whose bundle it takes";
    if (trust.version_minimum < version_minimum)
        trust.version_minimum = version_minimum;
    trust.is_development = false; /* that is for the kernel to say */
    align(bundle);
    said_length = 0;
    if (bundle_open(bundle->data, bundle->length, &trust))
        return NULL;
    say(said);
    return "the kernel would refuse its bundle";
}
