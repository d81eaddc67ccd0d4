/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domain's own stage-1 map: one to one, 48 bits, 4 KiB granule, the largest blocks that fit. Nothing is ever mapped
 * writable and executable. Mappings are only added (Arm ARM D8.14: no break-before-make is needed), but for guard
 * pages.
 *
 * This file is compiled without FP and for strict alignment, because it starts with the MMU off.
 */
#pragma GCC target("general-regs-only,strict-align")
#include "frame.h"
#include <lib/native.h>
#include <lib/tree.h>

#define PAGE 4096ull
#define ENTRIES 512u
#define ADDRESS_BITS 48
#define FIRST_PAGES 12u /* tables of the first map: image and device tree, wherever they lie */

#define DESCRIPTOR_VALID 1ull
#define DESCRIPTOR_TABLE 2ull /* or a page, in the last level */
#define DESCRIPTOR_ADDRESS 0x0000fffffffff000ull
#define BLOCK_ACCESSED (1ull << 10)
#define BLOCK_INNER_SHAREABLE (3ull << 8)
#define BLOCK_READ_ONLY (1ull << 7)
#define BLOCK_EXECUTE_NEVER ((1ull << 53) | (1ull << 54))
#define BLOCK_MAIR(index) ((uint64_t)(index) << 2)

#define MAIR_NORMAL 0
#define MAIR_DEVICE 1
#define MAIR_UNCACHED 2
#define MAIR_VALUE 0x4404ffull /* 0: write-back, allocating; 1: Device-nGnRE; 2: non-cacheable */

#define TCR_T0SZ (64 - ADDRESS_BITS)
#define TCR_CACHED_WALKS ((1ull << 8) | (1ull << 10) | (3ull << 12)) /* IRGN0, ORGN0 write-back; SH0 inner */
#define TCR_EPD1 (1ull << 23)
#define TCR_IPS_SHIFT 32

#define SCTLR_RES1 0x30d00800ull
#define SCTLR_M 1ull
#define SCTLR_C 4ull
#define SCTLR_SA 8ull
#define SCTLR_I 0x1000ull
#define SCTLR_WXN 0x80000ull

#define NORMAL_DATA (BLOCK_ACCESSED | BLOCK_INNER_SHAREABLE | BLOCK_MAIR(MAIR_NORMAL) | BLOCK_EXECUTE_NEVER)
#define NORMAL_CONSTANT (NORMAL_DATA | BLOCK_READ_ONLY)
#define NORMAL_TEXT ((NORMAL_CONSTANT & ~BLOCK_EXECUTE_NEVER) | (1ull << 54) /* not from EL0 */)
#define UNCACHED (NORMAL_DATA | BLOCK_MAIR(MAIR_UNCACHED))
#define DEVICE (BLOCK_ACCESSED | BLOCK_MAIR(MAIR_DEVICE) | BLOCK_EXECUTE_NEVER)

static uint64_t root[ENTRIES] __attribute__((aligned(4096)));
static uint64_t first_pages[FIRST_PAGES][ENTRIES] __attribute__((aligned(4096)));
static uint32_t first_used;

static uint64_t *table_page(void)
{
    if (first_used < FIRST_PAGES)
        return first_pages[first_used++];
    return heap_take_page();
}

/* One entry for as much of [address, end) as an entry of `level` can hold; returns the address after it. Entries that
 * are mapped already stay as they are. */
static uint64_t map_one(uint64_t address, uint64_t end, uint64_t attributes)
{
    uint64_t *table = root;

    for (int level = 0;; level++) {
        unsigned shift = 39 - 9 * level;
        uint64_t size = 1ull << shift;
        uint64_t *entry = &table[(address >> shift) % ENTRIES];
        bool table_here = level < 3 && (*entry & (DESCRIPTOR_VALID | DESCRIPTOR_TABLE)) == 3;

        if (table_here) {
            table = (uint64_t *)(*entry & DESCRIPTOR_ADDRESS);
            continue;
        }
        if (*entry & DESCRIPTOR_VALID)
            return (address & ~(size - 1)) + size;
        if (level > 0 && address % size == 0 && end - address >= size) {
            *entry = address | attributes | DESCRIPTOR_VALID | (level == 3 ? DESCRIPTOR_TABLE : 0);
            return address + size;
        }
        table = table_page();
        __asm__ volatile("dmb ishst" ::: "memory"); /* a zeroed table before the entry that leads there */
        *entry = (uint64_t)table | DESCRIPTOR_VALID | DESCRIPTOR_TABLE;
    }
}

static void map(uint64_t base, uint64_t end, uint64_t attributes)
{
    base &= ~(PAGE - 1);
    end = (end + PAGE - 1) & ~(PAGE - 1);
    while (base < end)
        base = map_one(base, end, attributes);
    __asm__ volatile("dsb ishst\n\tisb" ::: "memory");
}

void memory_map(uint64_t base, uint64_t size, enum memory_kind kind)
{
    static const uint64_t attributes[] = {
        [MEMORY_DATA] = NORMAL_DATA, [MEMORY_READ_ONLY] = NORMAL_CONSTANT, [MEMORY_DEVICE] = DEVICE};

    if (base >> ADDRESS_BITS || size > (1ull << ADDRESS_BITS) - base)
        panic("memory at %lx + %lx is beyond %d address bits", base, size, ADDRESS_BITS);
    map(base, base + size, attributes[kind]);
}

/* Takes a page of the program's data, which is mapped in pages, out of the map; returns its entry. */
static uint64_t *unmap_page(uint64_t address)
{
    uint64_t *table = root;

    for (unsigned shift = 39; shift > 12; shift -= 9)
        table = (uint64_t *)(table[(address >> shift) % ENTRIES] & DESCRIPTOR_ADDRESS);
    table[(address >> 12) % ENTRIES] = 0;
    __asm__ volatile("dsb ishst\n\ttlbi vaae1is, %0\n\tdsb ish\n\tisb" ::"r"(address >> 12) : "memory");
    return &table[(address >> 12) % ENTRIES];
}

void memory_guard(void *page)
{
    unmap_page((uint64_t)page);
}

/* Break before make, since the memory type changes (Arm ARM D8.17); then out of the caches with what was put there
 * before. */
void memory_uncache(void *pages, size_t size)
{
    uint64_t base = (uint64_t)pages;

    for (uint64_t page = base; page < base + size; page += PAGE)
        *unmap_page(page) = page | UNCACHED | DESCRIPTOR_VALID | DESCRIPTOR_TABLE;
    __asm__ volatile("dsb ishst\n\tisb" ::: "memory");
    memory_discard(pages, size);
}

static uint32_t big_endian(uint32_t value)
{
    return __builtin_bswap32(value);
}

void mmu_start(uint64_t tree)
{
    uint64_t features, control, size = big_endian(*(const volatile uint32_t *)(tree + 4));

    map((uint64_t)image_start, (uint64_t)text_end, NORMAL_TEXT);
    map((uint64_t)text_end, (uint64_t)constants_end, NORMAL_CONSTANT);
    /* In pages, so that guard pages can be taken out. */
    for (uint64_t page = (uint64_t)constants_end; page < (uint64_t)image_end; page += PAGE)
        map(page, page + PAGE, NORMAL_DATA);
    map(tree, tree + size, NORMAL_CONSTANT);

    __asm__ volatile("mrs %0, id_aa64mmfr0_el1" : "=r"(features));
    control = TCR_T0SZ | TCR_CACHED_WALKS | TCR_EPD1 | ((features & 7) << TCR_IPS_SHIFT);
    __asm__ volatile("msr mair_el1, %0\n\t"
                     "msr tcr_el1, %1\n\t"
                     "msr ttbr0_el1, %2\n\t"
                     "isb\n\t"
                     "tlbi vmalle1\n\t"
                     "ic iallu\n\t"
                     "dsb sy\n\t"
                     "isb\n\t"
                     "msr sctlr_el1, %3\n\t"
                     "isb" ::"r"(MAIR_VALUE),
                     "r"(control), "r"(root), "r"(SCTLR_RES1 | SCTLR_M | SCTLR_C | SCTLR_SA | SCTLR_I | SCTLR_WXN)
                     : "memory");
}

void mmu_init(void)
{
    struct tree_range ram = tree_memory((uint64_t)image_start);
    uint64_t tree = (uint64_t)tree_blob(), end = ram.base + ram.size;

    if (!ram.size)
        panic("the device tree's memory does not hold the image at %p", (void *)image_start);
    /* The heap is what follows the image, up to the device tree if that lies behind. */
    if (tree >= (uint64_t)image_end && tree < end)
        end = tree & ~(PAGE - 1);
    heap_init((uint64_t)image_end, end);
    memory_map(ram.base, ram.size, MEMORY_DATA);
    memory_guard(stack_guard);
    memory_guard(crash_stack_guard);
}
