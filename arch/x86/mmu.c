// SPDX-License-Identifier: Apache-2.0
/* The kernel's own address space (layout.h). Tables are static; nothing of a domain is in it but windows. */
#include <arch/boot.h>
#include <arch/cpu.h>
#include <arch/layout.h>
#include <core/arch.h>
#include <core/log.h>

#define ENTRIES 512
#define BLOCK_SIZE (2 * MIB)

/* SDM 3A, 4.5: entries of 4-level paging. */
#define PRESENT (1ull << 0)
#define WRITABLE (1ull << 1)
#define WRITE_THROUGH (1ull << 3)
#define UNCACHED (1ull << 4)
#define ACCESSED (1ull << 5)
#define DIRTY (1ull << 6)
#define LARGE (1ull << 7)
#define GLOBAL (1ull << 8)
#define NO_EXECUTE (1ull << 63)
#define ADDRESS_MASK 0x000ffffffffff000ull

#define TABLE (PRESENT | WRITABLE | ACCESSED)
#define TEXT (PRESENT | ACCESSED | GLOBAL)
#define READ_ONLY (TEXT | NO_EXECUTE)
#define DATA (READ_ONLY | WRITABLE | DIRTY)
#define DEVICE (DATA | UNCACHED | WRITE_THROUGH)

struct table {
    uint64_t entry[ENTRIES];
} __attribute__((aligned(4096)));

static struct table level3;
static struct table level2_small;   /* KERNEL_VA, DEVICE_VA */
static struct table level2_blocks;  /* BLOCK_VA */
static struct table level2_windows; /* WINDOW_VA */
static struct table level1_kernel[KERNEL_MEMORY_SIZE / BLOCK_SIZE];
static struct table level1_devices[DEVICE_VA_SIZE / BLOCK_SIZE];

/* By which a started CPU comes up: the kernel's, and the trampoline and the kernel where they lie. */
extern struct table level4, boot_level4;
struct table level4, boot_level4;
static struct table boot_level3, boot_level2;

static uint64_t devices_used, blocks_used;

extern char image_head[], image_text_end[], image_rodata_end[], image_end[], cpu_areas[];

static unsigned index_at(uint64_t address, unsigned level)
{
    return address >> (3 + 9 * level) & (ENTRIES - 1);
}

/* Of the image and all static data. */
static uint64_t physical(const void *address)
{
    return (uint64_t)address - KERNEL_VA + KERNEL_HPA;
}

void mmu_build_tables(void)
{
    uint64_t text = (uint64_t)(image_text_end - image_head), rodata = (uint64_t)(image_rodata_end - image_head);

    level4.entry[index_at(KERNEL_VA, 4)] = physical(&level3) | TABLE;
    level3.entry[index_at(KERNEL_VA, 3)] = physical(&level2_small) | TABLE;
    level3.entry[index_at(BLOCK_VA, 3)] = physical(&level2_blocks) | TABLE;
    level3.entry[index_at(WINDOW_VA, 3)] = physical(&level2_windows) | TABLE;
    for (unsigned i = 0; i < KERNEL_MEMORY_SIZE / BLOCK_SIZE; i++)
        level2_small.entry[index_at(KERNEL_VA, 2) + i] = physical(&level1_kernel[i]) | TABLE;
    for (unsigned i = 0; i < DEVICE_VA_SIZE / BLOCK_SIZE; i++)
        level2_small.entry[index_at(DEVICE_VA, 2) + i] = physical(&level1_devices[i]) | TABLE;
    for (uint64_t offset = 0; offset < KERNEL_MEMORY_SIZE; offset += PAGE_SIZE)
        level1_kernel[0].entry[offset / PAGE_SIZE] = (KERNEL_HPA + offset) | (offset < text     ? TEXT
                                                                              : offset < rodata ? READ_ONLY
                                                                                                : DATA);
    for (uint64_t i = 0; i < BULKHEAD_CPUS_MAX; i++) /* each stack's guard */
        level1_kernel[0].entry[((uint64_t)cpu_areas - KERNEL_VA + i * CPU_AREA_SIZE) / PAGE_SIZE] = 0;
    boot_level4.entry[0] = physical(&boot_level3) | TABLE;
    boot_level4.entry[index_at(KERNEL_VA, 4)] = physical(&level3) | TABLE;
    boot_level3.entry[0] = physical(&boot_level2) | TABLE;
    boot_level2.entry[0] = TABLE | LARGE;
    boot_level2.entry[index_at(KERNEL_HPA, 2)] = KERNEL_HPA | TABLE | LARGE;
}

void *kernel_image(void)
{
    return image_head;
}

bool kernel_is_text(uint64_t address)
{
    return address >= (uint64_t)image_head && address < (uint64_t)image_text_end;
}

uint64_t kernel_pages_base(void)
{
    return (uint64_t)image_end;
}

struct hpa kernel_hpa(const void *address)
{
    uint64_t at = (uint64_t)address, entry;

    if (at - KERNEL_VA < KERNEL_MEMORY_SIZE)
        return hpa(physical(address));
    if (at - DEVICE_VA < DEVICE_VA_SIZE) {
        entry = level1_devices[0].entry[(at - DEVICE_VA) / PAGE_SIZE];
        CHECK(entry & PRESENT);
        return hpa((entry & ADDRESS_MASK) + at % PAGE_SIZE);
    }
    CHECK(at - BLOCK_VA < BLOCK_VA_SIZE);
    entry = level2_blocks.entry[index_at(at, 2)];
    CHECK(entry & PRESENT);
    return hpa((entry & ADDRESS_MASK) + at % BLOCK_SIZE);
}

/* Entries that were not present are not cached: nothing to invalidate. */
static void *map_small(struct hpa base, uint64_t size, uint64_t attributes)
{
    uint64_t first = base.value & ~(PAGE_SIZE - 1);
    uint64_t pages = (base.value + size - first + PAGE_SIZE - 1) / PAGE_SIZE;
    uint64_t start = devices_used;

    CHECK(size <= DEVICE_VA_SIZE && start + pages <= DEVICE_VA_SIZE / PAGE_SIZE);
    for (uint64_t i = 0; i < pages; i++)
        level1_devices[0].entry[start + i] = (first + i * PAGE_SIZE) | attributes;
    devices_used += pages;
    __asm__ volatile("" ::: "memory");
    return (void *)(DEVICE_VA + start * PAGE_SIZE + (base.value - first));
}

void *kernel_map_device(struct hpa base, uint64_t size)
{
    return map_small(base, size, DEVICE);
}

static void invalidate(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}

/* The other CPUs have not seen it. */
void kernel_move_device(void *page, struct hpa base)
{
    level1_devices[0].entry[((uint64_t)page - DEVICE_VA) / PAGE_SIZE] = base.value | DEVICE;
    invalidate((uint64_t)page);
}

void *kernel_map_memory(struct hpa base, uint64_t size)
{
    return map_small(base, size, DATA);
}

void *kernel_map_blocks(struct hpa base, uint64_t size)
{
    uint64_t first = base.value & ~(BLOCK_SIZE - 1);
    uint64_t start = blocks_used;

    CHECK(size <= BLOCK_VA_SIZE);
    for (uint64_t at = first; at < base.value + size; at += BLOCK_SIZE) {
        CHECK(blocks_used < ENTRIES);
        level2_blocks.entry[blocks_used++] = at | READ_ONLY | LARGE;
    }
    __asm__ volatile("" ::: "memory");
    return (void *)(BLOCK_VA + start * BLOCK_SIZE + (base.value - first));
}

void *window_open(struct hpa base)
{
    uint64_t address = WINDOW_VA + vcpu_current()->cpu * WINDOW_SIZE;
    uint64_t *entry = &level2_windows.entry[index_at(address, 2)], old = *entry;
    uint64_t wanted = (base.value & ~(BLOCK_SIZE - 1)) | DATA | LARGE;

    if (old != wanted) {
        *entry = wanted;
        if (old)
            invalidate(address);
    }
    __asm__ volatile("" ::: "memory");
    return (void *)(address + (base.value & (BLOCK_SIZE - 1)));
}

/* Only this CPU ever uses its window. What another may have walked to by speculation, it does not use. */
void window_close(void)
{
    uint64_t address = WINDOW_VA + vcpu_current()->cpu * WINDOW_SIZE;
    uint64_t *entry = &level2_windows.entry[index_at(address, 2)];

    if (*entry) {
        *entry = 0;
        invalidate(address);
    }
}
