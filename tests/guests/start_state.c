// SPDX-License-Identifier: Apache-2.0
/*
 * What a domain finds at its start: registers and memory without a trace of anybody (issue 2, points 5 and 6). It then
 * fills both with a pattern and resets, so that the next start has something to be free of.
 */
#include "support/guest.h"

#define PATTERN 0x5ec4e75ec4e75ec4ull

static void registers(void)
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

static void memory(uint64_t from, uint64_t to, const char *name)
{
    volatile uint64_t *word = (uint64_t *)from;
    uint64_t used = 0, last = 0;

    for (; word < (uint64_t *)to; word++) {
        if (*word != 0)
            used++, last = (uint64_t)word;
        *word = PATTERN;
    }
    check(used == 0, "memory %s is zero (%lu words are not, the last at %lx)", name, used, last);
}

static uint32_t tree_bytes(uint64_t tree)
{
    return __builtin_bswap32(*(volatile uint32_t *)(tree + 4));
}

void guest_main(void)
{
    struct guest_memory all = guest_memory();
    uint64_t tree = guest_initial.x[0] & ~4095ull;
    /* The kernel may keep some room behind the tree that it has made: what counts is that nothing else stands there. */
    uint64_t tree_end = (guest_initial.x[0] + tree_bytes(guest_initial.x[0]) + 7) & ~7ull;
    uint64_t image = (uint64_t)image_end;

    registers();
    if (tree < image) {
        memory(tree_end, 0x40080000, "between device tree and image");
        memory(image, all.base + all.size, "behind the image");
    } else {
        memory(all.base, 0x40080000, "below the image");
        memory(image, tree, "between image and device tree");
        memory(tree_end, all.base + all.size, "behind the device tree");
    }
    print("DONE: another start\n");
    __asm__ volatile("dup v0.2d, %0\n\tdup v15.2d, %0\n\tdup v31.2d, %0\n\tmov x18, %0\n\tmov x28, %0" ::"r"(PATTERN)
                     : "x18", "x28", "v0", "v15", "v31");
    call_hvc(PSCI_SYSTEM_RESET, PATTERN, PATTERN, PATTERN, PATTERN);
    check(false, "SYSTEM_RESET returned");
}
