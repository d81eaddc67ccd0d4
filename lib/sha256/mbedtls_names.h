/* SPDX-License-Identifier: Apache-2.0 */
/* Gives mbedTLS' functions another name in each build of its sha256.c (SHA256_NAME(x)), so that both fit in one kernel.
 */
#include <mbedtls/platform_util.h>

#define mbedtls_sha256_init SHA256_NAME(init)
#define mbedtls_sha256_free SHA256_NAME(free)
#define mbedtls_sha256_clone SHA256_NAME(clone)
#define mbedtls_sha256_starts SHA256_NAME(starts)
#define mbedtls_sha256_update SHA256_NAME(update)
#define mbedtls_sha256_finish SHA256_NAME(finish)
#define mbedtls_sha256 SHA256_NAME(whole)
#define mbedtls_internal_sha256_process SHA256_NAME(process)
/* The digests are of public data: nothing to wipe. */
#define mbedtls_platform_zeroize(buffer, length) ((void)(buffer), (void)(length))
