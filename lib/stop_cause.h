/* SPDX-License-Identifier: Apache-2.0 */
/* Words for the numbers of bulkhead/status.h. Never NULL; "unknown" for what is not defined. */
#ifndef LIB_STOP_CAUSE_H
#define LIB_STOP_CAUSE_H

#include <stdint.h>

const char *stop_cause_text(uint32_t cause);
const char *domain_state_text(uint32_t state);
const char *event_kind_text(uint32_t kind);

#endif
