// SPDX-License-Identifier: Apache-2.0
/*
 * A guest whose device (QEMU's edu) never stops writing to memory, and which is restarted again and again: in a new
 * life no write of a former one arrives, and the device works (issue 4, point 5). A write of edu's ends 100 ms after it
 * began.
 */
#include "support/edu.h"

#define PATTERN 0x6b8b4567327b23c6ull
#define LENGTH 512u
#define TARGETS 64u
#define SETTLE_MS 130u /* a former life's last write would have come by then */

static volatile uint64_t *source, *targets;

static bool is_new(void)
{
    for (uint32_t i = 0; i < (TARGETS + 1) * LENGTH / 8; i++)
        if (source[i])
            return false;
    return true;
}

void guest_main(void)
{
    struct guest_memory memory = guest_memory();
    uint64_t seed = counter(), wait = random_next(&seed) % SETTLE_MS;
    struct edu edu;

    source = (volatile uint64_t *)(memory.base + memory.size / 2);
    targets = source + LENGTH / 8;
    check(is_new(), "memory is new");
    wait_ms(wait);
    check(is_new(), "memory is still new after %lu ms", wait);
    edu = edu_find();
    check(edu.config, "the device is there");
    for (uint32_t i = 0; i < LENGTH / 8; i++)
        source[i] = PATTERN;
    edu_read(&edu, (uint64_t)source, LENGTH);
    for (uint32_t life = 0;; life++) {
        volatile uint64_t *target = targets + life % TARGETS * LENGTH / 8;

        target[LENGTH / 8 - 1] = 0;
        edu_write(&edu, (uint64_t)target, LENGTH);
        if (life == 0 || target[LENGTH / 8 - 1] != PATTERN)
            check(target[LENGTH / 8 - 1] == PATTERN, "the device writes");
    }
}
