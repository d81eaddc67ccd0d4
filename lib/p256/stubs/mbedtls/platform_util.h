/* SPDX-License-Identifier: Apache-2.0 */
/* For p256-m: there are no secrets here to wipe. */
#define mbedtls_platform_zeroize(buffer, length) ((void)(buffer), (void)(length))
