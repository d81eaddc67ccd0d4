/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domain's own page tables: one to one, four levels, 2 MiB pages where they fit. Nothing is ever mapped writable
 * and executable. Mappings are only added, but for guard pages.
 */
#include "frame.h"
#include <lib/tree.h>

#define PAGE 4096ull
#define ENTRIES 512u
#define ADDRESS_BITS 47
#define FIRST_PAGES 12u /* tables of the first map: image and device tree, wherever they lie */

#define ENTRY_PRESENT 0x001ull
#define ENTRY_WRITE 0x002ull
#define ENTRY_UNCACHED 0x018ull /* PWT, PCD */
#define ENTRY_TOUCHED 0x060ull  /* accessed and dirty */
#define ENTRY_LARGE 0x080ull
#define ENTRY_NO_EXECUTE (1ull << 63)
#define ENTRY_ADDRESS 0x000ffffffffff000ull
#define LARGE_LEVEL 2 /* entries of this level may be 2 MiB pages */

#define TEXT (ENTRY_PRESENT | ENTRY_TOUCHED)
#define CONSTANT (TEXT | ENTRY_NO_EXECUTE)
#define DATA (CONSTANT | ENTRY_WRITE)
#define DEVICE (DATA | ENTRY_UNCACHED)

static uint64_t root[ENTRIES] __attribute__((aligned(4096)));
static uint64_t first_pages[FIRST_PAGES][ENTRIES] __attribute__((aligned(4096)));
static uint32_t first_used;

static uint64_t *table_page(void)
{
    if (first_used < FIRST_PAGES)
        return first_pages[first_used++];
    return heap_take_page();
}

/* One entry for as much of [address, end) as an entry can hold; returns the address after it. Entries that are mapped
 * already stay as they are. */
static uint64_t map_one(uint64_t address, uint64_t end, uint64_t attributes)
{
    uint64_t *table = root;

    for (int level = 0;; level++) {
        unsigned shift = 39 - 9 * level;
        uint64_t size = 1ull << shift;
        uint64_t *entry = &table[(address >> shift) % ENTRIES];

        if (level < 3 && *entry && !(*entry & ENTRY_LARGE)) {
            table = (uint64_t *)(*entry & ENTRY_ADDRESS);
            continue;
        }
        if (*entry)
            return (address & ~(size - 1)) + size;
        if (level >= LARGE_LEVEL && address % size == 0 && end - address >= size) {
            *entry = address | attributes | (level == 3 ? 0 : ENTRY_LARGE);
            return address + size;
        }
        table = table_page();
        *entry = (uint64_t)table | ENTRY_PRESENT | ENTRY_WRITE | ENTRY_TOUCHED;
    }
}

static void map(uint64_t base, uint64_t end, uint64_t attributes)
{
    base &= ~(PAGE - 1);
    end = (end + PAGE - 1) & ~(PAGE - 1);
    while (base < end)
        base = map_one(base, end, attributes);
    __asm__ volatile("" ::: "memory");
}

void memory_map(uint64_t base, uint64_t size, enum memory_kind kind)
{
    static const uint64_t attributes[] = {
        [MEMORY_DATA] = DATA, [MEMORY_READ_ONLY] = CONSTANT, [MEMORY_DEVICE] = DEVICE};

    if (base >> ADDRESS_BITS || size > (1ull << ADDRESS_BITS) - base)
        panic("memory at %lx + %lx is beyond %d address bits", base, size, ADDRESS_BITS);
    map(base, base + size, attributes[kind]);
}

void memory_guard(void *page)
{
    uint64_t address = (uint64_t)page;
    uint64_t *table = root;

    for (unsigned shift = 39; shift > 12; shift -= 9)
        table = (uint64_t *)(table[(address >> shift) % ENTRIES] & ENTRY_ADDRESS);
    table[(address >> 12) % ENTRIES] = 0;
    __asm__ volatile("invlpg (%0)" ::"r"(page) : "memory");
}

/* Devices see the caches. */
void memory_uncache(void *pages, size_t size)
{
    (void)pages, (void)size;
}

void mmu_start(uint64_t tree)
{
    uint64_t size = __builtin_bswap32(*(const uint32_t *)(tree + 4));

    map((uint64_t)image_start, (uint64_t)text_end, TEXT);
    map((uint64_t)text_end, (uint64_t)constants_end, CONSTANT);
    /* In pages, so that guard pages can be taken out. */
    for (uint64_t page = (uint64_t)constants_end; page < (uint64_t)image_end; page += PAGE)
        map(page, page + PAGE, DATA);
    map(tree, tree + size, CONSTANT);
    __asm__ volatile("mov %0, %%cr3" ::"r"(root) : "memory");
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
    memory_guard(interrupt_stack_guard);
    memory_guard(crash_stack_guard);
}
