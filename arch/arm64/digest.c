// SPDX-License-Identifier: Apache-2.0
#include <arch/sysreg.h>
#include <core/arch.h>
#include <lib/sha256/sha256.h>

void digest_sha256(const void *data, size_t length, uint8_t digest[32])
{
    if (field(sysreg_read(id_aa64isar0_el1), 12, 4)) /* SHA2 */
        sha256_armv8(data, length, digest);
    else
        sha256_generic(data, length, digest);
}
