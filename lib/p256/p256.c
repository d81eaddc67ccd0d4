// SPDX-License-Identifier: Apache-2.0
#include <lib/p256/p256.h>

#define MBEDTLS_PSA_P256M_DRIVER_ENABLED
#define MUL64_IS_CONSTANT_TIME /* or not: all that is multiplied here is public */
#include <p256-m.c>

bool p256_verify(const uint8_t signature[P256_SIGNATURE_SIZE], const uint8_t key[P256_KEY_SIZE],
                 const uint8_t digest[32])
{
    return p256_ecdsa_verify(signature, key, digest, 32) == P256_SUCCESS;
}
