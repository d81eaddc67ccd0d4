/* SPDX-License-Identifier: Apache-2.0 */
/* The local APIC in x2APIC mode (Intel SDM volume 3, 11.12) and the I/O APIC (82093AA). */
#include "frame.h"
#include <lib/tree.h>

#define MSR_APIC_BASE 0x1b
#define APIC_BASE_X2APIC 0xc00ull /* enabled, x2APIC mode */
#define MSR_X2APIC_ID 0x802
#define MSR_X2APIC_TPR 0x808
#define MSR_X2APIC_EOI 0x80b
#define MSR_X2APIC_SPURIOUS 0x80f
#define SPURIOUS_ENABLE 0x100u
#define MSR_X2APIC_LINT0 0x835
#define MSR_X2APIC_LINT1 0x836
#define LVT_MASKED 0x10000u

/* Hyper-V's virtual APIC assist page (TLFS, 10.3.5), which the kernel gives: its bit 0 says that an EOI is not asked
 * for. */
#define CPUID_HYPERV_INTERFACE 0x40000001u
#define HYPERV_INTERFACE 0x31237648u /* "Hv#1" */
#define MSR_ASSIST_PAGE 0x40000073
#define ASSIST_ENABLE 1u

#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_VERSION 0x01
#define IOAPIC_REDIRECTION 0x10 /* two registers a pin */
#define REDIRECTION_LEVEL 0x8000u

#define FIRST_VECTOR 32u
#define HANDLERS 64u
#define NO_LINE ~0u
#define MESSAGE_LINES 24u /* lines from here on are messages: they have their vector and need no enabling */

static uint64_t ioapic;
static uint32_t pins;
static struct interrupt_handler *handlers[HANDLERS];        /* by vector, from FIRST_VECTOR on */
static uint8_t assist[4096] __attribute__((aligned(4096))); /* the kernel lays its own page over it */

static INTERRUPT_CONTEXT uint32_t ioapic_read(uint32_t index)
{
    mmio_write32(ioapic + IOAPIC_SELECT, index);
    return mmio_read32(ioapic + IOAPIC_WINDOW);
}

static INTERRUPT_CONTEXT void ioapic_write(uint32_t index, uint32_t value)
{
    mmio_write32(ioapic + IOAPIC_SELECT, index);
    mmio_write32(ioapic + IOAPIC_WINDOW, value);
}

void apic_init(void)
{
    struct tree_range registers = tree_reg(tree_compatible(-1, "intel,ce4100-ioapic"), 0);
    uint64_t base = msr_read(MSR_APIC_BASE);

    if (!registers.size)
        panic("the device tree has no I/O APIC");
    if (!(cpuid(1).ecx & CPUID_1_ECX_X2APIC))
        panic("the CPU has no x2APIC mode");
    if ((base & APIC_BASE_X2APIC) != APIC_BASE_X2APIC)
        msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    msr_write(MSR_X2APIC_LINT0, LVT_MASKED);
    msr_write(MSR_X2APIC_LINT1, LVT_MASKED);
    msr_write(MSR_X2APIC_TPR, 0);
    msr_write(MSR_X2APIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    if (cpuid(CPUID_HYPERV_INTERFACE).eax == HYPERV_INTERFACE)
        msr_write(MSR_ASSIST_PAGE, (uint64_t)assist | ASSIST_ENABLE);
    memory_map(registers.base, registers.size, MEMORY_DEVICE);
    ioapic = registers.base;
    pins = (ioapic_read(IOAPIC_VERSION) >> 16 & 0xff) + 1;
    for (uint32_t pin = 0; pin < pins; pin++)
        ioapic_write(IOAPIC_REDIRECTION + 2 * pin, LVT_MASKED);
}

bool interrupt_take(uint32_t vector, struct interrupt_handler *handler)
{
    if (vector < FIRST_VECTOR || vector - FIRST_VECTOR >= HANDLERS || handlers[vector - FIRST_VECTOR])
        return false;
    handler->id = NO_LINE;
    handlers[vector - FIRST_VECTOR] = handler;
    return true;
}

bool interrupt_register(uint32_t id, bool level, struct interrupt_handler *handler)
{
    uint32_t vector = VECTOR_LINES + id;
    bool enabled;

    if (id >= HANDLERS || !interrupt_take(vector, handler))
        return false;
    if (id >= MESSAGE_LINES)
        return true;
    if (id >= pins)
        return false;
    handler->id = id;
    enabled = interrupt_mask(); /* interrupt_enable() selects a register, too */
    ioapic_write(IOAPIC_REDIRECTION + 2 * id + 1, (uint32_t)msr_read(MSR_X2APIC_ID) << 24);
    ioapic_write(IOAPIC_REDIRECTION + 2 * id, vector | (level ? REDIRECTION_LEVEL : 0));
    interrupt_restore(enabled);
    return true;
}

INTERRUPT_CONTEXT bool interrupt_enable(uint32_t id, bool enabled)
{
    uint32_t pin = IOAPIC_REDIRECTION + 2 * id;

    if (id >= MESSAGE_LINES || id >= pins)
        return false;
    ioapic_write(pin, (ioapic_read(pin) & ~LVT_MASKED) | (enabled ? 0 : LVT_MASKED));
    return true;
}

INTERRUPT_CONTEXT void interrupt_dispatch(uint64_t vector)
{
    struct interrupt_handler *handler = vector - FIRST_VECTOR < HANDLERS ? handlers[vector - FIRST_VECTOR] : NULL;

    if (vector == VECTOR_SPURIOUS)
        return;
    if (handler)
        interrupt_handle(handler);
    if (__atomic_fetch_and(&assist[0], (uint8_t)~1u, __ATOMIC_RELAXED) & 1)
        return;
    msr_write(MSR_X2APIC_EOI, 0);
}
