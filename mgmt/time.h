/* SPDX-License-Identifier: Apache-2.0 */
/* Time as mgmt/loop.h promises it, and its counterpart in the system counter's ticks. */
#ifndef MGMT_TIME_H
#define MGMT_TIME_H

#include <stdint.h>

void time_init(void);
/* The system counter's value when time_ns() will have reached `ns`; UINT64_MAX stays so. */
uint64_t time_counter(uint64_t ns);

#endif
