// SPDX-License-Identifier: Apache-2.0
/* Stage 2: one tree of tables a domain, 4 KiB granule, built once at boot. An SMMU's trees are built alike. */
#include <arch/stage2.h>
#include <arch/sysreg.h>
#include <core/arch.h>
#include <core/log.h>
#include <core/memory.h>

/* Arm ARM D8.3.2, stage 2 descriptors. */
#define VALID 1ull
#define TABLE_OR_PAGE 2ull
#define MEMATTR_NORMAL (0xfull << 2) /* write-back; the guest's own attributes can only weaken it */
#define MEMATTR_DEVICE (1ull << 2)   /* nGnRE */
#define S2AP_READ (1ull << 6)
#define S2AP_WRITE (1ull << 7)
#define INNER_SHAREABLE (3ull << 8)
#define ACCESSED (1ull << 10)
#define XN (2ull << 53)
#define ADDRESS_MASK 0x0000fffffffff000ull

#define VTCR_RES1 (1ull << 31)
#define VTCR_LEVEL_1 (1ull << 6)
#define VTCR_LEVEL_0 (2ull << 6)
#define VTCR_WALKS (3ull << 12 | 1ull << 10 | 1ull << 8) /* inner shareable, write-back */

/* Domains' address sizes in bits, the PARange that says so and that it needs, what an entry of the tree's root covers,
 * and up to which RAM it is taken. The root is one table of level 0 or 1, or concatenated ones of level 1 (D8.2.7).
 * Where RAM is behind the first of these they come last: QEMU 10.0's SMMUv3 takes all of them for the first. */
static const struct size {
    unsigned bits, parange, root_shift, ram_bits;
} sizes[] = {{36, 1, 30, 36}, {40, 2, 30, 39}, {44, 4, 39, 44}, {48, 5, 39, 48}, {40, 2, 30, 40}, {42, 3, 30, 42}};
static const struct size *size;

void stage2_init(uint64_t highest)
{
    uint64_t parange = sysreg_read(id_aa64mmfr0_el1) & 0xf;

    for (size = sizes; highest >> size->ram_bits || size->parange > parange; size++)
        CHECK(size != &sizes[sizeof(sizes) / sizeof(*sizes) - 1]);
}

uint64_t stage2_parange(void)
{
    return size->parange;
}

uint64_t stage2_vtcr(void)
{
    uint64_t parange = sysreg_read(id_aa64mmfr0_el1) & 0xf;

    return VTCR_RES1 | (parange > 5 ? 5 : parange) << 16 | VTCR_WALKS |
           (size->root_shift > 30 ? VTCR_LEVEL_0 : VTCR_LEVEL_1) | (64 - size->bits);
}

unsigned stage2_bits(void)
{
    return size->bits;
}

uint64_t *stage2_new_root(void)
{
    return memory_pages_aligned(size->bits - size->root_shift > 9 ? 1ull << (size->bits - 39) : 1);
}

void stage2_create(struct domain *domain)
{
    domain->arch.stage2 = stage2_new_root();
    domain->arch.vttbr = kernel_hpa(domain->arch.stage2).value | (uint64_t)(domain->index + 1) << 48;
}

static uint64_t attributes(uint32_t rights)
{
    uint64_t value = ACCESSED | VALID;

    value |= rights & STAGE2_DEVICE ? MEMATTR_DEVICE : MEMATTR_NORMAL | INNER_SHAREABLE;
    value |= rights & STAGE2_READ ? S2AP_READ : 0;
    value |= rights & STAGE2_WRITE ? S2AP_WRITE : 0;
    value |= rights & STAGE2_EXECUTE ? 0 : XN;
    return value;
}

/* Tables are kernel memory, of which the hpa and the virtual address differ by a constant. */
static uint64_t *table_below(uint64_t *entry, uint64_t *root)
{
    uint64_t difference = (uint64_t)root - kernel_hpa(root).value;

    if (!*entry)
        *entry = kernel_hpa(memory_pages(1)).value | TABLE_OR_PAGE | VALID;
    CHECK((*entry & (TABLE_OR_PAGE | VALID)) == (TABLE_OR_PAGE | VALID));
    return (uint64_t *)((*entry & ADDRESS_MASK) + difference);
}

void stage2_map_in(uint64_t *root, struct ipa ipa, struct hpa hpa, uint64_t length, uint32_t rights)
{
    uint64_t from = ipa.value, to = hpa.value, end = from + length;

    CHECK(((from | to | length) & (PAGE_SIZE - 1)) == 0 && end >= from && end <= 1ull << size->bits);
    while (from < end) {
        unsigned shift = size->root_shift;
        uint64_t *entry = &root[from >> shift];

        while (shift > 12 && (shift > 30 || ((from | to) & ((1ull << shift) - 1)) || end - from < 1ull << shift ||
                              (*entry & VALID))) {
            shift -= 9;
            entry = &table_below(entry, root)[field(from, shift, 9)];
        }
        CHECK(!(*entry & VALID));
        *entry = to | attributes(rights) | (shift == 12 ? TABLE_OR_PAGE : 0);
        from += 1ull << shift;
        to += 1ull << shift;
    }
    dsb_ishst();
}

void stage2_map(struct domain *domain, struct ipa ipa, struct hpa hpa, uint64_t length, uint32_t rights)
{
    stage2_map_in(domain->arch.stage2, ipa, hpa, length, rights);
}

bool stage2_is_mapped(struct domain *domain, struct ipa ipa)
{
    unsigned shift = size->root_shift;
    uint64_t *entry = &domain->arch.stage2[ipa.value >> shift];

    for (; shift > 12 && (*entry & (TABLE_OR_PAGE | VALID)) == (TABLE_OR_PAGE | VALID);) {
        shift -= 9;
        entry = &table_below(entry, domain->arch.stage2)[field(ipa.value, shift, 9)];
    }
    return *entry & VALID;
}

void stage2_invalidate(struct domain *domain)
{
    CHECK(sysreg_read(vttbr_el2) == domain->arch.vttbr);
    tlb_invalidate_current();
}
