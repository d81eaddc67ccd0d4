/* SPDX-License-Identifier: Apache-2.0 */
/* EL2 stage 1: the kernel's own address space (layout.h). Tables are static; nothing of a domain is in it but windows.
 */
#include <arch/boot.h>
#include <arch/layout.h>
#include <arch/sysreg.h>
#include <core/arch.h>
#include <core/log.h>
#include <core/memory.h>

/* mmu_build_tables() runs while memory takes no unaligned access. */
#pragma GCC target("strict-align")

#define ENTRIES 512
#define BLOCK_SIZE (2 * MIB)

/* Arm ARM D8.3: descriptors of the EL2 regime, which has one privilege level (AP[1] is RES1). */
#define DESCRIPTOR_TABLE 3ull
#define DESCRIPTOR_PAGE 3ull
#define DESCRIPTOR_BLOCK 1ull
#define DESCRIPTOR_ATTRIBUTE(index) ((uint64_t)(index) << 2)
#define DESCRIPTOR_AP1 (1ull << 6)
#define DESCRIPTOR_READ_ONLY (1ull << 7)
#define DESCRIPTOR_INNER_SHAREABLE (3ull << 8)
#define DESCRIPTOR_ACCESSED (1ull << 10)
#define DESCRIPTOR_XN (1ull << 54)
#define ADDRESS_MASK 0x0000fffffffff000ull

#define COMMON (DESCRIPTOR_AP1 | DESCRIPTOR_INNER_SHAREABLE | DESCRIPTOR_ACCESSED)
#define TEXT (COMMON | DESCRIPTOR_ATTRIBUTE(1) | DESCRIPTOR_READ_ONLY)
#define READ_ONLY (TEXT | DESCRIPTOR_XN)
#define DATA (COMMON | DESCRIPTOR_ATTRIBUTE(1) | DESCRIPTOR_XN)
#define DEVICE (COMMON | DESCRIPTOR_ATTRIBUTE(0) | DESCRIPTOR_XN)

struct table {
    uint64_t entry[ENTRIES];
} __attribute__((aligned(4096)));
#define TABLES __attribute__((section(".bss.tables")))

struct table kernel_tables TABLES; /* level 0; head.S loads it */
static struct table level1 TABLES;
static struct table level2_small TABLES;   /* KERNEL_VA, DEVICE_VA */
static struct table level2_blocks TABLES;  /* BLOCK_VA */
static struct table level2_windows TABLES; /* WINDOW_VA */
static struct table level3_kernel[KERNEL_MEMORY_SIZE / BLOCK_SIZE] TABLES;
static struct table level3_devices[DEVICE_VA_SIZE / BLOCK_SIZE] TABLES;

static uint64_t devices_used, blocks_used;

extern uint64_t tables_start[], tables_end[];
extern char image_head[], image_text_end[], image_rodata_end[], image_end[];

static unsigned index_at(uint64_t address, unsigned level)
{
    return field(address, 39 - 9 * level, 9);
}

/* Runs with the MMU off, at the physical address: addresses of objects are physical here, and `image` is image_head. */
void mmu_build_tables(uint64_t image)
{
    uint64_t text = (uint64_t)image_text_end - (uint64_t)image_head;
    uint64_t rodata = (uint64_t)image_rodata_end - (uint64_t)image_head;

    for (uint64_t *entry = tables_start; entry < tables_end; entry++)
        *(volatile uint64_t *)entry = 0;

    kernel_tables.entry[index_at(KERNEL_VA, 0)] = (uint64_t)&level1 | DESCRIPTOR_TABLE;
    level1.entry[index_at(KERNEL_VA, 1)] = (uint64_t)&level2_small | DESCRIPTOR_TABLE;
    level1.entry[index_at(BLOCK_VA, 1)] = (uint64_t)&level2_blocks | DESCRIPTOR_TABLE;
    level1.entry[index_at(WINDOW_VA, 1)] = (uint64_t)&level2_windows | DESCRIPTOR_TABLE;
    for (unsigned i = 0; i < KERNEL_MEMORY_SIZE / BLOCK_SIZE; i++)
        level2_small.entry[index_at(KERNEL_VA, 2) + i] = (uint64_t)&level3_kernel[i] | DESCRIPTOR_TABLE;
    for (unsigned i = 0; i < DEVICE_VA_SIZE / BLOCK_SIZE; i++)
        level2_small.entry[index_at(DEVICE_VA, 2) + i] = (uint64_t)&level3_devices[i] | DESCRIPTOR_TABLE;
    for (uint64_t offset = 0; offset < KERNEL_MEMORY_SIZE; offset += PAGE_SIZE) {
        uint64_t attributes = offset < text ? TEXT : offset < rodata ? READ_ONLY : DATA;

        level3_kernel[0].entry[offset / PAGE_SIZE] = (image + offset) | attributes | DESCRIPTOR_PAGE;
    }
}

struct memory_range kernel_memory(void)
{
    return (struct memory_range){kernel_hpa(image_head), KERNEL_MEMORY_SIZE};
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

/* The hpa of a mapped kernel address, by asking the MMU. */
struct hpa kernel_hpa(const void *address)
{
    uint64_t par;

    asm volatile("at s1e2r, %0" ::"r"(address));
    isb();
    par = sysreg_read(par_el1);
    CHECK(!(par & 1));
    return hpa((par & ADDRESS_MASK) | ((uint64_t)address & (PAGE_SIZE - 1)));
}

static void *map_small(struct hpa base, uint64_t size, uint64_t attributes)
{
    uint64_t first = base.value & ~(PAGE_SIZE - 1);
    uint64_t pages = (base.value + size - first + PAGE_SIZE - 1) / PAGE_SIZE;
    uint64_t start = devices_used;

    CHECK(size <= DEVICE_VA_SIZE && start + pages <= DEVICE_VA_SIZE / PAGE_SIZE);
    for (uint64_t i = 0; i < pages; i++)
        level3_devices[0].entry[start + i] = (first + i * PAGE_SIZE) | attributes | DESCRIPTOR_PAGE;
    devices_used += pages;
    dsb_ishst();
    isb();
    return (void *)(DEVICE_VA + start * PAGE_SIZE + (base.value - first));
}

void *kernel_map_device(struct hpa base, uint64_t size)
{
    return map_small(base, size, DEVICE);
}

static void invalidate(uint64_t address)
{
    asm volatile("dsb ishst\n\ttlbi vae2is, %0\n\tdsb ish\n\tisb" ::"r"(address >> 12) : "memory");
}

void kernel_move_device(void *page, struct hpa base)
{
    uint64_t *entry = &level3_devices[0].entry[((uint64_t)page - DEVICE_VA) / PAGE_SIZE];

    *entry = 0; /* break before make */
    invalidate((uint64_t)page);
    *entry = base.value | DEVICE | DESCRIPTOR_PAGE;
    dsb_ishst();
    isb();
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
        level2_blocks.entry[blocks_used++] = at | READ_ONLY | DESCRIPTOR_BLOCK;
    }
    dsb_ishst();
    isb();
    return (void *)(BLOCK_VA + start * BLOCK_SIZE + (base.value - first));
}

void kernel_unmap_blocks(const void *address, uint64_t size)
{
    for (uint64_t at = (uint64_t)address & ~(BLOCK_SIZE - 1); at < (uint64_t)address + size; at += BLOCK_SIZE) {
        level2_blocks.entry[index_at(at, 2)] = 0;
        invalidate(at);
    }
}

void *window_open(struct hpa base)
{
    uint64_t address = WINDOW_VA + vcpu_current()->cpu * WINDOW_SIZE;
    uint64_t *entry = &level2_windows.entry[index_at(address, 2)];

    window_close();
    *entry = (base.value & ~(BLOCK_SIZE - 1)) | DATA | DESCRIPTOR_BLOCK;
    dsb_ishst();
    isb();
    return (void *)(address + (base.value & (BLOCK_SIZE - 1)));
}

void window_close(void)
{
    uint64_t address = WINDOW_VA + vcpu_current()->cpu * WINDOW_SIZE;
    uint64_t *entry = &level2_windows.entry[index_at(address, 2)];

    if (*entry) {
        *entry = 0;
        /* Only this CPU ever uses its window; but a speculative walk elsewhere may have cached it. */
        invalidate(address);
    }
}
