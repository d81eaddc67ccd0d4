/* SPDX-License-Identifier: Apache-2.0 */
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA256_USE_ARMV8_A_CRYPTO_ONLY
