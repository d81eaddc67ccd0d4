/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 for the kernel: mbedTLS' implementation, compiled also for the CPU's instructions, and on x86-64 our own for
 * these. The kernel picks one at boot by what the CPU has. All write the 32 bytes of the digest of data[0..length).
 */
#ifndef LIB_SHA256_SHA256_H
#define LIB_SHA256_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

/* General registers only. */
void sha256_generic(const void *data, size_t length, uint8_t digest[SHA256_SIZE]);
/* Armv8 cryptographic extension. Uses SIMD registers: only while FP/SIMD is on at EL2 and holds nobody's state. */
void sha256_armv8(const void *data, size_t length, uint8_t digest[SHA256_SIZE]);
/* x86 SHA extensions. Uses XMM registers: only while they hold nobody's state. */
void sha256_sha_ni(const void *data, size_t length, uint8_t digest[SHA256_SIZE]);

#endif
