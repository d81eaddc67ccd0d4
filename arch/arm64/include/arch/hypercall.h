/* SPDX-License-Identifier: Apache-2.0 */
/* The instruction behind lib/hypercall.h. SMCCC 1.1: x0..x3 return results, x4..x17 keep their values. Memory: the
 * kernel writes pages that it shares. */
#ifndef ARCH_HYPERCALL_H
#define ARCH_HYPERCALL_H

#include <stdint.h>

/* x[0]: the function; x[0..3]: the results. */
static inline void hypercall_invoke(uint64_t x[10])
{
    register uint64_t x0 __asm__("x0") = x[0];
    register uint64_t x1 __asm__("x1") = x[1];
    register uint64_t x2 __asm__("x2") = x[2];
    register uint64_t x3 __asm__("x3") = x[3];
    register uint64_t x4 __asm__("x4") = x[4];
    register uint64_t x5 __asm__("x5") = x[5];
    register uint64_t x6 __asm__("x6") = x[6];
    register uint64_t x7 __asm__("x7") = x[7];
    register uint64_t x8 __asm__("x8") = x[8];
    register uint64_t x9 __asm__("x9") = x[9];

    __asm__ volatile("hvc #0"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                     : "r"(x4), "r"(x5), "r"(x6), "r"(x7), "r"(x8), "r"(x9)
                     : "memory");
    x[0] = x0;
    x[1] = x1;
    x[2] = x2;
    x[3] = x3;
}

static inline int64_t hypercall_invoke4(uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4)
{
    register uint64_t r0 __asm__("x0") = function;
    register uint64_t r1 __asm__("x1") = x1;
    register uint64_t r2 __asm__("x2") = x2;
    register uint64_t r3 __asm__("x3") = x3;
    register uint64_t r4 __asm__("x4") = x4;

    __asm__ volatile("hvc #0" : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3) : "r"(r4) : "memory");
    return (int64_t)r0;
}

#endif
