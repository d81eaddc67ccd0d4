// SPDX-License-Identifier: Apache-2.0
#include <lib/sha256/sha256.h>

#define MBEDTLS_CONFIG_FILE "mbedtls_config_armv8.h"
#define SHA256_NAME(name) sha256_armv8_##name
#include "mbedtls_names.h"
#include <sha256.c>

void sha256_armv8(const void *data, size_t length, uint8_t digest[SHA256_SIZE])
{
    mbedtls_sha256(data, length, digest, 0);
}
