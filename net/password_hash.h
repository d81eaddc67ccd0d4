/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of passwords: PBKDF2 with HMAC-SHA-256 (RFC 8018). In the worker: it takes long, on purpose. */
#ifndef NET_PASSWORD_HASH_H
#define NET_PASSWORD_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PASSWORD_SALT_BYTES 16u
#define PASSWORD_HASH_BYTES 32u

/* False: there is no entropy (yet). */
bool password_salt(uint8_t salt[PASSWORD_SALT_BYTES]);
/* False: out of memory. */
bool password_hash(const char *password, size_t length, const uint8_t salt[PASSWORD_SALT_BYTES], uint32_t iterations,
                   uint8_t hash[PASSWORD_HASH_BYTES]);

#endif
