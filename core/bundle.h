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

/* Boot CPU: checks the `size` bytes at `bundle`, which stay where they are and as they are. False: what is wrong is in
 * the log, each damaged image by its name, and there are no images. */
bool bundle_open(const void *bundle, uint64_t size);
/* After bundle_open(). NULL: there is none. Numbers are by the order in the bundle. */
const struct image *bundle_image(const char *name);
const struct image *bundle_image_at(uint32_t number);
uint32_t bundle_version(void);
uint64_t bundle_end(void); /* of its last image, from its first byte: what follows is not the bundle's */

/* Built into the kernel (tools/sign_bundle.py): the public key, its name, and the oldest version that is accepted. */
extern const uint8_t bundle_key[64], bundle_key_id[8];
extern const bool bundle_key_is_development;
extern const uint32_t bundle_version_minimum;

#endif
