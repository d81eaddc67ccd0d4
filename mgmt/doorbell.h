/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the doorbell page and tells the back-ends. Loop context. */
#ifndef MGMT_DOORBELL_H
#define MGMT_DOORBELL_H

#include <stdint.h>

struct doorbell_handler {
    /* `bits`: of bulkhead/channel.h, what was rung since the last call. Either does a bounded amount of work, or
     * signals a loop source of its own. */
    void (*ring)(struct doorbell_handler *handler, uint32_t bits);
    void *owner;
};

/* One handler a channel; it must exist for ever. Register first, then attach and look at the queues once. */
void doorbell_register(uint32_t channel, struct doorbell_handler *handler);
/* Any number of handlers for the bits `mask` of the system word (DOORBELL_DOMAIN, ...). */
struct doorbell_system_handler {
    void (*ring)(struct doorbell_system_handler *handler, uint32_t bits);
    uint32_t mask;
    void *owner;
    struct doorbell_system_handler *next; /* doorbell.c's */
};
void doorbell_register_system(struct doorbell_system_handler *handler);

#endif
