/* SPDX-License-Identifier: Apache-2.0 */
#include <mbedtls/pkcs5.h>
#include <net/password_hash.h>
#include <net/random.h>

bool password_salt(uint8_t salt[PASSWORD_SALT_BYTES])
{
    return random_seed_tls() && random_tls(NULL, salt, PASSWORD_SALT_BYTES) == 0;
}

bool password_hash(const char *password, size_t length, const uint8_t salt[PASSWORD_SALT_BYTES], uint32_t iterations,
                   uint8_t hash[PASSWORD_HASH_BYTES])
{
    return mbedtls_pkcs5_pbkdf2_hmac_ext(MBEDTLS_MD_SHA256, (const unsigned char *)password, length, salt,
                                         PASSWORD_SALT_BYTES, iterations, PASSWORD_HASH_BYTES, hash) == 0;
}
