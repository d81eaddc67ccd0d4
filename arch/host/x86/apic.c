/* SPDX-License-Identifier: Apache-2.0 */
/* The fake machine's guests take and end interrupts at their local APIC; a counter of a nanosecond. */
#include "../interrupts.h"

#include <arch/stage2.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/platform.h>
#include <core/vpci.h>

#define NOTHING 1023u
#define X2APIC_EOI 0x80bu

void vpci_line_end(struct domain *domain, uint32_t line) /* no guest has one */
{
    (void)domain, (void)line;
}

void machine_interrupts_platform(void)
{
    platform.arch.tsc_hz = platform.arch.guest_apic_hz = 1000000000;
}

void machine_interrupts_init(struct domain *domain)
{
    vioapic_init(domain);
    hyperv_init(domain);
}

void machine_interrupts_reset(struct vcpu *vcpu)
{
    vcpu->in = true;
    hyperv_reset_vcpu(vcpu);
    vlapic_reset(vcpu);
}

bool machine_interrupts_settle(struct vcpu *vcpu, bool requested)
{
    vlapic_next(vcpu);
    return requested;
}

uint32_t machine_take(void)
{
    struct vcpu *vcpu = vcpu_current();
    uint32_t vector = vlapic_next(vcpu);

    if (vector == 0)
        return NOTHING;
    vlapic_take(vcpu, vector);
    return vector;
}

/* As Linux does: no exit if the assist page says so. */
void machine_end(uint32_t vector)
{
    struct vcpu *vcpu = vcpu_current();
    uint32_t *assist = vcpu->arch.vlapic.assist;

    (void)vector;
    if (assist != NULL && (__atomic_exchange_n(assist, 0, __ATOMIC_RELAXED) & 1))
        return;
    machine.eoi_exits++;
    vlapic_msr_write(vcpu, X2APIC_EOI, 0);
    machine_settle();
}

void vcpu_power_off(struct vcpu *vcpu)
{
    vcpu->power = VCPU_OFF;
}

bool stage2_overlay(struct domain *domain, struct ipa page, struct hpa with, uint32_t rights)
{
    (void)rights;
    if (page.value >= domain->memory_size)
        return false;
    machine.overlays += with.value != 0 ? 1 : -1;
    return true;
}

void stage2_overlay_reset(struct domain *domain)
{
    (void)domain;
}

uint64_t timer_guest_count(const struct domain *domain)
{
    return time_ns() + domain->arch.counter_offset;
}
uint64_t timer_guest_count_to_ns(const struct domain *domain, uint64_t count)
{
    return count - domain->arch.counter_offset;
}

/* The machine has none to lend. */
bool timer_lend(bool periodic, uint32_t shift, uint32_t count)
{
    (void)periodic, (void)shift, (void)count;
    return false;
}
struct timer_counts timer_return(void)
{
    return (struct timer_counts){0};
}
void timer_lent_stop(void) {}
