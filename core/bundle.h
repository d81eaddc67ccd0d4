/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle: what it is signed with, and its images. docs/verified-boot.md describes the file. All of it or nothing is
 * used: a byte that is not as it was signed refuses it.
 */
#ifndef CORE_BUNDLE_H
#define CORE_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

struct image {
    const char *name;
    const uint8_t *data;
    uint64_t size;
};

/* What is taken: bundles that have this key's signature, and at least this version. */
struct bundle_trust {
    uint8_t mark[8], key_id[8], key[64]; /* BUNDLE_TRUST_MARK; the key's name; X and Y */
    uint32_t version_minimum, is_development;
};
#define BUNDLE_TRUST_MARK "BHTRUST1"
/* Built into the kernel (tools/sign_bundle.py): once and as it is, so that the loader of UEFI machines finds it there.
 */
extern const struct bundle_trust bundle_trust;

/* Boot CPU, and the loader of UEFI machines: checks the `size` bytes at `bundle`, which stay where they are and as they
 * are. False: what is wrong is in the log, each damaged image by its name, and there are no images. */
bool bundle_open(const void *bundle, uint64_t size, const struct bundle_trust *trust);
/* After bundle_open(). NULL: there is none. Numbers are by the order in the bundle. */
const struct image *bundle_image(const char *name);
const struct image *bundle_image_at(uint32_t number);
uint32_t bundle_version(void);
uint64_t bundle_end(void); /* of its last image, from its first byte: what follows is not the bundle's */

#endif
