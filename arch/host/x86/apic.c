/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake machine's guests take and end interrupts at their local APIC; a counter of a nanosecond. After
 * machine_virtualize(true, ...) the CPUs deliver themselves, as SDM volume 3, 30.1, 30.2 and 30.6 say it.
 */
#include "../interrupts.h"
#include "../../x86/vendor.h"

#include <arch/stage2.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/platform.h>
#include <core/vpci.h>
#include <string.h>

#define NOTHING 1023u
#define X2APIC_EOI 0x80bu
enum { TPR = 0x808, PPR = 0x80a, ISR = 0x810, IRR = 0x820 };

static struct {
    uint8_t rvi, svi;
    uint32_t eoi_exits[8];
} virtual[BULKHEAD_CPUS_MAX];

static uint32_t *word(struct vcpu *vcpu, uint32_t set, uint32_t vector)
{
    return &vcpu->arch.vlapic.page[VLAPIC_REGISTER(set + vector / 32)];
}

static uint8_t clear_and_find_highest(struct vcpu *vcpu, uint32_t set, uint32_t vector)
{
    *word(vcpu, set, vector) &= ~(1u << vector % 32);
    for (vector = 255; vector != 0 && !(*word(vcpu, set, vector) >> vector % 32 & 1); vector--)
        ;
    return (uint8_t)vector;
}

static uint32_t priority(struct vcpu *vcpu)
{
    uint32_t tpr = *word(vcpu, TPR, 0), svi = virtual[vcpu->cpu].svi;

    return *word(vcpu, PPR, 0) = svi >> 4 > tpr >> 4 ? svi & 0xf0 : tpr;
}

static void request(struct vcpu *vcpu, uint32_t index, uint32_t vectors)
{
    uint32_t vector = 32 * index + 31 - (uint32_t)__builtin_clz(vectors);

    *word(vcpu, IRR, vector) |= vectors;
    if (vector > virtual[vcpu->cpu].rvi)
        virtual[vcpu->cpu].rvi = (uint8_t)vector;
}

static void service(uint32_t vector)
{
    virtual[vcpu_current()->cpu].svi = (uint8_t)vector;
}

static void exit_on_eoi(uint32_t index, uint32_t vectors)
{
    virtual[vcpu_current()->cpu].eoi_exits[index] = vectors;
}

static void watch(struct vcpu *vcpu)
{
    (void)vcpu;
    machine.watches++;
}

static void notify(struct vcpu *vcpu)
{
    (void)vcpu;
    machine.notices++;
}

void machine_virtualize(bool on, bool posts)
{
    static const struct apic_virtualization fake = {.request = request, .service = service, .exit_on_eoi = exit_on_eoi, .watch = watch};
    static const struct apic_virtualization posting = {.request = request, .service = service, .exit_on_eoi = exit_on_eoi, .watch = watch,
                                                      .post = vlapic_post, .notify = notify};

    static struct vlapic_posted posted[BULKHEAD_CPUS_MAX];

    apic_virtualization = !on ? NULL : posts ? &posting : &fake;
    for (uint32_t cpu = 0; cpu < BULKHEAD_CPUS_MAX; cpu++)
        if (cpus[cpu].vcpu != NULL)
            cpus[cpu].vcpu->arch.vlapic.posted = posts ? &posted[cpu] : NULL;
}

/* The guest runs, and the notification comes. */
static void take_up_posted(struct vcpu *vcpu)
{
    struct vlapic_posted *posted = vcpu->arch.vlapic.posted;

    if (posted == NULL || !(posted->outstanding & 1))
        return;
    posted->outstanding = 0;
    for (uint32_t vector = 0; vector < 256; vector++)
        if (posted->requests[vector / 32] >> vector % 32 & 1)
            request(vcpu, vector / 32, 1u << vector % 32);
    memset(posted->requests, 0, sizeof(posted->requests));
}

static uint32_t deliver(struct vcpu *vcpu)
{
    uint8_t vector = virtual[vcpu->cpu].rvi;

    if (vector >> 4 <= priority(vcpu) >> 4)
        return NOTHING;
    *word(vcpu, ISR, vector) |= 1u << vector % 32;
    virtual[vcpu->cpu].svi = vector;
    virtual[vcpu->cpu].rvi = clear_and_find_highest(vcpu, IRR, vector);
    priority(vcpu);
    return vector;
}

static void virtual_eoi(struct vcpu *vcpu)
{
    uint8_t vector = virtual[vcpu->cpu].svi;

    virtual[vcpu->cpu].svi = clear_and_find_highest(vcpu, ISR, vector);
    priority(vcpu);
    if (virtual[vcpu->cpu].eoi_exits[vector / 32] >> vector % 32 & 1) {
        machine.eoi_exits++;
        vioapic_eoi(vcpu->domain, vector);
    }
}

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
    memset(&virtual[vcpu->cpu], 0, sizeof(virtual[vcpu->cpu]));
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

    if (apic_virtualization != NULL) {
        take_up_posted(vcpu);
        return deliver(vcpu);
    }
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
    if (apic_virtualization != NULL) {
        virtual_eoi(vcpu);
        machine_settle();
        return;
    }
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
bool timer_lend_deadline(uint64_t count)
{
    (void)count;
    return false;
}
struct timer_counts timer_return(void)
{
    return (struct timer_counts){0};
}
void timer_lent_stop(void) {}
