// SPDX-License-Identifier: Apache-2.0
/* What a message of a passed-through device costs (QEMU's edu), for tests/bench: taken while the guest runs, and ended. */
#include "support/edu.h"

#define COUNT 1000u

static volatile uint32_t messages;

static void on_interrupt(uint32_t id)
{
    messages += id == MESSAGE_INTERRUPT;
}

static void exchange(const struct edu *edu)
{
    uint32_t before = messages;

    edu_interrupt(edu);
    interrupts_on();
    while (messages == before)
        cpu_relax();
    interrupts_off();
    edu_acknowledge(edu);
}

void guest_main(void)
{
    struct edu edu = edu_find();

    check(edu.config && edu.msi, "the device is there");
    if (!edu.config || !edu.msi)
        return;
    interrupt_handler = on_interrupt;
    interrupts_start();
    message_enable();
    edu_message(&edu, MESSAGE_ADDRESS, MESSAGE_INTERRUPT);
    exchange(&edu);
    MARK(96 + 1);
    for (uint32_t i = 0; i < COUNT; i++)
        exchange(&edu);
    MARK(112 + 1);
    check(messages == COUNT + 1, "%u messages", messages);
}
