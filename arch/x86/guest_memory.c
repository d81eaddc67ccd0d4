// SPDX-License-Identifier: Apache-2.0
/* SDM volume 3A, chapter 4. Neither rights nor reserved bits are looked at. */
#include "guest_memory.h"

#include "decode.h"

#include <arch/cpu.h>
#include <core/arch.h>
#include <string.h>

#define GUEST_UNMAPPED UINT64_MAX
#define ENTRY_PRESENT 1ull
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

/* 32-bit paging. */
static uint64_t walk32(const struct domain *domain, const struct guest_state *state, uint64_t linear)
{
    uint64_t entry = read_entry32(domain, (state->cr3 & 0xfffff000) + (linear >> 22 & 0x3ff) * 4);

    if (!(entry & ENTRY_PRESENT))
        return GUEST_UNMAPPED;
    if (entry & ENTRY_LARGE && state->cr4 & CR4_PSE) /* PSE-36 */
        return (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32 | (linear & 0x3fffff);
    entry = read_entry32(domain, (entry & 0xfffff000) + (linear >> 12 & 0x3ff) * 4);
    return entry & ENTRY_PRESENT ? (entry & 0xfffff000) | (linear & 0xfff) : GUEST_UNMAPPED;
}

static uint64_t walk64(const struct domain *domain, uint64_t table, unsigned levels, uint64_t linear)
{
    for (unsigned level = levels;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t inside = (1ull << shift) - 1;
        uint64_t entry = read_entry64(domain, table + (linear >> shift & 0x1ff) * 8);

        if (!(entry & ENTRY_PRESENT))
            return GUEST_UNMAPPED;
        if (level == 1 || ((level == 2 || (level == 3 && levels > 3)) && entry & ENTRY_LARGE))
            return (entry & ENTRY_ADDRESS & ~inside) | (linear & inside);
        table = entry & ENTRY_ADDRESS;
    }
}

static uint64_t translate(const struct domain *domain, const struct guest_state *state, uint64_t linear)
{
    if (!(state->efer & EFER_LMA))
        linear = (uint32_t)linear;
    if (!(state->cr0 & CR0_PG))
        return linear;
    if (!(state->cr4 & CR4_PAE))
        return walk32(domain, state, linear);
    if (!(state->efer & EFER_LMA))
        return walk64(domain, state->cr3 & 0xffffffe0, 3, linear);
    return walk64(domain, state->cr3 & ENTRY_ADDRESS, state->cr4 & CR4_LA57 ? 5 : 4, linear);
}

unsigned guest_fetch(const struct vcpu *vcpu, const struct guest_state *state, uint64_t linear, uint8_t *bytes,
                     unsigned count)
{
    unsigned got = 0;

    while (got < count) {
        uint64_t at = translate(vcpu->domain, state, linear + got), in_page = PAGE_SIZE - (at & (PAGE_SIZE - 1));
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
