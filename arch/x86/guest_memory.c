// SPDX-License-Identifier: Apache-2.0
/* SDM volume 3A, chapter 4. Not looked at: reserved bits; rights only for data. */
#include "guest_memory.h"

#include "decode.h"

#include <arch/cpu.h>
#include <core/arch.h>
#include <string.h>

#define ENTRY_PRESENT 1ull
#define ENTRY_WRITABLE 2ull
#define ENTRY_USER 4ull
#define ENTRY_ACCESSED 0x20
#define ENTRY_DIRTY 0x40
#define ENTRY_LARGE 0x80ull
#define ENTRY_ADDRESS 0x000ffffffffff000ull

/* `size` bytes at `from`, or NULL: all of them have to be in the domain's memory, and in one page. */
static inline void *see_memory(const struct domain *domain, uint64_t from, uint64_t size)
{
    uint64_t offset = from - domain->memory_ipa.value;

    if (offset >= domain->memory_size || domain->memory_size - offset < size)
        return NULL;
    return window_open(hpa(domain->memory.value + offset));
}

static inline uint64_t read_entry64(const struct domain *domain, uint64_t at)
{
    const uint64_t *entry = see_memory(domain, at, sizeof(*entry));

    return entry ? *(const volatile uint64_t *)entry : 0;
}

static uint64_t read_entry32(const struct domain *domain, uint64_t at)
{
    const uint32_t *entry = see_memory(domain, at, sizeof(*entry));

    return entry ? *(const volatile uint32_t *)entry : 0;
}

/* What a walk finds on its way: the last entry's place, and the rights that all of them give. */
struct walk {
    uint64_t leaf, rights;
};

/* 32-bit paging. */
static uint64_t walk32(const struct domain *domain, const struct guest_state *state, uint64_t linear, struct walk *walk)
{
    uint64_t entry;

    walk->leaf = (state->cr3 & 0xfffff000) + (linear >> 22 & 0x3ff) * 4;
    entry = walk->rights = read_entry32(domain, walk->leaf);

    if (!(entry & ENTRY_PRESENT))
        return GUEST_UNMAPPED;
    if (entry & ENTRY_LARGE && state->cr4 & CR4_PSE) /* PSE-36 */
        return (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32 | (linear & 0x3fffff);
    walk->leaf = (entry & 0xfffff000) + (linear >> 12 & 0x3ff) * 4;
    entry = read_entry32(domain, walk->leaf);
    walk->rights &= entry;
    return entry & ENTRY_PRESENT ? (entry & 0xfffff000) | (linear & 0xfff) : GUEST_UNMAPPED;
}

static uint64_t walk64(const struct domain *domain, uint64_t table, unsigned levels, uint64_t linear, struct walk *walk)
{
    walk->rights = UINT64_MAX;
    for (unsigned level = levels;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t inside = (1ull << shift) - 1;
        uint64_t entry;

        walk->leaf = table + (linear >> shift & 0x1ff) * 8;
        entry = read_entry64(domain, walk->leaf);
        if (!(entry & ENTRY_PRESENT))
            return GUEST_UNMAPPED;
        if (level != 3 || levels != 3) /* PAE's have no rights */
            walk->rights &= entry;
        if (level == 1 || ((level == 2 || (level == 3 && levels > 3)) && entry & ENTRY_LARGE))
            return (entry & ENTRY_ADDRESS & ~inside) | (linear & inside);
        table = entry & ENTRY_ADDRESS;
    }
}

static uint64_t translate(const struct domain *domain, const struct guest_state *state, uint64_t linear,
                          struct walk *walk)
{
    if (!(state->efer & EFER_LMA))
        linear = (uint32_t)linear;
    if (!(state->cr0 & CR0_PG))
        return linear;
    if (!(state->cr4 & CR4_PAE))
        return walk32(domain, state, linear, walk);
    if (!(state->efer & EFER_LMA))
        return walk64(domain, state->cr3 & 0xffffffe0, 3, linear, walk);
    return walk64(domain, state->cr3 & ENTRY_ADDRESS, state->cr4 & CR4_LA57 ? 5 : 4, linear, walk);
}

uint64_t guest_translate(const struct vcpu *vcpu, const struct guest_state *state, uint64_t linear)
{
    struct walk walk;

    return translate(vcpu->domain, state, linear, &walk);
}

uint8_t *guest_byte(const struct vcpu *vcpu, uint64_t at)
{
    return see_memory(vcpu->domain, at, 1);
}

uint64_t guest_reach(const struct vcpu *vcpu, const struct guest_state *state, uint64_t linear, bool write,
                     uint32_t *error)
{
    bool user = state->cpl == 3, guarded = !user && (state->cr4 & CR4_SMAP) && !(state->rflags & RFLAGS_AC);
    uint64_t needed = user ? ENTRY_USER : 0, at;
    struct walk walk = {0};
    uint8_t *leaf;

    if (write && (user || (state->cr0 & CR0_WP)))
        needed |= ENTRY_WRITABLE;
    at = translate(vcpu->domain, state, linear, &walk);
    if (!(state->cr0 & CR0_PG))
        return at;
    *error = (at != GUEST_UNMAPPED ? 1 : 0) | (write ? 2 : 0) | (user ? 4 : 0);
    if (at == GUEST_UNMAPPED || (walk.rights & needed) != needed || (guarded && (walk.rights & ENTRY_USER)))
        return GUEST_UNMAPPED;
    leaf = guest_byte(vcpu, walk.leaf);
    if (leaf)
        __atomic_fetch_or(leaf, ENTRY_ACCESSED | (write ? ENTRY_DIRTY : 0), __ATOMIC_RELAXED);
    return at;
}

unsigned guest_fetch(const struct vcpu *vcpu, const struct guest_state *state, uint64_t linear, uint8_t *bytes,
                     unsigned count)
{
    unsigned got = 0;

    while (got < count) {
        uint64_t at = guest_translate(vcpu, state, linear + got), in_page = PAGE_SIZE - (at & (PAGE_SIZE - 1));
        unsigned part = in_page < count - got ? (unsigned)in_page : count - got;
        const void *code = at == GUEST_UNMAPPED ? NULL : see_memory(vcpu->domain, at, part);

        if (!code)
            break;
        if (part == INSTRUCTION_MAX) /* nearly always: two words */
            __builtin_memcpy(bytes, code, INSTRUCTION_MAX);
        else
            memcpy(bytes + got, code, part);
        got += part;
    }
    window_close();
    return got;
}
