/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel shares with the management domain, as its device tree says. Fixed after platform_init(). */
#ifndef MGMT_PLATFORM_H
#define MGMT_PLATFORM_H

#include <bulkhead/channel.h>
#include <bulkhead/console.h>
#include <bulkhead/status.h>
#include <stddef.h>

void platform_init(void); /* main.c, before any module; panics when the kernel's nodes are missing */

const struct status_page *platform_status(void);
const struct byte_ring *platform_log_ring(void);
const struct byte_ring *platform_console_ring(uint32_t index); /* NULL: no such ring */
struct doorbell_page *platform_doorbell(void);
uint32_t platform_doorbell_interrupt(void);
/* Register page of a channel that this domain backs (bulkhead/channel.h): registers at 0, struct channel_state at
 * CHANNEL_STATE_OFFSET. The kernel changes it at any time. NULL: no such channel. */
const volatile uint8_t *platform_channel_page(uint32_t channel);

/* A partition's RAM, as this domain may use it. The guest changes it at any time. */
struct platform_grant {
    uint64_t guest_base; /* ipa in the guest */
    uint64_t size;       /* 0: this partition grants nothing */
    uint8_t *local;      /* here; also the address for DMA */
};
const struct platform_grant *platform_grant(uint32_t partition); /* never NULL */

#endif
