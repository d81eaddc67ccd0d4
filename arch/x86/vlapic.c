/* SPDX-License-Identifier: Apache-2.0 */
/* The local APIC's registers and timer; see arch/vlapic.h. A vCPU's APIC ID is its index in the domain. */
#include <arch/cpu.h>
#include <arch/timer.h>
#include <arch/vcpu.h>
#include <core/deadline.h>
#include <core/interrupt.h>
#include <core/platform.h>

#define MSR_APIC_BASE 0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define APIC_BASE_RESET 0xfee00c00ull /* enabled, in x2APIC mode */
#define APIC_BASE_BSP 0x100ull

enum x2apic_register { /* MSRs */
                       APIC_ID = 0x802,
                       APIC_VERSION = 0x803,
                       APIC_TPR = 0x808,
                       APIC_PPR = 0x80a,
                       APIC_EOI = 0x80b,
                       APIC_LDR = 0x80d,
                       APIC_SVR = 0x80f,
                       APIC_ISR = 0x810,
                       APIC_TMR = 0x818,
                       APIC_IRR = 0x820,
                       APIC_ESR = 0x828,
                       APIC_ICR = 0x830,
                       APIC_LVT = 0x832,
                       APIC_INITIAL_COUNT = 0x838,
                       APIC_CURRENT_COUNT = 0x839,
                       APIC_DIVIDE = 0x83e,
                       APIC_SELF_IPI = 0x83f,
};
#define VERSION (0x14u | (VLAPIC_LVTS - 1) << 16) /* no suppression of EOI broadcasts */
#define SVR_RESET 0xffu
#define SVR_ENABLE 0x100u
#define ESR_SEND_ILLEGAL 0x20u
#define LVT_MASKED 0x10000u
#define LVT_TIMER_MODE 0x60000u
#define TIMER_ONE_SHOT 0u
#define TIMER_PERIODIC 0x20000u
#define TIMER_TSC_DEADLINE 0x40000u
#define ICR_RESERVED 0xfff33000u
#define ICR_LOGICAL 0x800u
#define ICR_ASSERT 0x4000u
#define ICR_LEVEL 0x8000u
#define VECTOR_MIN 16u
#define NS_PER_S 1000000000ull
#define ASSIST_NO_EOI 1u

static const uint32_t lvt_writable[VLAPIC_LVTS] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERFORMANCE] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

static struct deadline timers[BULKHEAD_CPUS_MAX];

/* --- Sets of vectors --- */

static inline void add(struct vlapic_set *set, uint32_t vector)
{
    set->word[vector / 32] |= 1u << vector % 32;
    set->used |= (uint8_t)(1u << vector / 32);
}

static inline void drop(struct vlapic_set *set, uint32_t vector)
{
    if ((set->word[vector / 32] &= ~(1u << vector % 32)) == 0)
        set->used &= (uint8_t) ~(1u << vector / 32);
}

/* 0: the set is empty. */
static inline uint32_t highest(const struct vlapic_set *set)
{
    uint32_t word;

    if (set->used == 0)
        return 0;
    word = 31 - (uint32_t)__builtin_clz(set->used);
    return word * 32 + 31 - (uint32_t)__builtin_clz(set->word[word]);
}

static inline bool is_single(uint32_t bits)
{
    return (bits & (bits - 1)) == 0;
}

/* --- Which interrupt is next --- */

static inline bool is_level(const struct vlapic *vlapic, uint32_t vector)
{
    return __atomic_load_n(&vlapic->level[vector / 32], __ATOMIC_RELAXED) >> vector % 32 & 1;
}

/* The guest's EOI exits again. If it had given one to the page, that takes effect. */
static inline void end_lazy(struct vlapic *vlapic)
{
    uint32_t vector = vlapic->lazy;

    if (vector == 0)
        return;
    vlapic->lazy = 0;
    if (!(__atomic_exchange_n(vlapic->assist, 0, __ATOMIC_RELAXED) & ASSIST_NO_EOI))
        drop(&vlapic->service, vector);
}

/* Something has changed about what is requested, in service or masked. */
static void choose(struct vlapic *vlapic)
{
    uint32_t vector, served;

    end_lazy(vlapic);
    vlapic->next = vlapic->masked = 0;
    if (vlapic->request.used == 0)
        return;
    vector = highest(&vlapic->request);
    served = highest(&vlapic->service);
    if (vector >> 4 <= served >> 4)
        return;
    if (vector >> 4 <= vlapic->tpr >> 4) {
        vlapic->masked = (uint8_t)vector;
        return;
    }
    vlapic->next = (uint8_t)vector;
    if (vlapic->assist != NULL && served == 0 && is_single(vlapic->request.used) &&
        is_single(vlapic->request.word[vector / 32]) && !is_level(vlapic, vector)) {
        __atomic_store_n(vlapic->assist, ASSIST_NO_EOI, __ATOMIC_RELAXED);
        vlapic->lazy = (uint8_t)vector;
    }
}

/* For the calling CPU's own vCPU. */
static void accept(struct vlapic *vlapic, uint32_t vector)
{
    if (!(vlapic->svr & SVR_ENABLE))
        return;
    add(&vlapic->request, vector);
    choose(vlapic);
}

static uint32_t priority(const struct vlapic *vlapic)
{
    uint32_t served = highest(&vlapic->service);

    return served >> 4 > vlapic->tpr >> 4 ? served & 0xf0 : vlapic->tpr;
}

static __attribute__((noinline)) void take_up(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    uint32_t words = __atomic_exchange_n(&vlapic->arrived_words, 0, __ATOMIC_ACQUIRE);

    if (words & VLAPIC_ARRIVED_NMI)
        vcpu->arch.nmi_pending = true;
    for (words &= 0xff; words != 0; words &= words - 1) {
        uint32_t word = (uint32_t)__builtin_ctz(words);
        uint32_t bits = __atomic_exchange_n(&vlapic->arrived[word], 0, __ATOMIC_ACQUIRE);

        if (bits == 0 || !(vlapic->svr & SVR_ENABLE))
            continue;
        vlapic->request.word[word] |= bits;
        vlapic->request.used |= (uint8_t)(1u << word);
    }
    choose(vlapic);
}

uint32_t vlapic_next(struct vcpu *vcpu)
{
    if (__atomic_load_n(&vcpu->arch.vlapic.arrived_words, __ATOMIC_RELAXED) != 0)
        take_up(vcpu);
    return vcpu->arch.vlapic.next;
}

void vlapic_take(struct vcpu *vcpu, uint32_t vector)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    drop(&vlapic->request, vector);
    add(&vlapic->service, vector);
    vlapic->taken++;
    if (vlapic->next == vector) /* of what is requested, the others are less urgent */
        vlapic->next = 0;
    else
        choose(vlapic);
}

bool interrupt_untaken(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    bool waits, untaken;

    vlapic_next(vcpu);
    waits = vlapic->request.used != 0;
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

void vlapic_send(struct vcpu *vcpu, uint8_t vector, bool level)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    uint32_t bit = 1u << vector % 32;

    if (vector < VECTOR_MIN)
        return;
    if (level != is_level(vlapic, vector))
        __atomic_fetch_xor(&vlapic->level[vector / 32], bit, __ATOMIC_RELAXED);
    if (vcpu == vcpu_current()) {
        accept(vlapic, vector);
        return;
    }
    __atomic_fetch_or(&vlapic->arrived[vector / 32], bit, __ATOMIC_RELEASE);
    arrive(vcpu, 1u << vector / 32);
}

void vlapic_send_nmi(struct vcpu *vcpu)
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
            vlapic_send_nmi(target);
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
    vcpu->arch.vlapic.icr = icr;
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
        vcpu->arch.vlapic.esr |= ESR_SEND_ILLEGAL;
    else if (mode != DELIVERY_INIT || (icr & (ICR_ASSERT | ICR_LEVEL)) != ICR_LEVEL) /* not INIT's de-assertion */
        vlapic_deliver(domain, targets, mode, (uint8_t)icr, false);
    return true;
}

/* --- Timer --- */

static uint32_t divide_shift(const struct vlapic *vlapic)
{
    return ((vlapic->divide & 3) + (vlapic->divide >> 1 & 4) + 1) & 7;
}

/* value * times / by */
static uint64_t ratio(uint64_t value, uint64_t times, uint64_t by)
{
    unsigned __int128 product = (unsigned __int128)value * times;

    return divide128((uint64_t)(product >> 64), (uint64_t)product, by);
}

static uint64_t counts_to_ns(const struct vlapic *vlapic, uint32_t counts)
{
    return ratio((uint64_t)counts << divide_shift(vlapic), NS_PER_S, platform.arch.guest_apic_hz);
}

/* `ns`: what is left of at most 2^32 counts. */
static uint32_t ns_to_counts(const struct vlapic *vlapic, uint64_t ns)
{
    return (uint32_t)(ratio(ns, platform.arch.guest_apic_hz, NS_PER_S) >> divide_shift(vlapic));
}

static uint64_t period_ns(const struct vlapic *vlapic)
{
    return counts_to_ns(vlapic, vlapic->initial_count);
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
    uint32_t lvt = vlapic->lvt[LVT_TIMER];
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
        accept(vlapic, lvt & 0xff);
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

    if ((vlapic->lvt[LVT_TIMER] & LVT_TIMER_MODE) != TIMER_TSC_DEADLINE)
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

    if ((vlapic->lvt[LVT_TIMER] & LVT_TIMER_MODE) == TIMER_TSC_DEADLINE)
        return;
    timer_stop(vcpu);
    vlapic->initial_count = value;
    if (value != 0) {
        vlapic->timer_end_ns = time_ns() + period_ns(vlapic);
        timer_start(vcpu, vlapic->timer_end_ns);
    }
}

static uint32_t current_count(const struct vlapic *vlapic)
{
    uint64_t now = time_ns();

    return vlapic->timer_end_ns > now ? ns_to_counts(vlapic, vlapic->timer_end_ns - now) : 0;
}

static bool counts_down(const struct vlapic *vlapic)
{
    return (vlapic->svr & SVR_ENABLE) && !(vlapic->lvt[LVT_TIMER] & LVT_MASKED) &&
           (vlapic->lvt[LVT_TIMER] & TIMER_TSC_DEADLINE) == 0;
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
    vlapic->initial_count = counts.initial;
    if (counts.current != 0) {
        vlapic->timer_end_ns = time_ns() + counts_to_ns(vlapic, counts.current);
        timer_start(vcpu, vlapic->timer_end_ns);
    }
}

static void lend_timer(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    bool periodic = vlapic->lvt[LVT_TIMER] & TIMER_PERIODIC;
    uint32_t left = current_count(vlapic);

    if (!counts_down(vlapic) ||
        !timer_lend(periodic, divide_shift(vlapic), periodic && left ? vlapic->initial_count : left))
        return;
    timer_stop(vcpu);
    vlapic->timer_lent = true;
}

void vlapic_timer_interrupt(struct vcpu *vcpu)
{
    if (vcpu->in)
        accept(&vcpu->arch.vlapic, vcpu->arch.vlapic.lvt[LVT_TIMER] & 0xff);
    else
        timer_lent_stop(); /* of a guest that is no more: a periodic one would go on */
}

static void write_lvt(struct vcpu *vcpu, enum vlapic_lvt index, uint32_t value)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    value &= lvt_writable[index];
    if (!(vlapic->svr & SVR_ENABLE))
        value |= LVT_MASKED;
    if (index != LVT_TIMER) {
        vlapic->lvt[index] = value;
        return;
    }
    take_timer_back(vcpu);
    if ((value ^ vlapic->lvt[index]) & LVT_TIMER_MODE)
        timer_stop(vcpu);
    vlapic->lvt[index] = value;
    lend_timer(vcpu);
}

static void write_divide(struct vcpu *vcpu, uint32_t value)
{
    take_timer_back(vcpu);
    vcpu->arch.vlapic.divide = value & 0xb;
    lend_timer(vcpu);
}

static void write_svr(struct vcpu *vcpu, uint32_t value)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    take_timer_back(vcpu);
    vlapic->svr = value & (SVR_ENABLE | 0xff);
    if (!(value & SVR_ENABLE))
        for (uint32_t i = 0; i < VLAPIC_LVTS; i++)
            vlapic->lvt[i] |= LVT_MASKED;
    lend_timer(vcpu);
}

/* --- Registers --- */

void vlapic_set_tpr(struct vcpu *vcpu, uint8_t tpr)
{
    vcpu->arch.vlapic.tpr = tpr;
    choose(&vcpu->arch.vlapic);
}

void vlapic_set_assist(struct vcpu *vcpu, uint32_t *page)
{
    end_lazy(&vcpu->arch.vlapic);
    vcpu->arch.vlapic.assist = page;
}

void vlapic_eoi(struct vcpu *vcpu)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;
    uint32_t vector;

    end_lazy(vlapic);
    vector = highest(&vlapic->service);
    if (vector == 0)
        return;
    drop(&vlapic->service, vector);
    if (is_level(vlapic, vector))
        vioapic_eoi(vcpu->domain, (uint8_t)vector);
    choose(vlapic);
}

static bool read_register(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    struct vlapic *vlapic = &vcpu->arch.vlapic;

    switch (msr) {
    case APIC_ID:
        *value = vcpu->index;
        return true;
    case APIC_VERSION:
        *value = VERSION;
        return true;
    case APIC_TPR:
        *value = vlapic->tpr;
        return true;
    case APIC_PPR:
        *value = priority(vlapic);
        return true;
    case APIC_LDR:
        *value = 1u << vcpu->index;
        return true;
    case APIC_SVR:
        *value = vlapic->svr;
        return true;
    case APIC_ISR ... APIC_ISR + 7:
        *value = vlapic->service.word[msr - APIC_ISR];
        return true;
    case APIC_TMR ... APIC_TMR + 7:
        *value = vlapic->level[msr - APIC_TMR];
        return true;
    case APIC_IRR ... APIC_IRR + 7:
        *value = vlapic->request.word[msr - APIC_IRR];
        return true;
    case APIC_ESR:
        *value = vlapic->esr;
        return true;
    case APIC_ICR:
        *value = vlapic->icr;
        return true;
    case APIC_LVT ... APIC_LVT + VLAPIC_LVTS - 1:
        *value = vlapic->lvt[msr - APIC_LVT];
        return true;
    case APIC_INITIAL_COUNT:
        *value = vlapic->initial_count;
        return true;
    case APIC_CURRENT_COUNT:
        *value = current_count(vlapic);
        return true;
    case APIC_DIVIDE:
        *value = vlapic->divide;
        return true;
    default:
        return false;
    }
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
    case APIC_TPR:
        if (value > 0xff)
            return false;
        vlapic_set_tpr(vcpu, (uint8_t)value);
        return true;
    case APIC_SVR:
        write_svr(vcpu, value);
        return true;
    case APIC_ESR:
        vlapic->esr = 0;
        return value == 0;
    case APIC_LVT ... APIC_LVT + VLAPIC_LVTS - 1:
        write_lvt(vcpu, (enum vlapic_lvt)(msr - APIC_LVT), value);
        return true;
    case APIC_INITIAL_COUNT:
        write_initial_count(vcpu, value);
        return true;
    case APIC_DIVIDE:
        write_divide(vcpu, value);
        return true;
    case APIC_SELF_IPI:
        return value <= 0xff && send_ipi(vcpu, 1u << 18 | value);
    default:
        return false;
    }
}

bool vlapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    uint64_t base;

    switch (msr) {
    case MSR_TSC_DEADLINE:
        write_tsc_deadline(vcpu, value);
        return true;
    case APIC_EOI:
        if (value == 0)
            vlapic_eoi(vcpu);
        return value == 0;
    case APIC_ICR:
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
    *vlapic = (struct vlapic){.svr = SVR_RESET};
    for (uint32_t i = 0; i < VLAPIC_LVTS; i++)
        vlapic->lvt[i] = LVT_MASKED;
    vcpu->arch.nmi_pending = false;
}
