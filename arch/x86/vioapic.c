/* SPDX-License-Identifier: Apache-2.0 */
/* The IOAPIC, and how a domain's lines are driven; see arch/vioapic.h. */
#include <core/interrupt.h>
#include <core/mmio.h>
#include <core/vpci.h>

enum ioapic_offset { IOREGSEL = 0x00, IOWIN = 0x10, IOEOI = 0x40 };
enum ioapic_register { IOAPIC_ID = 0x00, IOAPIC_VERSION = 0x01, IOAPIC_REDIRECTION = 0x10 };
#define VERSION (0x20u | (VIOAPIC_PINS - 1) << 16)
#define ENTRY_LOGICAL 0x800u
#define ENTRY_REMOTE_IRR 0x4000u
#define ENTRY_LEVEL 0x8000u
#define ENTRY_MASKED 0x10000u
#define ENTRY_WRITABLE 0xff0000000001afffull /* all but delivery status and remote IRR */
#define BROADCAST 0xffu

static void deliver(struct domain *domain, uint64_t entry)
{
    uint32_t destination = (uint32_t)(entry >> 56);
    enum apic_delivery mode = (enum apic_delivery)(entry >> 8 & 7);

    if (mode <= DELIVERY_NMI)
        vlapic_deliver(
            domain, vlapic_targets(domain, destination == BROADCAST ? UINT32_MAX : destination, entry & ENTRY_LOGICAL),
            mode, (uint8_t)entry, entry & ENTRY_LEVEL);
}

/* Under the lock: the pin's interrupt is sent, if there is one and it may be. */
static void serve(struct domain *domain, uint32_t pin)
{
    struct vioapic *ioapic = &domain->arch.vioapic;
    uint64_t *entry = &ioapic->entry[pin];
    uint32_t bit = 1u << pin;
    bool level = *entry & ENTRY_LEVEL;

    if ((*entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR)) ||
        !((ioapic->pending | (level ? __atomic_load_n(&ioapic->level, __ATOMIC_SEQ_CST) : 0)) & bit))
        return;
    ioapic->pending &= ~bit;
    *entry |= level ? ENTRY_REMOTE_IRR : 0;
    deliver(domain, *entry);
}

/* An edge, or a line that became high. What need not be remembered is sent without the lock. */
static void assert_pin(struct domain *domain, uint32_t pin, bool edge)
{
    struct vioapic *ioapic = &domain->arch.vioapic;
    uint64_t entry = __atomic_load_n(&ioapic->entry[pin], __ATOMIC_RELAXED);

    if (!(entry & (ENTRY_LEVEL | ENTRY_MASKED)))
        return deliver(domain, entry);
    spinlock_acquire(&ioapic->lock);
    if (edge || !(ioapic->entry[pin] & ENTRY_LEVEL))
        ioapic->pending |= 1u << pin;
    serve(domain, pin);
    spinlock_release(&ioapic->lock);
}

void interrupt_raise(struct domain *domain, uint32_t line)
{
    if (line < VIOAPIC_PINS)
        assert_pin(domain, line, true);
    else if (line < VIOAPIC_LINES)
        vlapic_send(domain->vcpu[0], (uint8_t)(VIOAPIC_MESSAGE_VECTOR + line), false);
}

/* A line that is said to be high again is another edge. */
void interrupt_set_level(struct domain *domain, uint32_t line, bool level)
{
    uint32_t *levels = &domain->arch.vioapic.level;

    if (line >= VIOAPIC_PINS)
        return;
    if (!level) {
        __atomic_fetch_and(levels, ~(1u << line), __ATOMIC_SEQ_CST);
        return;
    }
    __atomic_fetch_or(levels, 1u << line, __ATOMIC_SEQ_CST);
    assert_pin(domain, line, false);
}

void vioapic_eoi(struct domain *domain, uint8_t vector)
{
    struct vioapic *ioapic = &domain->arch.vioapic;

    for (uint32_t slot = 1; slot <= GUEST_PCI_SLOTS; slot++) /* before the line is looked at again */
        if ((uint8_t)__atomic_load_n(&ioapic->entry[guest_pci_line(slot)], __ATOMIC_RELAXED) == vector)
            vpci_line_end(domain, guest_pci_line(slot));
    spinlock_acquire(&ioapic->lock);
    for (uint32_t pin = 0; pin < VIOAPIC_PINS; pin++)
        if ((ioapic->entry[pin] & ENTRY_REMOTE_IRR) && (uint8_t)ioapic->entry[pin] == vector) {
            ioapic->entry[pin] &= ~(uint64_t)ENTRY_REMOTE_IRR;
            serve(domain, pin);
        }
    spinlock_release(&ioapic->lock);
}

void interrupt_reset(struct domain *domain)
{
    struct vioapic *ioapic = &domain->arch.vioapic;

    spinlock_acquire(&ioapic->lock);
    ioapic->select = ioapic->level = ioapic->pending = 0;
    for (uint32_t pin = 0; pin < VIOAPIC_PINS; pin++)
        ioapic->entry[pin] = ENTRY_MASKED;
    spinlock_release(&ioapic->lock);
}

/* --- Registers: a selector and a window --- */

static uint32_t read_selected(const struct vioapic *ioapic)
{
    uint32_t place = ioapic->select - IOAPIC_REDIRECTION;

    if (ioapic->select == IOAPIC_VERSION)
        return VERSION;
    return place < 2 * VIOAPIC_PINS ? (uint32_t)(ioapic->entry[place / 2] >> 32 * (place % 2)) : 0;
}

static void write_selected(struct domain *domain, uint32_t value)
{
    struct vioapic *ioapic = &domain->arch.vioapic;
    uint32_t place = ioapic->select - IOAPIC_REDIRECTION, shift = 32 * (place % 2);
    uint64_t mask = (0xffffffffull << shift) & ENTRY_WRITABLE, *entry;

    if (place >= 2 * VIOAPIC_PINS)
        return;
    entry = &ioapic->entry[place / 2];
    *entry = (*entry & ~mask) | ((uint64_t)value << shift & mask);
    if (!(*entry & ENTRY_LEVEL)) /* how software ends an interrupt at an IOAPIC that has no EOI register */
        *entry &= ~(uint64_t)ENTRY_REMOTE_IRR;
    serve(domain, place / 2);
}

static enum mmio_result access_registers(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    struct domain *domain = device;
    struct vioapic *ioapic = &domain->arch.vioapic;
    uint32_t value = (uint32_t)access->value;

    (void)vcpu;
    if (access->write && access->offset == IOEOI) {
        vioapic_eoi(domain, (uint8_t)value);
        return MMIO_DONE;
    }
    spinlock_acquire(&ioapic->lock);
    if (!access->write)
        access->value = access->offset == IOWIN      ? read_selected(ioapic)
                        : access->offset == IOREGSEL ? ioapic->select
                                                     : 0;
    else if (access->offset == IOREGSEL)
        ioapic->select = value & 0xff;
    else if (access->offset == IOWIN)
        write_selected(domain, value);
    spinlock_release(&ioapic->lock);
    return MMIO_DONE;
}

void vioapic_init(struct domain *domain)
{
    for (uint32_t i = 0; i < domain->vcpu_count; i++)
        vlapic_init(domain->vcpu[i]);
    interrupt_reset(domain);
    mmio_add(domain, &(struct mmio_region){GUEST_IOAPIC_BASE, PAGE_SIZE, access_registers, domain, EXIT_REGISTER});
}
