/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECDSA over P-256 for the kernel: p256-m, which comes with mbedTLS, of which the linker keeps the verification alone.
 * No memory beside the stack, general registers only.
 */
#ifndef LIB_P256_P256_H
#define LIB_P256_P256_H

#include <stdbool.h>
#include <stdint.h>

#define P256_KEY_SIZE 64       /* X, Y, big-endian */
#define P256_SIGNATURE_SIZE 64 /* r, s, big-endian */

/* Whether `signature` is the key's for what has this SHA-256. Not in constant time: nothing here is secret. */
bool p256_verify(const uint8_t signature[P256_SIGNATURE_SIZE], const uint8_t key[P256_KEY_SIZE],
                 const uint8_t digest[32]);

#endif
