/* SPDX-License-Identifier: Apache-2.0 */
/* Console rings and the kernel log: rings of include/bulkhead/console.h in kernel memory. */
#ifndef CORE_CONSOLE_H
#define CORE_CONSOLE_H

#include <bulkhead/console.h>
#include <core/address.h>

struct byte_ring *console_ring(uint32_t index); /* kernel virtual; NULL out of range */
struct hpa console_ring_page(uint32_t index);   /* hpa of the ring; its length: console_ring_bytes() */
uint64_t console_ring_bytes(void);              /* header and data, whole pages */
void console_init(void);                        /* boot CPU */
/* Any CPU. Appends, never waits; the rings have a lock each. Rings DOORBELL_CONSOLE. */
void console_write(uint32_t index, const void *data, uint32_t length);

#endif
