/* SPDX-License-Identifier: Apache-2.0 */
/* The fake machine's list registers and physical GIC. */
#include "../interrupts.h"

#include "../../arm64/vgic.h"
#include <arch/gic.h>
#include <arch/its.h>
#include <arch/timer.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/platform.h>

#define NOTHING 1023u

static uint64_t lrs[BULKHEAD_CPUS_MAX][HOST_LRS];
static bool underflow[BULKHEAD_CPUS_MAX];

void machine_interrupts_platform(void)
{
    platform.arch.timer_virtual_intid = 27;
}

void machine_interrupts_init(struct domain *domain)
{
    vgic_init(domain, GUEST_GICD_BASE, GUEST_GICR_BASE);
}

void machine_interrupts_reset(struct vcpu *vcpu)
{
    vgic_reset_private(vcpu);
}

bool machine_interrupts_settle(struct vcpu *vcpu, bool requested)
{
    uint32_t ended = 0, used = 0;
    bool maintain;

    if (requested)
        vgic_drain(vcpu);
    for (uint32_t i = 0; i < HOST_LRS; i++) {
        uint64_t lr = lrs[machine_cpu()][i];

        used += (lr & LR_STATE) != 0;
        if (!(lr & (LR_STATE | LR_LINKED)) && (lr & LR_END_TELLS))
            ended |= 1u << i;
    }
    maintain = ended != 0 || (underflow[machine_cpu()] && used <= 1);
    if (maintain)
        vgic_maintain(vcpu, ended);
    return requested || maintain;
}

/* --- List registers --- */

uint64_t vgic_lr_read(uint32_t index)
{
    return lrs[machine_cpu()][index];
}

void vgic_lr_write(uint32_t index, uint64_t value)
{
    CHECK(index < HOST_LRS);
    CHECK(!((value & LR_LINKED) && (value & LR_STATE) == LR_STATE)); /* IHI 0069: unpredictable */
    for (uint32_t i = 0; i < HOST_LRS; i++)                          /* likewise: one interrupt in two list registers */
        CHECK(i == index || !(value & LR_STATE) || !(lrs[machine_cpu()][i] & LR_STATE) ||
              (uint32_t)lrs[machine_cpu()][i] != (uint32_t)value);
    lrs[machine_cpu()][index] = value;
}

uint32_t vgic_lr_all(void)
{
    return (1u << HOST_LRS) - 1;
}

uint32_t vgic_lr_empty(void)
{
    uint32_t empty = 0;

    for (uint32_t i = 0; i < HOST_LRS; i++)
        if (!(lrs[machine_cpu()][i] & LR_STATE) && !(lrs[machine_cpu()][i] & LR_END_TELLS))
            empty |= 1u << i;
    return empty;
}

void vgic_lr_underflow(bool wanted)
{
    underflow[machine_cpu()] = wanted;
}

uint32_t machine_take(void)
{
    uint32_t best = HOST_LRS;

    for (uint32_t i = 0; i < HOST_LRS; i++)
        if ((lrs[machine_cpu()][i] & LR_STATE) == LR_PENDING &&
            (best == HOST_LRS || (uint8_t)(lrs[machine_cpu()][i] >> LR_PRIORITY_SHIFT) <
                                     (uint8_t)(lrs[machine_cpu()][best] >> LR_PRIORITY_SHIFT)))
            best = i;
    if (best == HOST_LRS)
        return NOTHING;
    lrs[machine_cpu()][best] ^= LR_STATE;
    return (uint32_t)lrs[machine_cpu()][best];
}

void machine_end(uint32_t intid)
{
    for (uint32_t i = 0; i < HOST_LRS; i++)
        if ((lrs[machine_cpu()][i] & LR_ACTIVE) && (uint32_t)lrs[machine_cpu()][i] == intid)
            lrs[machine_cpu()][i] &= ~LR_ACTIVE;
    machine_settle();
}

/* --- The physical GIC --- */

void gic_enable(uint32_t cpu, uint32_t intid, bool on)
{
    (void)cpu;
    if (on)
        machine.physical_enabled[intid / 32] |= 1u << intid % 32;
    else
        machine.physical_enabled[intid / 32] &= ~(1u << intid % 32);
}

void gic_configure(uint32_t intid, bool edge)
{
    (void)intid, (void)edge;
}
void gic_route(uint32_t intid, uint32_t cpu)
{
    (void)intid, (void)cpu;
}
void gic_set_pending(uint32_t cpu, uint32_t intid, bool pending)
{
    (void)cpu, (void)intid;
    machine.physical_pended += pending;
}
void gic_deactivate(uint32_t cpu, uint32_t intid)
{
    (void)cpu, (void)intid;
    machine.physical_deactivated++;
}

void vgic_map_interface(struct domain *domain, struct ipa at)
{
    (void)domain, (void)at;
}

/* --- Time --- */

uint64_t timer_guest_count(const struct domain *domain)
{
    return time_ns() - domain->arch.counter_offset;
}
uint64_t timer_guest_count_to_ns(const struct domain *domain, uint64_t count)
{
    return count + domain->arch.counter_offset;
}

void its_route(struct domain *domain, uint32_t line, uint32_t cpu)
{
    (void)domain;
    machine.message_line = line;
    machine.message_cpu = cpu;
}
