// SPDX-License-Identifier: Apache-2.0
#include <core/arch.h>
#include <lib/sha256/sha256.h>

void digest_sha256(const void *data, size_t length, uint8_t digest[32])
{
    sha256_generic(data, length, digest);
}
