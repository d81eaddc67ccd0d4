/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual interrupt controller's logic; see arch/vgic.h. Deviations from the architecture stand where they are. */
#include "vgic.h"

#include <arch/gic.h>
#include <arch/its.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <core/platform.h>

#define GUEST_WORDS 3       /* what a guest without passed-through devices needs: 32 private and 64 shared interrupts */
#define PRIORITY_MASK 0xf8u /* 32 levels, as the virtual CPU interface has at least */
#define NO_LR VGIC_LRS_MAX
#define SGI_BITS 0x0000ffffu

static inline uint32_t bits_load(const uint32_t *bits)
{
    return __atomic_load_n(bits, __ATOMIC_RELAXED);
}
static inline uint32_t bits_set(uint32_t *bits, uint32_t mask)
{
    return __atomic_fetch_or(bits, mask, __ATOMIC_SEQ_CST);
}
static inline uint32_t bits_clear(uint32_t *bits, uint32_t mask)
{
    return __atomic_fetch_and(bits, ~mask, __ATOMIC_SEQ_CST);
}

/* True if `mask` was set; it is clear then. */
static inline bool bits_take(uint32_t *bits, uint32_t mask)
{
    return (bits_load(bits) & mask) && (bits_clear(bits, mask) & mask);
}

static inline void order(struct vgic_word *word, uint32_t *kind, uint32_t mask)
{
    bits_set(kind, mask);
    bits_set(&word->orders, mask);
}

static inline struct vgic_word *word_of(struct vcpu *vcpu, uint32_t word)
{
    return word == 0 ? &vcpu->arch.vgic.own : &vcpu->domain->arch.vgic.shared[word - 1];
}

static inline uint8_t *priority_of(struct vcpu *vcpu, uint32_t intid)
{
    return intid < 32 ? &vcpu->arch.vgic.own_priority[intid] : &vcpu->domain->arch.vgic.priority[intid - 32];
}

static inline uint8_t *owner_of(struct vcpu *vcpu, uint32_t intid)
{
    return &vcpu->domain->arch.vgic.owner[intid - 32];
}

static inline uint8_t route_of(struct vcpu *vcpu, uint32_t intid)
{
    return __atomic_load_n(&vcpu->domain->arch.vgic.route[intid - 32], __ATOMIC_RELAXED);
}

static inline bool routed_here(struct vcpu *vcpu, uint32_t intid)
{
    return intid < 32 || route_of(vcpu, intid) == vcpu->index;
}

static inline bool deliverable(struct vcpu *vcpu, const struct vgic_word *word, uint32_t intid, uint32_t bit)
{
    return vcpu->domain->arch.vgic.enabled && (bits_load(&word->enabled) & bit) && routed_here(vcpu, intid);
}

/* --- Inboxes --- */

static void post(struct vcpu *target, uint32_t word, uint32_t bits)
{
    struct vgic_vcpu *vgic = &target->arch.vgic;

    bits_set(&vgic->inbox[word], bits);
    bits_set(&vgic->inbox_words, 1u << word);
    cpu_request(target->cpu, CPU_REQUEST_INTERRUPTS);
}

static struct vcpu *responsible(struct vcpu *vcpu, uint32_t intid)
{
    if (intid < 32)
        return vcpu;

    uint8_t index = __atomic_load_n(owner_of(vcpu, intid), __ATOMIC_ACQUIRE);

    if (index == VGIC_NOBODY)
        index = route_of(vcpu, intid);
    return index < vcpu->domain->vcpu_count ? vcpu->domain->vcpu[index] : vcpu;
}

void vgic_notify(struct vcpu *vcpu, uint32_t intid)
{
    struct vcpu *target = responsible(vcpu, intid);

    if (target == vcpu_current())
        vgic_update(target, intid);
    else
        post(target, intid / 32, 1u << intid % 32);
}

/* All of `bits` of a bank changed. */
static void notify_bits(struct vcpu *vcpu, uint32_t word, uint32_t bits)
{
    for (; bits != 0; bits &= bits - 1)
        vgic_notify(vcpu, word * 32 + (uint32_t)__builtin_ctz(bits));
}

void vgic_settle(struct vcpu *vcpu)
{
    if (bits_load(&vcpu->domain->arch.vgic.unsettled) & 1u << vcpu->index)
        bits_clear(&vcpu->domain->arch.vgic.unsettled, 1u << vcpu->index);
}

/* --- List registers --- */

static void put(struct vcpu *vcpu, uint32_t index, uint64_t lr)
{
    vcpu->arch.vgic.untaken &= ~(1u << index);
    vgic_lr_write(index, lr);
}

/*
 * The common case in few steps: a private edge that may be delivered now and finds an empty list register. `link` is
 * for the list register. False: nothing was done, vgic_update() has to find out.
 */
static inline bool deliver_at_once(struct vcpu *vcpu, uint32_t intid, uint64_t link)
{
    struct vgic_vcpu *vgic = &vcpu->arch.vgic;
    uint32_t bit = 1u << intid, index = vgic->lr_of[intid], empty = vgic_lr_empty();
    uint32_t blocked = ~bits_load(&vgic->own.enabled) | bits_load(&vgic->own.pending) | bits_load(&vgic->own.orders);

    if ((blocked & bit) || empty == 0 || !vcpu->domain->arch.vgic.enabled)
        return false;
    if (vgic->lr_intid[index] != intid) {
        index = (uint32_t)__builtin_ctz(empty);
        vgic->lr_of[intid] = (uint8_t)index;
        vgic->lr_intid[index] = (uint16_t)intid;
    } else if (!(empty >> index & 1)) {
        return false;
    }
    put(vcpu, index, LR_PENDING | LR_GROUP1 | (uint64_t)vgic->own_priority[intid] << LR_PRIORITY_SHIFT | link | intid);
    return true;
}

static void wait_for_room(struct vcpu *vcpu, uint32_t intid)
{
    vcpu->arch.vgic.waiting[intid / 32] |= 1u << intid % 32;
    vcpu->arch.vgic.waiting_words |= 1u << intid / 32;
    vgic_lr_underflow(true);
}

/* All list registers are taken: that of the least urgent interrupt, if it is less urgent than `priority`. It waits
 * then. */
static uint32_t evict(struct vcpu *vcpu, uint8_t priority)
{
    uint32_t found = NO_LR;

    for (uint32_t all = vgic_lr_all(); all != 0; all &= all - 1) {
        uint32_t index = (uint32_t)__builtin_ctz(all);
        uint64_t lr = vgic_lr_read(index);

        if ((lr & (LR_STATE | LR_LINKED)) == LR_PENDING && (uint8_t)(lr >> LR_PRIORITY_SHIFT) > priority) {
            found = index;
            priority = (uint8_t)(lr >> LR_PRIORITY_SHIFT);
        }
    }
    if (found != NO_LR) {
        uint32_t intid = vcpu->arch.vgic.lr_intid[found];
        struct vgic_word *word = word_of(vcpu, intid / 32);

        bits_set(&word->pending, bits_load(&word->edge) & 1u << intid % 32);
        wait_for_room(vcpu, intid);
    }
    return found;
}

/* The interrupt is in no list register, and this vCPU is the one to say so. */
static void place(struct vcpu *vcpu, uint32_t intid, struct vgic_word *word, uint32_t bit)
{
    uint64_t lr = 0;
    uint32_t index, level = bits_load(&word->level) & ~bits_load(&word->edge);

    if (bits_take(&word->orders, bit)) {
        if (bits_take(&word->forget, bit) && bits_take(&word->pending, bit) && (word->linked & bit))
            gic_deactivate(vcpu->cpu, intid);
        bits_take(&word->deactivate, bit);
        if (bits_take(&word->activate, bit))
            lr = LR_ACTIVE;
    }
    if (((bits_load(&word->pending) | level) & bit) && deliverable(vcpu, word, intid, bit))
        lr |= LR_PENDING;

    if (lr == 0) {
        if (intid >= 32)
            __atomic_store_n(owner_of(vcpu, intid), VGIC_NOBODY, __ATOMIC_RELEASE);
        if (!routed_here(vcpu, intid) && ((bits_load(&word->pending) | level) & bit) &&
            responsible(vcpu, intid) != vcpu)
            post(responsible(vcpu, intid), intid / 32, bit);
        return;
    }

    uint8_t priority = *priority_of(vcpu, intid);
    uint32_t empty = vgic_lr_empty();

    index = empty != 0 ? (uint32_t)__builtin_ctz(empty) : evict(vcpu, priority);
    if (index == NO_LR) {
        if (lr & LR_ACTIVE)
            order(word, &word->activate, bit);
        wait_for_room(vcpu, intid);
        return;
    }
    if (bits_load(&word->pending) & bit)
        bits_clear(&word->pending, bit);
    lr |= LR_GROUP1 | (uint64_t)priority << LR_PRIORITY_SHIFT | intid;
    if (word->linked & bit)
        lr |= LR_LINKED | (uint64_t)intid << LR_PHYSICAL_SHIFT;
    else if (level & bit)
        lr |= LR_END_TELLS;
    vcpu->arch.vgic.lr_of[intid] = (uint8_t)index;
    vcpu->arch.vgic.lr_intid[index] = (uint16_t)intid;
    put(vcpu, index, lr);
}

/* What others ordered about the interrupt in list register value `lr`; its new value. */
static uint64_t follow_orders(struct vcpu *vcpu, uint32_t intid, struct vgic_word *word, uint32_t bit, uint64_t lr)
{
    bool linked = lr & LR_LINKED;

    if (bits_take(&word->forget, bit)) {
        bits_take(&word->pending, bit);
        if (linked && (lr & LR_PENDING))
            gic_deactivate(vcpu->cpu, intid);
        lr &= ~LR_PENDING;
    }
    if (bits_take(&word->deactivate, bit) && (lr & LR_ACTIVE)) {
        lr &= ~LR_ACTIVE;
        if (linked)
            gic_deactivate(vcpu->cpu, intid);
    }
    if (bits_take(&word->activate, bit) && !linked)
        lr |= LR_ACTIVE;
    return lr;
}

/* The interrupt was last seen in list register `index`, which is not empty. */
static void reconsider(struct vcpu *vcpu, uint32_t intid, struct vgic_word *word, uint32_t bit, uint32_t index)
{
    uint64_t old = vgic_lr_read(index), lr = old;
    bool linked = lr & LR_LINKED, edge = bits_load(&word->edge) & bit;

    if (lr & LR_STATE) {
        if (bits_take(&word->orders, bit))
            lr = follow_orders(vcpu, intid, word, bit, lr);
        if (linked)
            bits_take(&word->pending, bit); /* it came by software, or twice: once is enough */
        else if (edge)
            lr |= bits_take(&word->pending, bit) ? LR_PENDING : 0;
        else if (bits_load(&word->level) & bit)
            lr |= LR_PENDING | LR_END_TELLS;
        else
            lr &= ~(LR_PENDING | LR_END_TELLS);

        if ((lr & LR_PENDING) && !deliverable(vcpu, word, intid, bit)) {
            lr &= ~LR_PENDING;
            if (linked) { /* back to the physical GIC, which delivers it again once it may */
                if (edge)
                    gic_set_pending(vcpu->cpu, intid, true);
                gic_deactivate(vcpu->cpu, intid);
            } else if (edge) {
                bits_set(&word->pending, bit);
            }
        }
        if (lr & LR_STATE) {
            if (lr != old)
                put(vcpu, index, lr);
            return;
        }
    }
    put(vcpu, index, 0);
    place(vcpu, intid, word, bit);
}

/* True if `vcpu` holds the shared interrupt or may take it now; else whoever may is told. */
static bool claim(struct vcpu *vcpu, uint32_t intid)
{
    uint8_t *owner = owner_of(vcpu, intid), nobody = VGIC_NOBODY;

    if (__atomic_load_n(owner, __ATOMIC_ACQUIRE) == vcpu->index)
        return true;
    if (responsible(vcpu, intid) == vcpu &&
        __atomic_compare_exchange_n(owner, &nobody, (uint8_t)vcpu->index, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return true;
    post(responsible(vcpu, intid), intid / 32, 1u << intid % 32);
    return false;
}

void vgic_update(struct vcpu *vcpu, uint32_t intid)
{
    struct vgic_vcpu *vgic = &vcpu->arch.vgic;
    struct vgic_word *word = word_of(vcpu, intid / 32);
    uint32_t bit = 1u << intid % 32, index = vgic->lr_of[intid];

    if (intid >= 32 && !claim(vcpu, intid))
        return;
    if (vgic->lr_intid[index] == intid && !(vgic_lr_empty() & 1u << index))
        reconsider(vcpu, intid, word, bit, index);
    else
        place(vcpu, intid, word, bit);
}

void vgic_maintain(struct vcpu *vcpu, uint32_t ended)
{
    struct vgic_vcpu *vgic = &vcpu->arch.vgic;

    for (; ended != 0; ended &= ended - 1)
        vgic_update(vcpu, vgic->lr_intid[__builtin_ctz(ended)]);

    uint32_t words = vgic->waiting_words;

    vgic->waiting_words = 0;
    vgic_lr_underflow(false);
    for (; words != 0; words &= words - 1) {
        uint32_t word = (uint32_t)__builtin_ctz(words), bits = vgic->waiting[word];

        vgic->waiting[word] = 0;
        for (; bits != 0; bits &= bits - 1)
            vgic_update(vcpu, word * 32 + (uint32_t)__builtin_ctz(bits));
    }
}

bool interrupt_untaken(struct vcpu *vcpu)
{
    uint32_t pending = 0;

    for (uint32_t full = vgic_lr_all() & ~vgic_lr_empty(); full != 0; full &= full - 1)
        if ((vgic_lr_read((uint32_t)__builtin_ctz(full)) & LR_STATE) == LR_PENDING)
            pending |= full & -full;

    bool untaken = vcpu->arch.vgic.untaken & pending;

    vcpu->arch.vgic.untaken = pending;
    return untaken;
}

/* --- Sources --- */

void interrupt_raise(struct domain *domain, uint32_t line)
{
    uint32_t intid = line + 32;

    if (intid / 32 >= domain->arch.vgic.words)
        return;
    bits_set(&domain->arch.vgic.shared[line / 32].pending, 1u << line % 32);
    vgic_notify(domain->vcpu[0], intid);
}

void interrupt_set_level(struct domain *domain, uint32_t line, bool level)
{
    struct vgic_word *word;
    uint32_t bit = 1u << line % 32;

    if (line / 32 + 1 >= domain->arch.vgic.words)
        return;
    word = &domain->arch.vgic.shared[line / 32];
    if (!!(__atomic_load_n(&word->level, __ATOMIC_SEQ_CST) & bit) == level)
        return;
    if (level) {
        bits_set(&word->level, bit);
        if (bits_load(&word->edge) & bit)
            bits_set(&word->pending, bit);
    } else {
        bits_clear(&word->level, bit);
    }
    vgic_notify(domain->vcpu[0], line + 32);
}

/* A private edge for the calling CPU's own vCPU. */
static void take_private(struct vcpu *vcpu, uint32_t intid)
{
    if (deliver_at_once(vcpu, intid, 0))
        return;
    bits_set(&vcpu->arch.vgic.own.pending, 1u << intid);
    vgic_update(vcpu, intid);
}

void vgic_raise_private(struct vcpu *vcpu, uint32_t id)
{
    if (vcpu == vcpu_current()) {
        take_private(vcpu, id);
        return;
    }
    bits_set(&vcpu->arch.vgic.arrived, 1u << id);
    cpu_request(vcpu->cpu, CPU_REQUEST_INTERRUPTS);
}

void vgic_sgi(struct vcpu *vcpu, uint32_t targets, uint32_t intid)
{
    targets &= (1u << vcpu->domain->vcpu_count) - 1;
    for (; targets != 0; targets &= targets - 1)
        vgic_raise_private(vcpu->domain->vcpu[__builtin_ctz(targets)], intid);
}

bool vgic_physical(struct vcpu *vcpu, uint32_t intid, bool parked)
{
    struct vgic_word *word;
    uint32_t bit = 1u << intid % 32;

    if (intid >= VGIC_INTIDS || !((word = word_of(vcpu, intid / 32))->linked & bit))
        return false;
    if (intid < 32 && !parked && deliver_at_once(vcpu, intid, LR_LINKED | (uint64_t)intid << LR_PHYSICAL_SHIFT))
        return true;
    bits_set(&word->pending, bit);
    if (parked)
        post(vcpu, intid / 32, bit);
    else
        vgic_update(vcpu, intid);
    return true;
}

static void drain_inbox(struct vcpu *vcpu)
{
    struct vgic_vcpu *vgic = &vcpu->arch.vgic;
    uint32_t words = __atomic_exchange_n(&vgic->inbox_words, 0, __ATOMIC_ACQUIRE);

    for (; words != 0; words &= words - 1) {
        uint32_t word = (uint32_t)__builtin_ctz(words);
        uint32_t bits = __atomic_exchange_n(&vgic->inbox[word], 0, __ATOMIC_ACQUIRE);

        for (; bits != 0; bits &= bits - 1)
            vgic_update(vcpu, word * 32 + (uint32_t)__builtin_ctz(bits));
    }
    vgic_settle(vcpu);
}

void vgic_drain(struct vcpu *vcpu)
{
    struct vgic_vcpu *vgic = &vcpu->arch.vgic;

    if (bits_load(&vgic->arrived) != 0) {
        uint32_t arrived = __atomic_exchange_n(&vgic->arrived, 0, __ATOMIC_ACQUIRE);

        for (; arrived != 0; arrived &= arrived - 1)
            take_private(vcpu, (uint32_t)__builtin_ctz(arrived));
    }
    if (bits_load(&vgic->inbox_words) != 0)
        drain_inbox(vcpu);
}

void interrupt_pass_through(struct domain *domain, uint32_t physical)
{
    struct vgic_domain *vgic = &domain->arch.vgic;

    CHECK(physical >= 32 && physical < VGIC_INTIDS);
    vgic->shared[physical / 32 - 1].linked |= 1u << physical % 32;
    if (vgic->words <= physical / 32)
        vgic->words = physical / 32 + 1;
    gic_route(physical, domain->vcpu[0]->cpu);
}

void vgic_add_messages(struct domain *domain)
{
    domain->arch.vgic.messages = true;
    domain->arch.vgic.words = VGIC_WORDS;
}

void vgic_route(struct vcpu *vcpu, uint32_t intid, uint8_t route)
{
    struct vgic_word *word = word_of(vcpu, intid / 32);

    if (route != VGIC_NOBODY && (word->linked & 1u << intid % 32))
        gic_route(intid, vcpu->domain->vcpu[route]->cpu);
    __atomic_store_n(&vcpu->domain->arch.vgic.route[intid - 32], route, __ATOMIC_RELEASE);
    if (route != VGIC_NOBODY && vgic_is_message(vcpu->domain, intid))
        its_route(vcpu->domain, intid - 32, vcpu->domain->vcpu[route]->cpu);
    vgic_notify(vcpu, intid);
}

void vgic_enable(struct vcpu *vcpu, bool on)
{
    struct domain *domain = vcpu->domain;

    if (domain->arch.vgic.enabled == on)
        return;
    __atomic_store_n(&domain->arch.vgic.enabled, on, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < domain->vcpu_count; i++)
        notify_bits(domain->vcpu[i], 0, bits_load(&domain->vcpu[i]->arch.vgic.own.enabled));
    for (uint32_t word = 1; word < domain->arch.vgic.words; word++)
        notify_bits(vcpu, word, bits_load(&word_of(vcpu, word)->enabled));
}

/* --- Reset --- */

void vgic_init_state(struct domain *domain)
{
    if (domain->arch.vgic.words < GUEST_WORDS)
        domain->arch.vgic.words = GUEST_WORDS;
    for (uint32_t line = 0; line < VGIC_INTIDS - 32; line++)
        domain->arch.vgic.owner[line] = VGIC_NOBODY;
    for (uint32_t i = 0; i < domain->vcpu_count; i++) {
        struct vgic_vcpu *vgic = &domain->vcpu[i]->arch.vgic;

        vgic->own.linked = 1u << platform.arch.timer_virtual_intid;
        for (uint32_t index = 0; index < VGIC_LRS_MAX; index++)
            vgic->lr_intid[index] = VGIC_INTIDS;
    }
}

void vgic_reset_private(struct vcpu *vcpu)
{
    struct vgic_vcpu *vgic = &vcpu->arch.vgic;

    /* What is shared and stands in a list register goes back to memory: the other vCPUs run on. */
    for (uint32_t all = vgic_lr_all(); all != 0; all &= all - 1) {
        uint32_t index = (uint32_t)__builtin_ctz(all), intid = vgic->lr_intid[index];
        uint64_t lr = vgic_lr_read(index);

        vgic_lr_write(index, 0);
        if ((lr & LR_STATE) && (lr & LR_LINKED))
            gic_deactivate(vcpu->cpu, intid);
        if (intid >= 32 && intid < VGIC_INTIDS && *owner_of(vcpu, intid) == vcpu->index)
            __atomic_store_n(owner_of(vcpu, intid), VGIC_NOBODY, __ATOMIC_RELEASE);
        vgic->lr_intid[index] = VGIC_INTIDS;
    }
    for (uint32_t word = 0; word < VGIC_WORDS; word++)
        vgic->waiting[word] = 0;
    vgic->waiting_words = 0;
    vgic->untaken = 0;

    vgic->arrived = 0;
    vgic->own = (struct vgic_word){.edge = SGI_BITS, .linked = vgic->own.linked};
    for (uint32_t i = 0; i < 32; i++) {
        vgic->own_priority[i] = 0;
        if (vgic->own.linked & 1u << i) {
            gic_enable(vcpu->cpu, i, false);
            gic_deactivate(vcpu->cpu, i);
        }
    }
    vgic->asleep = 1;
}

void interrupt_reset(struct domain *domain)
{
    struct vgic_domain *vgic = &domain->arch.vgic;

    vgic->enabled = 0;
    vgic->unsettled = 0;
    for (uint32_t line = 0; line < VGIC_INTIDS - 32; line++) {
        vgic->priority[line] = 0;
        vgic->route[line] = 0;
        vgic->owner[line] = VGIC_NOBODY;
    }
    for (uint32_t word = 1; word < VGIC_WORDS; word++) {
        uint32_t linked = vgic->shared[word - 1].linked;

        vgic->shared[word - 1] = (struct vgic_word){.linked = linked};
        for (; linked != 0; linked &= linked - 1) {
            uint32_t intid = word * 32 + (uint32_t)__builtin_ctz(linked);

            gic_enable(0, intid, false);
            gic_set_pending(0, intid, false);
            gic_deactivate(0, intid);
            gic_route(intid, domain->vcpu[0]->cpu);
        }
    }
    for (uint32_t i = 0; i < domain->vcpu_count; i++) {
        struct vgic_vcpu *vcpu = &domain->vcpu[i]->arch.vgic;

        for (uint32_t word = 0; word < VGIC_WORDS; word++)
            vcpu->inbox[word] = 0;
        vcpu->inbox_words = 0;
        vcpu->arrived = 0;
    }
}

/* --- Registers --- */

/* Pending or active interrupts of a bank that stand in the calling CPU's list registers. Those in other CPUs' are not
 * seen by a read: a deviation without consequence for Linux, which asks so only when it synchronizes with a handler. */
static uint32_t held(struct vcpu *vcpu, uint32_t word, uint64_t state)
{
    uint32_t bits = 0;

    if (vcpu_current()->domain != vcpu->domain || (word == 0 && vcpu_current() != vcpu))
        return 0;
    for (uint32_t full = vgic_lr_all() & ~vgic_lr_empty(); full != 0; full &= full - 1) {
        uint32_t index = (uint32_t)__builtin_ctz(full), intid = vcpu_current()->arch.vgic.lr_intid[index];

        if (intid / 32 == word && (vgic_lr_read(index) & state))
            bits |= 1u << intid % 32;
    }
    return bits;
}

static uint32_t read_configuration(const struct vgic_word *word, uint32_t half)
{
    uint32_t edge = bits_load(&word->edge) >> (half * 16) & 0xffff, value = 0;

    for (; edge != 0; edge &= edge - 1)
        value |= 2u << 2 * __builtin_ctz(edge);
    return value;
}

static void write_configuration(struct vcpu *vcpu, uint32_t bank, uint32_t half, uint32_t value)
{
    struct vgic_word *word = word_of(vcpu, bank);

    for (uint32_t i = 0; i < 16; i++) {
        uint32_t number = half * 16 + i, bit = 1u << number;

        if (bank == 0 && number < 16)
            continue;
        if (value & 2u << 2 * i)
            bits_set(&word->edge, bit);
        else
            bits_clear(&word->edge, bit);
        if (bank != 0 && (word->linked & bit))
            gic_configure(bank * 32 + number, value & 2u << 2 * i);
    }
}

bool vgic_bank_is_private(uint32_t offset)
{
    if (offset >= 0xc00)
        return offset < 0xc08;
    return offset >= 0x400 ? offset < 0x420 : offset % 0x80 == 0;
}

enum bank_register { /* offset / 0x80 */
                     BANK_GROUP = 1,
                     BANK_SET_ENABLE,
                     BANK_CLEAR_ENABLE,
                     BANK_SET_PENDING,
                     BANK_CLEAR_PENDING,
                     BANK_SET_ACTIVE,
                     BANK_CLEAR_ACTIVE,
                     BANK_PRIORITY = 0x400 / 0x80,
                     BANK_PRIORITY_END = 0x800 / 0x80,
                     BANK_CONFIGURATION = 0xc00 / 0x80,
                     BANK_CONFIGURATION_END = 0xd00 / 0x80,
};

uint32_t vgic_bank_read(struct vcpu *vcpu, uint32_t offset)
{
    uint32_t kind = offset / 0x80, bank = offset % 0x80 / 4;

    if (kind >= BANK_CONFIGURATION && kind < BANK_CONFIGURATION_END) {
        bank = (offset - 0xc00) / 8;
        return bank < vcpu->domain->arch.vgic.words ? read_configuration(word_of(vcpu, bank), offset / 4 % 2) : 0;
    }
    if (kind >= BANK_PRIORITY && kind < BANK_PRIORITY_END) {
        uint32_t intid = (offset - 0x400) & ~3u, value = 0;

        if (intid / 32 >= vcpu->domain->arch.vgic.words)
            return 0;
        for (uint32_t i = 0; i < 4; i++)
            value |= (uint32_t)*priority_of(vcpu, intid + i) << 8 * i;
        return value;
    }
    if (bank >= vcpu->domain->arch.vgic.words)
        return 0;

    struct vgic_word *word = word_of(vcpu, bank);

    switch (kind) {
    case BANK_GROUP:
        return UINT32_MAX; /* group 1 only */
    case BANK_SET_ENABLE:
    case BANK_CLEAR_ENABLE:
        return bits_load(&word->enabled);
    case BANK_SET_PENDING:
    case BANK_CLEAR_PENDING:
        return (bank == 0 ? bits_load(&vcpu->arch.vgic.arrived) : 0) | bits_load(&word->pending) |
               (bits_load(&word->level) & ~bits_load(&word->edge)) | held(vcpu, bank, LR_PENDING);
    case BANK_SET_ACTIVE:
    case BANK_CLEAR_ACTIVE:
        return bits_load(&word->activate) | held(vcpu, bank, LR_ACTIVE);
    default:
        return 0;
    }
}

static void enable_physical(struct vcpu *vcpu, uint32_t bank, uint32_t bits, bool on)
{
    for (; bits != 0; bits &= bits - 1)
        gic_enable(vcpu->cpu, bank * 32 + (uint32_t)__builtin_ctz(bits), on);
}

static void clear_enable(struct vcpu *vcpu, uint32_t bank, struct vgic_word *word, uint32_t bits)
{
    bits &= bits_clear(&word->enabled, bits);
    enable_physical(vcpu, bank, bits & word->linked, false);
    for (uint32_t rest = bits; rest != 0; rest &= rest - 1) {
        struct vcpu *holder = responsible(vcpu, bank * 32 + (uint32_t)__builtin_ctz(rest));

        if (holder != vcpu_current() && holder->power == VCPU_ON)
            bits_set(&vcpu->domain->arch.vgic.unsettled, 1u << holder->index);
    }
    notify_bits(vcpu, bank, bits);
}

static void set_pending(struct vcpu *vcpu, uint32_t bank, struct vgic_word *word, uint32_t bits, bool pending)
{
    for (uint32_t linked = bits & word->linked; linked != 0; linked &= linked - 1)
        gic_set_pending(vcpu->cpu, bank * 32 + (uint32_t)__builtin_ctz(linked), pending);
    if (pending)
        bits &= ~word->linked;
    if (pending)
        bits_set(&word->pending, bits);
    else
        order(word, &word->forget, bits);
    notify_bits(vcpu, bank, bits);
}

void vgic_bank_write(struct vcpu *vcpu, uint32_t offset, uint32_t value, uint32_t mask)
{
    uint32_t kind = offset / 0x80, bank = offset % 0x80 / 4;

    if (kind >= BANK_CONFIGURATION && kind < BANK_CONFIGURATION_END) {
        bank = (offset - 0xc00) / 8;
        if (bank < vcpu->domain->arch.vgic.words)
            write_configuration(vcpu, bank, offset / 4 % 2, value);
        return;
    }
    if (kind >= BANK_PRIORITY && kind < BANK_PRIORITY_END) {
        uint32_t intid = (offset - 0x400) & ~3u;

        for (uint32_t i = 0; intid / 32 < vcpu->domain->arch.vgic.words && i < 4; i++)
            if (mask >> 8 * i & 0xff)
                *priority_of(vcpu, intid + i) = (uint8_t)(value >> 8 * i & PRIORITY_MASK);
        return;
    }
    if (bank >= vcpu->domain->arch.vgic.words)
        return;

    struct vgic_word *word = word_of(vcpu, bank);

    switch (kind) {
    case BANK_SET_ENABLE:
        value &= ~bits_set(&word->enabled, value);
        enable_physical(vcpu, bank, value & word->linked, true);
        notify_bits(vcpu, bank, value);
        break;
    case BANK_CLEAR_ENABLE:
        clear_enable(vcpu, bank, word, value);
        break;
    case BANK_SET_PENDING:
        set_pending(vcpu, bank, word, value, true);
        break;
    case BANK_CLEAR_PENDING:
        set_pending(vcpu, bank, word, value, false);
        break;
    case BANK_SET_ACTIVE:
        order(word, &word->activate, value);
        notify_bits(vcpu, bank, value);
        break;
    case BANK_CLEAR_ACTIVE:
        bits_clear(&word->activate, value);
        order(word, &word->deactivate, value);
        notify_bits(vcpu, bank, value);
        break;
    default:
        break;
    }
}
