// SPDX-License-Identifier: Apache-2.0
/*
 * A guest that owns a device (QEMU's edu) and has it reach for what is not the guest's: memory of others and of the
 * kernel, registers, interrupts (issue 4, points 2 and 8). Its own memory is reached, and its own interrupt arrives.
 * test_passthrough.py looks at what the kernel has counted, and at the others.
 */
#include "support/edu.h"

#include <bulkhead/guest_map.h>

#define PATTERN 0x6b8b4567327b23c6ull
#define LENGTH 512u
#define PM_CAPABILITY 1u

static struct edu edu;
static volatile uint32_t messages;
static uint64_t memory_end;
/* In the middle of memory, which nothing else of this program uses. */
static volatile uint64_t *source, *target;

static void on_interrupt(uint32_t id)
{
    if (id == MESSAGE_INTERRUPT)
        messages++;
    if (id == TIMER_INTERRUPT)
        timer_off();
}

static void fill(volatile uint64_t *at, uint64_t value)
{
    for (uint32_t i = 0; i < LENGTH / 8; i++)
        at[i] = value ? value * (i + 1) : 0;
    __asm__ volatile("" ::: "memory");
}

static bool holds(volatile uint64_t *at, uint64_t value)
{
    for (uint32_t i = 0; i < LENGTH / 8; i++)
        if (at[i] != (value ? value * (i + 1) : 0))
            return false;
    return true;
}

/* Takes what interrupts come within the time. */
static void take_for_ms(uint64_t ms)
{
    uint64_t end = now_ms() + ms;

    do {
        timer_after_ms(5);
        interrupts_wait();
    } while (now_ms() < end);
}

static bool copies(void)
{
    fill(source, PATTERN);
    fill(target, 0);
    edu_read(&edu, (uint64_t)source, LENGTH);
    edu_write(&edu, (uint64_t)target, LENGTH);
    return holds(target, PATTERN);
}

static void own_memory(void)
{
    check(copies(), "the device reaches this guest's memory");
}

static bool message_comes(void)
{
    uint64_t end = now_ms() + PATIENCE_MS;

    messages = 0;
    edu_interrupt(&edu);
    while (!messages && now_ms() < end)
        take_for_ms(10);
    edu_acknowledge(&edu);
    return messages == 1;
}

static void own_message(void)
{
    edu_message(&edu, MESSAGE_ADDRESS, MESSAGE_INTERRUPT);
    check(message_comes(), "the device's message arrives");
    messages = 0;
    edu_begin(&edu, (uint64_t)target, LENGTH, true, true);
    check(edu_wait(&edu), "a copy that interrupts comes to an end");
    take_for_ms(200);
    edu_acknowledge(&edu);
    check(messages == 1, "the end of a copy interrupts once (%u)", messages);
}

/* What is read from there must not be in the device's buffer after; what is written there must hurt nobody. */
static void others_memory(void)
{
    const uint64_t addresses[] = {0,
                                  0x1000,
                                  0x08000000,
                                  0x09000000,
                                  0x10000000,
                                  GUEST_PCI_ECAM,
                                  edu.registers,
                                  0x3ffff000,
                                  memory_end,
                                  memory_end + 0x1000,
                                  0x50000000,
                                  0x80000000,
                                  0xb0000000,
                                  0xfec00000,
                                  0xfffff000,
                                  0x100000000,
                                  0x4010000000,
                                  1ull << 36,
                                  1ull << 40,
                                  1ull << 47,
                                  1ull << 63,
                                  0ull - 0x1000};

    for (uint32_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
        if (addresses[i] - guest_memory().base < guest_memory().size)
            continue;
        fill(source, PATTERN);
        fill(target, 0);
        edu_read(&edu, (uint64_t)source, LENGTH);
        edu_write(&edu, addresses[i], LENGTH);
        edu_read(&edu, addresses[i], LENGTH);
        edu_write(&edu, (uint64_t)target, LENGTH);
        check(holds(target, PATTERN) || holds(target, 0) || target[0] == ~0ull, "nothing was read at %lx: %lx",
              addresses[i], target[0]);
    }
    edu_write(&edu, memory_end - LENGTH / 2, LENGTH); /* half of it is this guest's */
    check(copies(), "the device reaches this guest's memory after that");
}

static void others_interrupts(void)
{
    const struct {
        uint64_t address;
        uint32_t data;
    } pairs[] = {{0x08090040, 0},
                 {0x08090040, 1},
                 {0x08090040, 8192},
                 {0x08080040, 0},
                 {(uint64_t)target, 1},
                 {MESSAGE_ADDRESS, 0},
                 {MESSAGE_ADDRESS, MESSAGE_DATA_REFUSED},
                 {MESSAGE_ADDRESS + 4, 448},
                 {0x4000, 7},
                 {memory_end, 9},
                 {1ull << 63, 8},
                 {0x8090000, 0xffff}};

    fill(target, 0);
    for (uint32_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        edu_message(&edu, pairs[i].address, pairs[i].data);
        messages = 0;
        edu_interrupt(&edu);
        take_for_ms(30);
        edu_acknowledge(&edu);
        check(messages == 0, "message %x to %lx is nobody's", pairs[i].data, pairs[i].address);
    }
    check(holds(target, 0), "a message is not written to memory");
    edu_message(&edu, MESSAGE_ADDRESS, MESSAGE_INTERRUPT);
    check(message_comes(), "the device's message arrives again");
}

/* The device writes by itself where messages go. What it may send there, it is told by the kernel alone. */
static void forged_message(void)
{
    fill(source, PATTERN);
    edu_read(&edu, (uint64_t)source, LENGTH);
    messages = 0;
    edu_write(&edu, MESSAGE_FORGED, 4);
    take_for_ms(30);
    check(messages == 0 && copies(), "a message that the device makes up is nobody's");
}

static uint32_t find_capability(uint32_t kind)
{
    uint32_t at = read32(edu.config + PCI_CAPABILITIES) & 0xfc;

    for (uint32_t i = 0; at >= 0x40 && i < 48; i++) {
        if ((read32(edu.config + at) & 0xff) == kind)
            return at;
        at = read32(edu.config + at) >> 8 & 0xfc;
    }
    return 0;
}

static void configuration(void)
{
    uint32_t bar = read32(edu.config + PCI_BAR0), pm = find_capability(PM_CAPABILITY), others = 0;

    write32(edu.config + PCI_BAR0, ~0u);
    check((read32(edu.config + PCI_BAR0) & ~15u) == 0u - 0x100000u, "the BAR tells its size");
    write32(edu.config + PCI_BAR0, 0x40000000);
    write32(edu.config + PCI_BAR0, bar);
    check(read32(edu.config + PCI_BAR0) == bar && copies(), "the BAR stays where it is");

    edu_command(&edu, PCI_MEMORY);
    fill(source, PATTERN);
    fill(target, 0);
    edu_write(&edu, (uint64_t)target, LENGTH);
    check(holds(target, 0), "without bus mastering the device reaches nothing");
    edu_command(&edu, 0);
    edu_command(&edu, PCI_MEMORY | PCI_MASTER);
    check(copies(), "the device is back");
    if (pm) {
        write16(edu.config + pm + 4, 3); /* D3hot */
        check(copies(), "a power state that was written stops nothing");
        write16(edu.config + pm + 4, 0);
    }
    for (uint32_t at = 0; at < 4096; at += 4) /* everything, as it is and inverted */
        if (at != PCI_COMMAND && at - edu.msi >= 24) {
            uint32_t value = read32(edu.config + at);

            write32(edu.config + at, ~value);
            write32(edu.config + at, value);
        }
    check(read32(edu.config) == EDU_ID && copies(), "every register can be written, and the device works");
    for (uint64_t function = 0; function < 256; function++)
        others += GUEST_PCI_ECAM + function * 4096 != edu.config && read32(GUEST_PCI_ECAM + function * 4096) != ~0u;
    check(others == 0, "there is no other function (%u)", others);
}

void guest_main(void)
{
    struct guest_memory memory = guest_memory();

    memory_end = memory.base + memory.size;
    source = (volatile uint64_t *)(memory.base + memory.size / 2);
    target = source + LENGTH;
    edu = edu_find();
    check(edu.config && edu.msi, "the device is there");
    if (!edu.config || !edu.msi)
        return;
    interrupt_handler = on_interrupt;
    interrupts_start();
    interrupt_enable(TIMER_INTERRUPT);
    message_enable();
    own_memory();
    own_message();
    others_memory();
    others_interrupts();
    forged_message();
    configuration();
}
