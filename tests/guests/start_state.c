// SPDX-License-Identifier: Apache-2.0
/*
 * What a domain finds at its start: registers and memory without a trace of anybody (issue 2, points 5 and 6). It then
 * fills both with a pattern and resets, so that the next start has something to be free of.
 */
#include "start_state.h"

#define PATTERN 0x5ec4e75ec4e75ec4ull

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

void guest_main(void)
{
    struct guest_memory all = guest_memory();
    struct guest_memory description = entry_description();
    uint64_t tree = description.base, tree_end = description.base + description.size;
    uint64_t image = (uint64_t)image_end;

    entry_registers();
    if (tree < image) {
        memory(tree_end, GUEST_IMAGE_BASE, "between device tree and image");
        memory(image, all.base + all.size, "behind the image");
    } else {
        memory(all.base, GUEST_IMAGE_BASE, "below the image");
        memory(image, tree, "between image and device tree");
        memory(tree_end, all.base + all.size, "behind the device tree");
    }
    print("DONE: another start\n");
    entry_fill(PATTERN);
    guest_reset();
    check(false, "a reset goes by");
}
