/* SPDX-License-Identifier: Apache-2.0 */
#define MBEDTLS_SHA256_C
