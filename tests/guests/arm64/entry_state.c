// SPDX-License-Identifier: Apache-2.0
#include "tests/guests/start_state.h"

struct guest_memory entry_description(void)
{
    uint64_t tree = guest_initial.x[0], base = tree & ~4095ull;
    uint32_t bytes = __builtin_bswap32(*(volatile uint32_t *)(tree + 4));

    /* The kernel may keep some room behind the tree that it has made: what counts is that nothing else stands there. */
    return (struct guest_memory){base, ((tree + bytes + 7) & ~7ull) - base};
}

void entry_registers(void)
{
    uint64_t general = 0, simd = 0;

    for (int i = 1; i < 31; i++)
        general |= guest_initial.x[i];
    for (int i = 0; i < 32; i++)
        simd |= guest_initial.q[i][0] | guest_initial.q[i][1];
    check(guest_initial.x[0] != 0, "x0 is the device tree");
    check(general == 0, "x1..x30 are zero");
    check(guest_initial.sp == 0, "SP is zero (%lx)", guest_initial.sp);
    check(simd == 0, "q0..q31 are zero");
    check(guest_initial.current_el == 4, "it runs at EL1");
    check((guest_initial.daif & 0x3c0) == 0x3c0, "all interrupts are masked");
    check((guest_initial.sctlr & 0x1005) == 0, "MMU and caches are off (SCTLR %lx)", guest_initial.sctlr);
    check((guest_initial.timer_control & 1) == 0, "the virtual timer is off");
}

void entry_fill(uint64_t pattern)
{
    __asm__ volatile("dup v0.2d, %0\n\tdup v15.2d, %0\n\tdup v31.2d, %0\n\tmov x18, %0\n\tmov x28, %0" ::"r"(pattern)
                     : "x18", "x28", "v0", "v15", "v31");
}
