// SPDX-License-Identifier: Apache-2.0
#include <boot/efi/start.h>

void digest_of(const void *data, size_t length, uint8_t digest[SHA256_SIZE])
{
    uint64_t features;

    asm("mrs %0, id_aa64isar0_el1" : "=r"(features));
    if (features >> 12 & 15) /* SHA2 */
        sha256_armv8(data, length, digest);
    else
        sha256_generic(data, length, digest);
}
