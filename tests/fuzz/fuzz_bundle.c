// SPDX-License-Identifier: Apache-2.0
/* The input is a bundle behind one byte: whether its signature holds. The rest of the block is made right then, so that
 * what a signed tree may say wrongly is reached too. */
#include <core/arch.h>
#include <core/bundle.h>
#include <core/log.h>
#include <core/status.h>
#include <lib/p256/p256.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 112

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct bundle_trust trust = {.version_minimum = 1};
static bool holds;

void log_line(const char *format, ...)
{
    (void)format;
}
void digest_sha256(const void *data, size_t length, uint8_t digest[32])
{
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum ^= ((const uint8_t *)data)[i]; /* all of it must be there */
    memset(digest, 0, 32);
    digest[0] = holds ? 0 : sum;
}
bool p256_verify(const uint8_t signature[64], const uint8_t key[64], const uint8_t digest[32])
{
    (void)signature, (void)key, (void)digest;
    return holds;
}
void status_measured(const char *name, const uint8_t sha256[32])
{
    (void)name, (void)sha256;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bundle;
    uint64_t sum = 0, total;

    if (!size)
        return 0;
    holds = *data++ & 1;
    bundle = malloc(--size ? size : 1);
    memcpy(bundle, data, size);
    total = size < sizeof(struct fdt_header) ? 0 : fdt_totalsize(bundle);
    if (holds && total <= size && total >= sizeof(struct fdt_header) + BLOCK) {
        memset(bundle + total - BLOCK, 0, BLOCK);
        memcpy(bundle + total - BLOCK, "BHSIGN01", 8);
    }
    if (bundle_open(bundle, size, &trust) && !holds)
        abort();
    for (uint32_t i = 0; bundle_image_at(i); i++) {
        const struct image *image = bundle_image_at(i);

        if (image->data < bundle || image->data > bundle + size || image->size > (size_t)(bundle + size - image->data))
            abort();
        for (uint64_t at = 0; at < image->size; at++)
            sum += image->data[at];
        sum += strlen(image->name);
    }
    free(bundle);
    return sum == UINT64_MAX;
}
