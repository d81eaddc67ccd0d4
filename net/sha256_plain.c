// SPDX-License-Identifier: Apache-2.0
/* mbedTLS' own SHA-256 under other names, for CPUs that have no instructions for it. */
#undef MBEDTLS_CONFIG_FILE
#define MBEDTLS_CONFIG_FILE "lib/sha256/mbedtls_config_generic.h"
#define SHA256_NAME(name) sha256_plain_##name
#include <lib/sha256/mbedtls_names.h>
#include <sha256.c>
