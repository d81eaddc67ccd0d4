/* SPDX-License-Identifier: Apache-2.0 */
/* The task state segment, for its stacks, and the IDT (Intel SDM volume 3, chapters 7 and 8). */
#include "frame.h"

#define TASK_AVAILABLE 0x890000000000ull /* present, 64-bit TSS */
#define GATE_INTERRUPT 0x8e00u           /* present, interrupts masked */

static struct __attribute__((packed)) {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, io_map;
} task;

static struct {
    uint16_t offset0, selector, flags, offset16;
    uint32_t offset32, reserved;
} idt[256];

struct __attribute__((packed)) table {
    uint16_t limit;
    void *base;
};

void descriptors_init(void)
{
    uint64_t base = (uint64_t)&task, limit = sizeof task - 1;

    task.ist[IST_INTERRUPT - 1] = (uint64_t)interrupt_stack_top;
    task.ist[IST_CRASH - 1] = (uint64_t)crash_stack_top;
    task.io_map = sizeof task;
    gdt[SELECTOR_TASK / 8] =
        TASK_AVAILABLE | limit | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
    gdt[SELECTOR_TASK / 8 + 1] = base >> 32;
    for (uint32_t vector = 0; vector < 256; vector++) {
        uint64_t stub = (uint64_t)vector_stubs + vector * VECTOR_STUB_SIZE;

        idt[vector].offset0 = (uint16_t)stub;
        idt[vector].selector = SELECTOR_CODE;
        idt[vector].flags = GATE_INTERRUPT | (vector < 32 ? IST_CRASH : IST_INTERRUPT);
        idt[vector].offset16 = (uint16_t)(stub >> 16);
        idt[vector].offset32 = (uint32_t)(stub >> 32);
    }
    __asm__ volatile("lidt %0" ::"m"((struct table){sizeof idt - 1, idt}));
    __asm__ volatile("ltr %w0" ::"r"(SELECTOR_TASK));
}
