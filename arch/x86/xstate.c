// SPDX-License-Identifier: Apache-2.0
/* FPU, vector and debug registers. The kernel uses none: they are the guest's, live in its CPU, XCR0 included. */
#include "guest_cpu.h"

#include <arch/cpu.h>

#define XCR0_X87 1ull
#define XCR0_SSE 2ull
#define XCR0_AVX 4ull
#define XCR0_AVX512 (7ull << 5)
#define XCR0_GUESTS (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512)
#define CPUID_XSAVE (1u << 26) /* 1 ecx */
#define MXCSR_RESET 0x1f80u
#define MXCSR_OFFSET 24

static void set(uint64_t components)
{
    asm volatile("xsetbv" ::"c"(0), "a"((uint32_t)components), "d"((uint32_t)(components >> 32)) : "memory");
}

uint64_t xstate_components(void)
{
    struct cpuid host;

    if (!(cpuid(1, 0).ecx & CPUID_XSAVE))
        return 0;
    host = cpuid(0xd, 0);
    return ((uint64_t)host.edx << 32 | host.eax) & XCR0_GUESTS;
}

bool xstate_enable(uint64_t components)
{
    uint64_t wide = components & XCR0_AVX512;

    if (!(components & XCR0_X87) || (components & ~xstate_components()) ||
        ((components & XCR0_AVX) && !(components & XCR0_SSE)) ||
        (wide != 0 && (wide != XCR0_AVX512 || !(components & XCR0_AVX))))
        return false;
    set(components);
    return true;
}

void xstate_reset(void)
{
    /* Legacy area and header: with no bit of XSTATE_BV set, XRSTOR takes no more than MXCSR from it. */
    static const struct {
        uint32_t words[576 / 4];
    } __attribute__((aligned(64))) initial = {.words = {[0] = 0x37f, [MXCSR_OFFSET / 4] = MXCSR_RESET}};
    uint64_t components = xstate_components();

    asm volatile("fxrstor %0" ::"m"(initial));
    if (components != 0) {
        set(components);
        asm volatile("xrstor %0" ::"m"(initial), "a"((uint32_t)components), "d"(0));
        set(XCR0_X87);
    }
    asm volatile("mov %0, %%dr0\n\tmov %0, %%dr1\n\tmov %0, %%dr2\n\tmov %0, %%dr3" ::"r"(0ull));
    asm volatile("mov %0, %%cr2" ::"r"(0ull));
}
