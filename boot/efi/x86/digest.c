// SPDX-License-Identifier: Apache-2.0
/* As a function of UEFI's it keeps the XMM registers that are the firmware's. */
#include <boot/efi/start.h>
#include <cpuid.h>

#define CPUID_SHA (1u << 29)   /* 7 ebx */
#define CPUID_SSE41 (1u << 19) /* 1 ecx */
#define CR4_OSFXSR (1u << 9)

static bool has_instructions(void)
{
    uint32_t eax, ebx, ecx, edx;
    uint64_t cr4;

    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    return (cr4 & CR4_OSFXSR) && __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & CPUID_SSE41) &&
           __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & CPUID_SHA);
}

EFI void digest_of(const void *data, size_t length, uint8_t digest[SHA256_SIZE])
{
    if (has_instructions())
        sha256_sha_ni(data, length, digest);
    else
        sha256_generic(data, length, digest);
}
