/* SPDX-License-Identifier: Apache-2.0 */
/* The local APIC's registers and timer; see arch/vlapic.h. A vCPU's APIC ID is its index in the domain. */
#include "vendor.h"

#include <arch/apic.h>
#include <arch/cpu.h>
#include <arch/timer.h>
#include <arch/vcpu.h>
#include <core/deadline.h>
#include <core/interrupt.h>
#include <core/memory.h>
#include <core/platform.h>
#include <string.h>

#define APIC_BASE_RESET 0xfee00c00ull /* enabled, in x2APIC mode */
#define APIC_BASE_BSP 0x100ull

#define VERSION (0x14u | (VLAPIC_LVTS - 1) << 16) /* no suppression of EOI broadcasts */
#define SVR_RESET 0xffu
#define ESR_SEND_ILLEGAL 0x20u
#define LVT_TIMER_MODE 0x60000u
#define TIMER_PERIODIC 0x20000u
#define TIMER_TSC_DEADLINE 0x40000u
#define ICR_RESERVED 0xfff33000u
#define ICR_LEVEL 0x8000u
#define VECTOR_MIN 16u
#define ASSIST_NO_EOI 1u

static const uint32_t lvt_writable[VLAPIC_LVTS] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERFORMANCE] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

static struct deadline timers[BULKHEAD_CPUS_MAX];
const struct apic_virtualization *apic_virtualization;

/* --- Registers and sets of vectors --- */

static inline uint32_t *reg(struct vlapic *vlapic, uint32_t msr)
{
    return &vlapic->page[VLAPIC_REGISTER(msr)];
}

/* `set`: X2APIC_IRR or X2APIC_ISR. */
static inline uint8_t *used(struct vlapic *vlapic, uint32_t set)
{
    return set == X2APIC_IRR ? &vlapic->requested : &vlapic->served;
}

static inline void add(struct vlapic *vlapic, uint32_t set, uint32_t vector)
{
    *reg(vlapic, set + vector / 32) |= 1u << vector % 32;
    *used(vlapic, set) |= (uint8_t)(1u << vector / 32);
}

static inline void drop(struct vlapic *vlapic, uint32_t set, uint32_t vector)
{
    if ((*reg(vlapic, set + vector / 32) &= ~(1u << vector % 32)) == 0)
        *used(vlapic, set) &= (uint8_t) ~(1u << vector / 32);
}

static inline uint32_t top(uint32_t bits)
{
    return 31 ^ (uint32_t)__builtin_clz(bits);
}

/* 0: the set is empty. */
static inline uint32_t highest(struct vlapic *vlapic, uint32_t set)
{
    uint32_t word = *used(vlapic, set);

    if (word == 0)
        return 0;
    word = top(word);
    return word * 32 + top(*reg(vlapic, set + word));
}

/* What of it the CPU has changed. */
static uint32_t look_up(struct vlapic *vlapic, uint32_t set)
{
    *used(vlapic, set) = 0;
    for (uint32_t word = 0; word < 8; word++)
        *used(vlapic, set) |= (uint8_t)((*reg(vlapic, set + word) != 0) << word);
    return highest(vlapic, set);
}

static inline bool is_single(uint32_t bits)
{
    return (bits & (bits - 1)) == 0;
}

/* --- Which interrupt is next --- */

static inline bool is_level(struct vlapic *vlapic, uint32_t vector)
{
    return __atomic_load_n(reg(vlapic, X2APIC_TMR + vector / 32), __ATOMIC_RELAXED) >> vector % 32 & 1;
}

/* The guest's EOI exits again. If it had given one to the page, that takes effect. */
static inline void end_lazy(struct vlapic *vlapic)
{
    uint32_t vector = vlapic->lazy;

    if (vector == 0)
        return;
    vlapic->lazy = 0;
    if (!(__atomic_exchange_n(vlapic->assist, 0, __ATOMIC_RELAXED) & ASSIST_NO_EOI))
        drop(vlapic, X2APIC_ISR, vector);
}

/* Something has changed about what is requested, in service or masked; nothing is lazy. */
static void choose(struct vlapic *vlapic)
{
    uint32_t vector, served;

    vlapic->next = vlapic->masked = 0;
    if (vlapic->requested == 0)
        return;
    vector = highest(vlapic, X2APIC_IRR);
    served = highest(vlapic, X2APIC_ISR);
    if (vector >> 4 <= served >> 4)
        return;
    if (vector >> 4 <= vlapic->tpr >> 4) {
        vlapic->masked = (uint8_t)vector;
        return;
    }
    vlapic->next = (uint8_t)vector;
    if (vlapic->assist != NULL && served == 0 && is_single(vlapic->requested) &&
        is_single(*reg(vlapic, X2APIC_IRR + vector / 32)) && !is_level(vlapic, vector)) {
        __atomic_store_n(vlapic->assist, ASSIST_NO_EOI, __ATOMIC_RELAXED);
        vlapic->lazy = (uint8_t)vector;
    }
}

/* Where the CPU chooses: 32 vectors from 32 * word on. */
static __attribute__((noinline)) void request(struct vcpu *vcpu, uint32_t word, uint32_t vectors)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    uint32_t level = __atomic_load_n(reg(vlapic, X2APIC_TMR + word), __ATOMIC_RELAXED);

    if (vlapic->eoi_exits[word] != level) {
        vlapic->eoi_exits[word] = level;
        apic_virtualization->exit_on_eoi(word, level);
    }
    apic_virtualization->request(vcpu, word, vectors);
}

/* For the calling CPU's own vCPU. */
static void accept(struct vcpu *vcpu, uint32_t vector)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    if (!(*reg(vlapic, X2APIC_SVR) & SVR_ENABLE))
        return;
    if (apic_virtualization != NULL)
        return request(vcpu, vector / 32, 1u << vector % 32);
    add(vlapic, X2APIC_IRR, vector);
    end_lazy(vlapic);
    choose(vlapic);
}

static uint32_t priority(struct vlapic *vlapic)
{
    uint32_t served = highest(vlapic, X2APIC_ISR), tpr = *reg(vlapic, X2APIC_TPR);

    return served >> 4 > tpr >> 4 ? served & 0xf0 : tpr;
}

static __attribute__((noinline)) uint32_t take_up(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    uint32_t words = __atomic_exchange_n(&vlapic->arrived_words, 0, __ATOMIC_ACQUIRE);

    if (words & VLAPIC_ARRIVED_NMI)
        vcpu->arch.nmi_pending = true;
    for (words &= 0xff; words != 0; words &= words - 1) {
        uint32_t word = (uint32_t)__builtin_ctz(words);
        uint32_t bits = __atomic_exchange_n(&vlapic->arrived[word], 0, __ATOMIC_ACQUIRE);

        if (bits == 0 || !(*reg(vlapic, X2APIC_SVR) & SVR_ENABLE))
            continue;
        if (apic_virtualization != NULL) {
            request(vcpu, word, bits);
            continue;
        }
        *reg(vlapic, X2APIC_IRR + word) |= bits;
        vlapic->requested |= (uint8_t)(1u << word);
    }
    end_lazy(vlapic);
    if (apic_virtualization == NULL)
        choose(vlapic);
    return vlapic->next;
}

uint32_t vlapic_next(struct vcpu *vcpu)
{
    if (__atomic_load_n(&vcpu->arch.vlapic.arrived_words, __ATOMIC_RELAXED) != 0)
        return take_up(vcpu);
    return vcpu->arch.vlapic.next;
}

bool vlapic_would_deliver(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    look_up(vlapic, X2APIC_ISR);
    return look_up(vlapic, X2APIC_IRR) >> 4 > priority(vlapic) >> 4;
}

void vlapic_take(struct vcpu *vcpu, uint32_t vector)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    drop(vlapic, X2APIC_IRR, vector);
    add(vlapic, X2APIC_ISR, vector);
    vlapic->taken++;
    if (vlapic->next == vector) /* of what is requested, the others are less urgent */
        vlapic->next = 0;
    else {
        end_lazy(vlapic);
        choose(vlapic);
    }
}

bool interrupt_untaken(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    bool waits, untaken;

    vlapic_next(vcpu);
    if (apic_virtualization != NULL && look_up(vlapic, X2APIC_IRR) != 0)
        apic_virtualization->watch(vcpu);
    waits = vlapic->requested != 0;
    untaken = waits && vlapic->waited && vlapic->seen == vlapic->taken;
    vlapic->waited = waits;
    vlapic->seen = vlapic->taken;
    return untaken;
}

/* --- Sending --- */

static void arrive(struct vcpu *vcpu, uint32_t words)
{
    __atomic_fetch_or(&vcpu->arch.vlapic.arrived_words, words, __ATOMIC_RELEASE);
    cpu_request(vcpu->cpu, CPU_REQUEST_INTERRUPTS);
}

static bool can_post(struct vlapic *vlapic)
{
    return apic_virtualization != NULL && apic_virtualization->post != NULL && (*reg(vlapic, X2APIC_SVR) & SVR_ENABLE);
}

void vlapic_post(struct vcpu *vcpu, uint32_t vector)
{
    struct vlapic_posted *posted = vcpu->arch.vlapic.posted;

    __atomic_fetch_or(&posted->requests[vector / 32], 1u << vector % 32, __ATOMIC_RELAXED);
    if (!(__atomic_fetch_or(&posted->outstanding, 1, __ATOMIC_SEQ_CST) & 1))
        apic_virtualization->notify(vcpu);
}

void vlapic_notified(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    __atomic_store_n(&vlapic->posted->outstanding, 0, __ATOMIC_SEQ_CST);
    for (uint32_t word = 0; word < 8; word++) {
        uint32_t bits = __atomic_exchange_n(&vlapic->posted->requests[word], 0, __ATOMIC_ACQUIRE);

        __atomic_fetch_or(&vlapic->arrived[word], bits, __ATOMIC_RELAXED);
        __atomic_fetch_or(&vlapic->arrived_words, (uint32_t)(bits != 0) << word, __ATOMIC_RELEASE);
    }
}

void vlapic_send(struct vcpu *vcpu, uint8_t vector, bool level)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    uint32_t bit = 1u << vector % 32;

    if (vector < VECTOR_MIN)
        return;
    if (level != is_level(vlapic, vector))
        __atomic_fetch_xor(reg(vlapic, X2APIC_TMR + vector / 32), bit, __ATOMIC_RELAXED);
    if (vcpu == vcpu_current())
        return accept(vcpu, vector);
    if (!level && can_post(vlapic)) {
        return apic_virtualization->post(vcpu, vector);
    }
    __atomic_fetch_or(&vlapic->arrived[vector / 32], bit, __ATOMIC_RELEASE);
    arrive(vcpu, 1u << vector / 32);
}

static void send_nmi(struct vcpu *vcpu)
{
    if (vcpu == vcpu_current())
        vcpu->arch.nmi_pending = true;
    else
        arrive(vcpu, VLAPIC_ARRIVED_NMI);
}

/* INIT: the vCPU waits for a SIPI, as after its domain's start. Without any other that runs, the domain is off. */
static void send_init(struct vcpu *target)
{
    vcpu_power_off(target);
    cpu_request(target->cpu, CPU_REQUEST_POWER);
}

static void send_startup(struct vcpu *target, uint32_t vector)
{
    struct domain *domain = target->domain;
    bool starts;

    spinlock_acquire(&domain->lock);
    starts = domain->state == DOMAIN_RUNNING && target->power == VCPU_OFF;
    if (starts) {
        target->entry = vector << 12;
        target->context = VCPU_CONTEXT_SIPI;
        target->power = VCPU_ON_PENDING;
    }
    spinlock_release(&domain->lock);
    if (starts)
        cpu_request(target->cpu, CPU_REQUEST_POWER);
}

uint32_t vlapic_targets(const struct domain *domain, uint32_t destination, bool logical)
{
    uint32_t all = (1u << domain->vcpu_count) - 1;

    if (destination == UINT32_MAX)
        return all;
    if (logical) /* cluster 0: there are no more than 16 vCPUs */
        return destination >> 16 == 0 ? destination & all : 0;
    return destination < domain->vcpu_count ? 1u << destination : 0;
}

void vlapic_deliver(struct domain *domain, uint32_t targets, enum apic_delivery mode, uint8_t vector, bool level)
{
    if (mode == DELIVERY_LOWEST)
        targets &= -targets;
    for (; targets != 0; targets &= targets - 1) {
        struct vcpu *target = domain->vcpu[__builtin_ctz(targets)];

        if (mode == DELIVERY_FIXED || mode == DELIVERY_LOWEST)
            vlapic_send(target, vector, level);
        else if (mode == DELIVERY_NMI)
            send_nmi(target);
        else if (mode == DELIVERY_INIT)
            send_init(target);
        else if (mode == DELIVERY_STARTUP)
            send_startup(target, vector);
    }
}

static bool send_ipi(struct vcpu *vcpu, uint64_t icr)
{
    struct domain *domain = vcpu->domain;
    enum apic_delivery mode = (enum apic_delivery)(icr >> 8 & 7);
    uint32_t self = 1u << vcpu->index, targets;

    if (icr & ICR_RESERVED)
        return false;
    *reg(&vcpu->arch.vlapic, X2APIC_ICR) = (uint32_t)icr;
    reg(&vcpu->arch.vlapic, X2APIC_ICR)[1] = (uint32_t)(icr >> 32);
    switch (icr >> 18 & 3) {
    case 0:
        targets = vlapic_targets(domain, (uint32_t)(icr >> 32), icr & ICR_LOGICAL);
        break;
    case 1:
        targets = self;
        break;
    case 2:
        targets = vlapic_targets(domain, UINT32_MAX, false);
        break;
    default:
        targets = vlapic_targets(domain, UINT32_MAX, false) & ~self;
        break;
    }
    if (mode <= DELIVERY_LOWEST && (icr & 0xff) < VECTOR_MIN)
        *reg(&vcpu->arch.vlapic, X2APIC_ESR) |= ESR_SEND_ILLEGAL;
    else if (mode != DELIVERY_INIT || (icr & (ICR_ASSERT | ICR_LEVEL)) != ICR_LEVEL) /* not INIT's de-assertion */
        vlapic_deliver(domain, targets, mode, (uint8_t)icr, false);
    return true;
}

/* --- Timer --- */

static uint32_t timer_lvt(struct vlapic *vlapic)
{
    return *reg(vlapic, X2APIC_LVT_TIMER);
}

static uint32_t divide_shift(struct vlapic *vlapic)
{
    uint32_t divide = *reg(vlapic, X2APIC_TIMER_DIVIDE);

    return ((divide & 3) + (divide >> 1 & 4) + 1) & 7;
}

static uint64_t counts_to_ns(struct vlapic *vlapic, uint32_t counts)
{
    return ratio((uint64_t)counts << divide_shift(vlapic), NS_PER_S, platform.arch.guest_apic_hz);
}

/* `ns`: what is left of at most 2^32 counts. */
static uint32_t ns_to_counts(struct vlapic *vlapic, uint64_t ns)
{
    return (uint32_t)(ratio(ns, platform.arch.guest_apic_hz, NS_PER_S) >> divide_shift(vlapic));
}

static uint64_t period_ns(struct vlapic *vlapic)
{
    return counts_to_ns(vlapic, *reg(vlapic, X2APIC_TIMER_INITIAL));
}

static void timer_stop(struct vcpu *vcpu)
{
    vcpu->arch.vlapic.timer_deadline = vcpu->arch.vlapic.timer_end_ns = 0;
    deadline_cancel(&timers[vcpu->cpu]);
}

static void timer_expired(struct deadline *deadline)
{
    struct vcpu *vcpu = deadline->owner;
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    uint32_t lvt = timer_lvt(vlapic);
    uint64_t now;

    if (!vcpu->in)
        return;
    vlapic->timer_deadline = 0;
    if ((lvt & LVT_TIMER_MODE) == TIMER_PERIODIC && vlapic->timer_end_ns != 0) {
        now = time_ns();
        vlapic->timer_end_ns += period_ns(vlapic);
        if (vlapic->timer_end_ns <= now)
            vlapic->timer_end_ns = now + period_ns(vlapic);
        deadline_set(deadline, vlapic->timer_end_ns);
    } else {
        vlapic->timer_end_ns = 0;
    }
    if (!(lvt & LVT_MASKED))
        accept(vcpu, lvt & 0xff);
}

static void timer_start(struct vcpu *vcpu, uint64_t end_ns)
{
    struct deadline *timer = &timers[vcpu->cpu];

    timer->owner = vcpu;
    timer->expired = timer_expired;
    deadline_set(timer, end_ns);
}

static void write_tsc_deadline(struct vcpu *vcpu, uint64_t value)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    if ((timer_lvt(vlapic) & LVT_TIMER_MODE) != TIMER_TSC_DEADLINE)
        return;
    vlapic->timer_deadline = value;
    if (value == 0)
        timer_stop(vcpu);
    else
        timer_start(vcpu, timer_guest_count_to_ns(vcpu->domain, value));
}

static void write_initial_count(struct vcpu *vcpu, uint32_t value)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    if ((timer_lvt(vlapic) & LVT_TIMER_MODE) == TIMER_TSC_DEADLINE)
        return;
    timer_stop(vcpu);
    *reg(vlapic, X2APIC_TIMER_INITIAL) = value;
    if (value != 0) {
        vlapic->timer_end_ns = time_ns() + period_ns(vlapic);
        timer_start(vcpu, vlapic->timer_end_ns);
    }
}

static uint32_t current_count(struct vlapic *vlapic)
{
    uint64_t now = time_ns();

    return vlapic->timer_end_ns > now ? ns_to_counts(vlapic, vlapic->timer_end_ns - now) : 0;
}

/* Before a change of what the timer does, and after it: the CPU's own timer is used by the vCPU where that can be. */
static void take_timer_back(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    struct timer_counts counts;

    if (!vlapic->timer_lent)
        return;
    vlapic->timer_lent = false;
    counts = timer_return();
    if (timer_lvt(vlapic) & TIMER_TSC_DEADLINE)
        return write_tsc_deadline(vcpu, counts.deadline);
    *reg(vlapic, X2APIC_TIMER_INITIAL) = counts.initial;
    if (counts.current != 0) {
        vlapic->timer_end_ns = time_ns() + counts_to_ns(vlapic, counts.current);
        timer_start(vcpu, vlapic->timer_end_ns);
    }
}

static bool lend_counts(struct vlapic *vlapic)
{
    bool periodic = timer_lvt(vlapic) & TIMER_PERIODIC;
    uint32_t left = current_count(vlapic);

    return timer_lend(periodic, divide_shift(vlapic), periodic && left ? *reg(vlapic, X2APIC_TIMER_INITIAL) : left);
}

static void lend_timer(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    uint32_t lvt = timer_lvt(vlapic);

    if (!(*reg(vlapic, X2APIC_SVR) & SVR_ENABLE) || (lvt & LVT_MASKED) || (lvt & LVT_TIMER_MODE) == LVT_TIMER_MODE ||
        !(lvt & TIMER_TSC_DEADLINE ? timer_lend_deadline(vlapic->timer_deadline) : lend_counts(vlapic)))
        return;
    timer_stop(vcpu);
    vlapic->timer_lent = true;
}

void vlapic_timer_interrupt(struct vcpu *vcpu)
{
    if (vcpu->in)
        accept(vcpu, timer_lvt(&vcpu->arch.vlapic) & 0xff);
    else
        timer_lent_stop(); /* of a guest that is no more: a periodic one would go on */
}

static void write_lvt(struct vcpu *vcpu, enum vlapic_lvt index, uint32_t value)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    value &= lvt_writable[index];
    if (!(*reg(vlapic, X2APIC_SVR) & SVR_ENABLE))
        value |= LVT_MASKED;
    if (index != LVT_TIMER) {
        *reg(vlapic, X2APIC_LVT_TIMER + index) = value;
        return;
    }
    take_timer_back(vcpu);
    if ((value ^ *reg(vlapic, X2APIC_LVT_TIMER + index)) & LVT_TIMER_MODE)
        timer_stop(vcpu);
    *reg(vlapic, X2APIC_LVT_TIMER + index) = value;
    lend_timer(vcpu);
}

static void write_svr(struct vcpu *vcpu, uint32_t value)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    take_timer_back(vcpu);
    *reg(vlapic, X2APIC_SVR) = value & (SVR_ENABLE | 0xff);
    if (!(value & SVR_ENABLE))
        for (uint32_t i = 0; i < VLAPIC_LVTS; i++)
            *reg(vlapic, X2APIC_LVT_TIMER + i) |= LVT_MASKED;
    lend_timer(vcpu);
}

/* --- Registers --- */

void vlapic_set_tpr(struct vcpu *vcpu, uint8_t tpr)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    *reg(vlapic, X2APIC_TPR) = vlapic->tpr = tpr;
    end_lazy(vlapic);
    if (apic_virtualization == NULL)
        choose(vlapic);
    else
        apic_virtualization->service(look_up(vlapic, X2APIC_ISR));
}

void vlapic_set_assist(struct vcpu *vcpu, uint32_t *page)
{
    end_lazy(&vcpu->arch.vlapic);
    vcpu->arch.vlapic.assist = page;
}

static inline void end(struct vcpu *vcpu, uint32_t vector)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    drop(vlapic, X2APIC_ISR, vector);
    if (is_level(vlapic, vector))
        vioapic_eoi(vcpu->domain, (uint8_t)vector);
}

static __attribute__((noinline)) void end_by_cpu(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    uint32_t vector = look_up(vlapic, X2APIC_ISR);

    if (vector == 0)
        return;
    end(vcpu, vector);
    apic_virtualization->service(highest(vlapic, X2APIC_ISR));
}

void vlapic_eoi(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    uint32_t vector;

    if (apic_virtualization != NULL)
        return end_by_cpu(vcpu);
    end_lazy(vlapic);
    vector = highest(vlapic, X2APIC_ISR);
    if (vector == 0)
        return;
    end(vcpu, vector);
    choose(vlapic);
}

static bool read_register(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    uint32_t index = msr - X2APIC_BASE;

    if (index >= 64 || !(VLAPIC_READABLE >> index & 1))
        return false;
    *value = *reg(vlapic, msr);
    if (msr == X2APIC_TIMER_CURRENT)
        *value = current_count(vlapic);
    else if (msr == X2APIC_PPR)
        *value = priority(vlapic);
    else if (msr == X2APIC_ICR)
        *value |= (uint64_t)reg(vlapic, msr)[1] << 32;
    return true;
}

bool vlapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    if (msr == MSR_TSC_DEADLINE) {
        *value = vcpu->arch.vlapic.timer_deadline;
        return true;
    }
    if (msr == MSR_APIC_BASE) {
        *value = APIC_BASE_RESET | (vcpu->index == 0 ? APIC_BASE_BSP : 0);
        return true;
    }
    vlapic_next(vcpu);
    end_lazy(&vcpu->arch.vlapic);
    return read_register(vcpu, msr, value);
}

static bool write_register(struct vcpu *vcpu, uint32_t msr, uint32_t value)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    switch (msr) {
    case X2APIC_TPR:
        if (value > 0xff)
            return false;
        vlapic_set_tpr(vcpu, (uint8_t)value);
        return true;
    case X2APIC_SVR:
        write_svr(vcpu, value);
        return true;
    case X2APIC_ESR:
        *reg(vlapic, X2APIC_ESR) = 0;
        return value == 0;
    case X2APIC_LVT_TIMER ... X2APIC_LVT_TIMER + VLAPIC_LVTS - 1:
        write_lvt(vcpu, (enum vlapic_lvt)(msr - X2APIC_LVT_TIMER), value);
        return true;
    case X2APIC_TIMER_INITIAL:
        write_initial_count(vcpu, value);
        return true;
    case X2APIC_TIMER_DIVIDE:
        take_timer_back(vcpu);
        *reg(vlapic, X2APIC_TIMER_DIVIDE) = value & 0xb;
        lend_timer(vcpu);
        return true;
    case X2APIC_SELF_IPI:
        if (value > 0xff)
            return false;
        if (value < VECTOR_MIN)
            *reg(vlapic, X2APIC_ESR) |= ESR_SEND_ILLEGAL;
        else
            vlapic_send(vcpu, (uint8_t)value, false);
        return true;
    default:
        return false;
    }
}

bool vlapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    uint64_t base;

    if (msr == X2APIC_EOI) {
        if (value == 0)
            vlapic_eoi(vcpu);
        return value == 0;
    }
    switch (msr) {
    case MSR_TSC_DEADLINE:
        write_tsc_deadline(vcpu, value);
        return true;
    case X2APIC_ICR:
        return send_ipi(vcpu, value);
    case MSR_APIC_BASE:
        return vlapic_msr_read(vcpu, msr, &base) && value == base;
    default:
        return value <= UINT32_MAX && write_register(vcpu, msr, (uint32_t)value);
    }
}

void vlapic_reset(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    take_timer_back(vcpu);
    timer_stop(vcpu);
    *vlapic = (struct vlapic){.page = vlapic->page, .posted = vlapic->posted};
    memset(vlapic->page, 0, PAGE_SIZE);
    if (vlapic->posted != NULL)
        memset(vlapic->posted, 0, sizeof(*vlapic->posted));
    *reg(vlapic, X2APIC_ID) = vcpu->index;
    *reg(vlapic, X2APIC_VERSION) = VERSION;
    *reg(vlapic, X2APIC_LDR) = 1u << vcpu->index;
    *reg(vlapic, X2APIC_SVR) = SVR_RESET;
    for (uint32_t i = 0; i < VLAPIC_LVTS; i++)
        *reg(vlapic, X2APIC_LVT_TIMER + i) = LVT_MASKED;
    vcpu->arch.nmi_pending = false;
}

void vlapic_init(struct vcpu *vcpu)
{
    vcpu->arch.vlapic.page = memory_pages(1);
    if (apic_virtualization != NULL && apic_virtualization->notify != NULL)
        vcpu->arch.vlapic.posted = memory_pages(1); /* as Bochs 3.0 wants it; 64 bytes would do */
}
