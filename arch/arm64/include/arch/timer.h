/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own timer and the system counter (timer.c). */
#ifndef ARCH_TIMER_H
#define ARCH_TIMER_H

#include <stdint.h>

void timer_init(void); /* boot CPU, before the first time_ns() */
/* Own CPU: interrupt at system counter time `at_ns`, or at once if that has passed; 0: never. */
void timer_arm(uint64_t at_ns);
/* The system counter as guests see it, and the time_ns() at which it will have reached `count`. */
uint64_t timer_count(void);
uint64_t timer_count_to_ns(uint64_t count);

#endif
