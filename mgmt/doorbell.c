/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/native.h>
#include <mgmt/doorbell.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <mgmt/platform.h>
#include <stddef.h>

static struct doorbell_handler *handlers[BULKHEAD_CHANNELS_MAX];
static struct doorbell_system_handler *system_handlers;

static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    loop_signal(handler->owner);
}

/* One round over what is rung now: at most one call a channel. What is rung meanwhile interrupts again. */
static void take(struct loop_source *source)
{
    struct doorbell_page *page = platform_doorbell();
    uint64_t summary = __atomic_exchange_n((uint64_t *)&page->summary, 0, __ATOMIC_ACQUIRE);
    uint32_t system = __atomic_exchange_n((uint32_t *)&page->system, 0, __ATOMIC_ACQUIRE);

    (void)source;
    for (; summary; summary &= summary - 1) {
        uint32_t channel = (uint32_t)__builtin_ctzll(summary);
        uint32_t bits = __atomic_exchange_n((uint32_t *)&page->channel[channel], 0, __ATOMIC_ACQUIRE);

        if (bits && handlers[channel])
            handlers[channel]->ring(handlers[channel], bits);
    }
    for (struct doorbell_system_handler *handler = system_handlers; handler; handler = handler->next)
        if (system & handler->mask)
            handler->ring(handler, system & handler->mask);
}
static struct loop_source source = {.run = take};
static struct interrupt_handler interrupt = {.handle = interrupted, .owner = &source, .name = "doorbell"};

void doorbell_register(uint32_t channel, struct doorbell_handler *handler)
{
    if (channel < BULKHEAD_CHANNELS_MAX)
        handlers[channel] = handler;
}

void doorbell_register_system(struct doorbell_system_handler *handler)
{
    handler->next = system_handlers;
    system_handlers = handler;
}

static void doorbell_start(void)
{
    if (!interrupt_register(platform_doorbell_interrupt(), false, &interrupt))
        panic("the doorbell has no interrupt");
    loop_signal(&source); /* what was rung before */
}
MODULE(MODULE_CORE, doorbell, doorbell_start);
