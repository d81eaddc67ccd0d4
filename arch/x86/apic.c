// SPDX-License-Identifier: Apache-2.0
/* Physical interrupts: the local APICs in x2APIC mode, the IOAPICs, and what comes of a vector. */
#include <arch/apic.h>

#include <arch/cpu.h>
#include <arch/message.h>
#include <arch/passthrough.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <devices/iommu/iommu.h>

/* ICR (SDM 3A, 11.12.9) */
#define ICR_STARTUP (6u << 8)

#define MSR_DOORBELL 0xc001011bu /* AVIC's */

/* IOAPIC: registers behind an index and a window (82093AA). */
#define IOAPIC_INDEX 0
#define IOAPIC_WINDOW 4
#define IOAPIC_ENTRY(pin) (0x10 + 2 * (pin))
#define IOAPIC_BROADCAST 0xff /* destinations have 8 bits */
#define ENTRY_LOW_ACTIVE (1u << 13)
#define ENTRY_LEVEL (1u << 15)

static volatile uint32_t *ioapics[IOAPICS_MAX];

static void ioapic_write(uint32_t unit, uint32_t index, uint32_t value)
{
    ioapics[unit][IOAPIC_INDEX] = index;
    ioapics[unit][IOAPIC_WINDOW] = value;
}

void ioapic_init(void)
{
    for (uint32_t unit = 0; unit < platform.arch.ioapic_count; unit++)
        ioapics[unit] = kernel_map_device(platform.arch.ioapic[unit].base, PAGE_SIZE);
}

/* An IOAPIC sends what its entry says as a message: address bits 19 to 4 stand in its bits 63 to 48, bit 2 in 11. */
static bool route(uint32_t unit, uint32_t pin, uint32_t cpu, uint32_t vector, uint32_t flags)
{
    uint32_t entry = IOMMU_LINES + platform.arch.ioapic[unit].first + pin;
    struct message message = {(uint64_t)cpus[cpu].id << 12, vector};

    if (iommu_remaps() ? !iommu_remap(entry, platform.arch.ioapic[unit].requester, cpu, (uint8_t)vector, &message)
                       : cpus[cpu].id >= IOAPIC_BROADCAST)
        return false;
    ioapic_write(unit, IOAPIC_ENTRY(pin) + 1, (uint32_t)(message.address >> 4) << 16);
    ioapic_write(unit, IOAPIC_ENTRY(pin),
                 (message.data ? message.data & 0x7ff : vector) | (uint32_t)(message.address & 4) << 9 | flags);
    return true;
}

bool ioapic_route(uint32_t line, uint32_t cpu, uint32_t vector, bool level, bool low)
{
    for (uint32_t unit = 0; unit < platform.arch.ioapic_count; unit++) {
        uint32_t pin = line - platform.arch.ioapic[unit].first;

        if (line < platform.arch.ioapic[unit].first || pin >= platform.arch.ioapic[unit].pins)
            continue;
        return route(unit, pin, cpu, vector, (low ? ENTRY_LOW_ACTIVE : 0) | (level ? ENTRY_LEVEL : 0));
    }
    return false;
}

bool ioapic_route_isa(uint32_t irq, uint32_t cpu)
{
    return ioapic_route(platform.arch.isa[irq].line, cpu, VECTOR_LINES + irq, platform.arch.isa[irq].level,
                        platform.arch.isa[irq].low);
}

void apic_init_cpu(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;

    msr_write(MSR_APIC_BASE, base); /* x2APIC mode is entered from xAPIC mode only (SDM 3A, 11.12.5) */
    msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    msr_write(X2APIC_LVT_TIMER, LVT_MASKED);
    msr_write(X2APIC_LVT_LINT0, LVT_MASKED);
    msr_write(X2APIC_LVT_LINT1, LVT_MASKED);
    msr_write(X2APIC_LVT_ERROR, VECTOR_ERROR);
    msr_write(X2APIC_TPR, 0);
    msr_write(X2APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    msr_write(X2APIC_ESR, 0);
}

/* WRMSR to the ICR does not wait for earlier stores (SDM 3A, 11.12.3). */
static void send(uint32_t id, uint32_t command)
{
    __asm__ volatile("mfence\n\tlfence" ::: "memory");
    msr_write(X2APIC_ICR, (uint64_t)id << 32 | command);
}

void apic_send_startup(uint32_t id, uint8_t page)
{
    send(id, ICR_STARTUP | ICR_ASSERT | page);
}

void apic_send(uint32_t cpu, uint8_t vector)
{
    send((uint32_t)cpus[cpu].id, ICR_ASSERT | vector);
}

void apic_doorbell(uint32_t cpu)
{
    msr_write(MSR_DOORBELL, cpus[cpu].id);
}

void cpu_request(uint32_t cpu, uint32_t requests)
{
    uint32_t old = __atomic_fetch_or((uint32_t *)&cpus[cpu].requests, requests, __ATOMIC_ACQ_REL);

    if ((old & requests) != requests) /* else it was told, and has not looked yet */
        apic_send(cpu, VECTOR_KICK);
}

static void end(void)
{
    msr_write(X2APIC_EOI, 0);
}

/* What a kick is for, the vCPU's way back into its guest looks at; only this concerns the CPU itself. */
static void take_requests(struct vcpu *vcpu)
{
    uint32_t requests = __atomic_exchange_n((uint32_t *)&cpus[vcpu->cpu].requests, 0, __ATOMIC_ACQUIRE);

    if (requests & CPU_REQUEST_HALT)
        cpu_halt();
}

void interrupt_handle(uint32_t vector)
{
    if (vector == VECTOR_KICK) {
        end();
        take_requests(vcpu_current());
    } else if (vector == VECTOR_TIMER) {
        end();
        if (timer_is_lent())
            vlapic_timer_interrupt(vcpu_current());
        else
            deadline_interrupt();
    } else if (vector == VECTOR_DEADLINE) {
        end();
        lent_timer_look();
    } else if (vector == VECTOR_IOMMU) {
        end();
        iommu_fault_interrupt();
    } else if (vector - VECTOR_MESSAGES < MESSAGES_MAX) {
        end();
        message_interrupt(vector - VECTOR_MESSAGES);
    } else if (vector == VECTOR_POSTED) {
        end();
        vlapic_notified(vcpu_current());
    } else if (vector - VECTOR_LINES < ISA_LINES) {
        passthrough_interrupt(vector);
        end();
    } else if (vector != VECTOR_SPURIOUS) {
        end();
    }
}

void interrupts_poll(void)
{
    __asm__ volatile("sti\n\tnop\n\tcli" ::: "memory");
}
