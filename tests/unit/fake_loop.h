/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mgmt/loop.h and mgmt/worker.h in a host program: one loop over poll(), and a thread that plays the worker (which is
 * stricter than the product, where worker and loop share a CPU).
 */
#ifndef TESTS_UNIT_FAKE_LOOP_H
#define TESTS_UNIT_FAKE_LOOP_H

#include <mgmt/loop.h>
#include <stdbool.h>

/* `ready` is called from the loop while `fd` is readable. */
void fake_loop_watch(int fd, void (*ready)(int fd, void *owner), void *owner);
void fake_loop_unwatch(int fd);
/* Runs the loop until `*stop`; looks at it at least every 20 ms. `each` (may be NULL) is called in every turn. */
void fake_loop_run(const volatile bool *stop, void (*each)(void));
/* Added to both clocks, in ns and s; read at each use. */
extern volatile uint64_t *fake_clock_skip_ns;
extern volatile int64_t *fake_wall_skip_s;

#endif
