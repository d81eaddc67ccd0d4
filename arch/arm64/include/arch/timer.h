/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own timer and the system counter (timer.c). */
#ifndef ARCH_TIMER_H
#define ARCH_TIMER_H

#include <stdint.h>

void timer_init(void); /* boot CPU, before the first time_ns() */
/* Own CPU: interrupt at system counter time `at_ns`, or at once if that has passed; 0: never. */
void timer_arm(uint64_t at_ns);
uint64_t timer_count(void); /* the system counter */
/* The counter as a domain sees it, and the time_ns() at which it will have passed `count` of those. */
struct domain;
uint64_t timer_guest_count(const struct domain *domain);
uint64_t timer_guest_count_to_ns(const struct domain *domain, uint64_t count);

#endif
