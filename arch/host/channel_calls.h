/* SPDX-License-Identifier: Apache-2.0 */
/* A back-end's hypercalls by name, for tests. */
#ifndef ARCH_HOST_CHANNEL_CALLS_H
#define ARCH_HOST_CHANNEL_CALLS_H

#include <bulkhead/hypercall.h>
#include <core/channel.h>

static inline int64_t channel_offer(struct domain *caller, uint64_t channel, uint64_t features, uint64_t queues, uint64_t size)
{
    return channel_call(caller, (uint64_t[]){HC_CHANNEL_OFFER, channel, features, queues, size});
}

static inline int64_t channel_config(struct domain *caller, uint64_t channel, uint64_t offset, uint64_t width, uint64_t value)
{
    return channel_call(caller, (uint64_t[]){HC_CHANNEL_CONFIG, channel, offset, width, value});
}

static inline int64_t channel_attach(struct domain *caller, uint64_t channel)
{
    return channel_call(caller, (uint64_t[]){HC_CHANNEL_ATTACH, channel});
}

static inline int64_t channel_reset_done(struct domain *caller, uint64_t channel)
{
    return channel_call(caller, (uint64_t[]){HC_CHANNEL_RESET_DONE, channel});
}

static inline int64_t channel_fail(struct domain *caller, uint64_t channel)
{
    return channel_call(caller, (uint64_t[]){HC_CHANNEL_FAIL, channel});
}

#endif
