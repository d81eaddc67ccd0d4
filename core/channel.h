/* SPDX-License-Identifier: Apache-2.0 */
/* Channels: the kernel's side of include/bulkhead/channel.h. */
#ifndef CORE_CHANNEL_H
#define CORE_CHANNEL_H

#include <bulkhead/channel.h>
#include <core/mmio.h>

/* Boot CPU: lays out register pages and doorbell pages, registers the trapped (write) side with mmio_add(); the stage-2
 * mapping of channel_register_page() (front-end: at its slot; back-end: at its hpa; both read-only) is domain.c's. */
void channel_init(void);
struct hpa channel_register_page(uint32_t channel);
struct hpa channel_doorbell_page(const struct domain *back); /* value 0: the domain backs nothing and is not the management domain */

/* Any CPU: tell the management domain (DOORBELL_DOMAIN, _CONSOLE, _LOG). Cheap when it was told already. */
void channel_ring_system(uint32_t bits);
/* The front-end's domain stops: every channel of it is RESETTING; false while a back-end still holds buffers. Idempotent. */
bool channel_reset_front(struct domain *front);
/* The back-end's domain stops (it restarts): its doorbells are cleared, and ring for every queue when it attaches again. */
void channel_reset_back(struct domain *back);

/* Hypercalls of include/bulkhead/hypercall.h; they check the caller's right. Return enum hypercall_error. */
int64_t channel_signal(struct domain *caller, uint64_t channel, uint64_t bits);
/* HC_CHANNEL_OFFER, _CONFIG, _ATTACH, _RESET_DONE, _FAIL: x[0], with its arguments from x[1], the channel, on. */
int64_t channel_call(struct domain *caller, const uint64_t *x);

#endif
