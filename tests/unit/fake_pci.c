/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_pci.h"
#include <mgmt/bulkhead_log.h>
#include <stdio.h>
#include <stdlib.h>

/* Drivers keep what they have allocated for as long as the program runs. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

#define TURNS_MAX 100000u

struct pci_function fake_function = {.config = FAKE_CONFIG, .requester = 0x10, .name = "00:02.0"};
uint32_t fake_id, fake_class;
bool fake_master;
struct interrupt_handler *fake_handler;
uint32_t fake_log_lines;
uint64_t fake_now, fake_look_ns = 1000;
static struct loop_source *first, **last = &first;
static struct loop_timer *timers;

uint32_t mmio_read32(uintptr_t address)
{
    if (address == FAKE_CONFIG + PCI_ID)
        return fake_id;
    if (address == FAKE_CONFIG + PCI_CLASS)
        return fake_class << 8;
    return model_read((uint32_t)(address - FAKE_REGISTERS));
}
void mmio_write32(uintptr_t address, uint32_t value)
{
    model_write((uint32_t)(address - FAKE_REGISTERS), value);
}

void pci_enable(const struct pci_function *function)
{
    (void)function;
}
void pci_enable_master(const struct pci_function *function)
{
    (void)function;
    fake_master = true;
}
void pci_disable_master(const struct pci_function *function)
{
    (void)function;
    fake_master = false;
}
uintptr_t pci_bar(const struct pci_function *function, uint32_t index, uint32_t offset, uint32_t length)
{
    (void)function, (void)index, (void)length;
    return FAKE_REGISTERS + offset;
}
uint32_t pci_message(const struct pci_function *function)
{
    (void)function;
    return 24;
}
bool interrupt_register(uint32_t id, bool level, struct interrupt_handler *handler)
{
    fake_handler = handler;
    return id == 24 && !level;
}

void bulkhead_log(const char *format, ...)
{
    (void)format;
    fake_log_lines++;
}
_Noreturn void panic(const char *format, ...)
{
    fputs(format, stderr);
    abort();
}

uint64_t time_ns(void)
{
    return fake_now += fake_look_ns;
}

void loop_signal(struct loop_source *source)
{
    if (source->pending)
        return;
    source->pending = true;
    source->next = NULL;
    *last = source;
    last = &source->next;
}

void loop_timer_cancel(struct loop_timer *timer)
{
    for (struct loop_timer **at = &timers; *at; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    timer->deadline_ns = 0;
}

void loop_timer_set(struct loop_timer *timer, uint64_t after_ns)
{
    loop_timer_cancel(timer);
    timer->deadline_ns = fake_now + after_ns;
    timer->next = timers;
    timers = timer;
}

void fake_pci_reset(void)
{
    first = NULL;
    last = &first;
    timers = NULL;
    fake_master = false;
    fake_handler = NULL;
    fake_log_lines = 0;
    fake_now = 1000000;
}

void fake_interrupt(void)
{
    if (fake_handler)
        fake_handler->handle(fake_handler);
}

void fake_run(void)
{
    for (uint32_t turn = 0; first; turn++) {
        struct loop_source *source = first;

        if (turn == TURNS_MAX)
            abort();
        first = source->next;
        if (!first)
            last = &first;
        source->pending = false;
        source->run(source);
    }
}

void fake_pass(uint64_t ns)
{
    uint64_t end = fake_now + ns;

    fake_run();
    for (;;) {
        struct loop_timer *next = NULL;

        for (struct loop_timer *timer = timers; timer; timer = timer->next)
            if (!next || timer->deadline_ns < next->deadline_ns)
                next = timer;
        if (!next || next->deadline_ns > end)
            break;
        if (next->deadline_ns > fake_now)
            fake_now = next->deadline_ns;
        loop_timer_cancel(next);
        next->run(next);
        fake_run();
    }
    if (fake_now < end)
        fake_now = end;
}
