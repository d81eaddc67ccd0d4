/* SPDX-License-Identifier: Apache-2.0 */
/* The status page (include/bulkhead/status.h) as the kernel writes it. */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

#include <bulkhead/status.h>
#include <core/address.h>

extern struct status_page *status_page; /* from status_init() on */
void status_init(void);                 /* boot CPU */
/* The caller sees to it that there is one at a time (log.c's lock). */
void status_event(const struct supervision_event *event);
void status_measured(const char *name, const uint8_t sha256[32]); /* boot CPU */
struct hpa status_hpa(void);
uint64_t status_bytes(void); /* whole pages */

#endif
