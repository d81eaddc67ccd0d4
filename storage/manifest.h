/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a boot slot: what is in it, signed. It is the first block of an update's file, and lies in the last
 * SLOT_MANIFEST_BYTES of a slot's partition. Bytes only, no I/O; all of it may come from a disk or the network.
 *
 *   little-endian:  0 "BHUPDT01"   8 the key's name (verified-boot.md)   16 version (32 bits)   20 zero (32 bits)
 *                   24 bytes of the slot's container (64 bits)   32 their SHA-256   64 board, 32 bytes
 *                   96 release, 64 bytes; texts are printable and end by zeros   160 zeros
 *                   448 ECDSA signature, P-256, of the SHA-256 of the 448 bytes before it
 *
 * tools/image/manifest.py writes the same.
 */
#ifndef STORAGE_MANIFEST_H
#define STORAGE_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#define MANIFEST_BYTES 512u
#define MANIFEST_SIGNED 448u
#define SLOT_MANIFEST_BYTES 4096u /* a block of any disk: the manifest, then zeros */

struct manifest {
    uint32_t version; /* BUNDLE_VERSION: never goes back */
    uint64_t bytes;
    uint8_t digest[32];
    char board[32];   /* "x86 q35" */
    char release[64]; /* for people */
    uint8_t key_id[8];
};

/* False: it is none. The signature is not looked at: that is MANIFEST_SIGNED.. of `block`. */
bool manifest_parse(const uint8_t block[MANIFEST_BYTES], struct manifest *manifest);

#endif
