// SPDX-License-Identifier: Apache-2.0
#include <arch/cpu.h>
#include <core/arch.h>
#include <lib/sha256/sha256.h>

#define CPUID_SHA (1u << 29) /* 7 ebx */

void digest_sha256(const void *data, size_t length, uint8_t digest[32])
{
    if (cpuid(7, 0).ebx & CPUID_SHA)
        sha256_sha_ni(data, length, digest);
    else
        sha256_generic(data, length, digest);
}
