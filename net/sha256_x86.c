// SPDX-License-Identifier: Apache-2.0
/* mbedTLS' hook for SHA-256 by other means (MBEDTLS_SHA256_PROCESS_ALT): an update hashes tens of megabytes three
 * times. */
#include <cpuid.h>
#include <lib/sha256/sha_ni.c>
#include <mbedtls/sha256.h>
#include <stdbool.h>

#define CPUID_SHA (1u << 29) /* 7 ebx */

int sha256_plain_process(mbedtls_sha256_context *context, const unsigned char data[BLOCK]);
int mbedtls_internal_sha256_process(mbedtls_sha256_context *context, const unsigned char data[BLOCK]);

static bool has_instructions(void)
{
    static enum { UNKNOWN, ABSENT, PRESENT } known;
    uint32_t eax, ebx = 0, ecx, edx;

    if (known == UNKNOWN) {
        __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx);
        known = ebx & CPUID_SHA ? PRESENT : ABSENT;
    }
    return known == PRESENT;
}

int mbedtls_internal_sha256_process(mbedtls_sha256_context *context, const unsigned char data[BLOCK])
{
    int32_t *state = (int32_t *)context->MBEDTLS_PRIVATE(state);
    words abef = {state[5], state[4], state[1], state[0]}, cdgh = {state[7], state[6], state[3], state[2]};

    if (!has_instructions())
        return sha256_plain_process(context, data);
    compress(&abef, &cdgh, data);
    state[5] = abef[0], state[4] = abef[1], state[1] = abef[2], state[0] = abef[3];
    state[7] = cdgh[0], state[6] = cdgh[1], state[3] = cdgh[2], state[2] = cdgh[3];
    return 0;
}
