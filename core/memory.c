// SPDX-License-Identifier: Apache-2.0
/* Placement of the partitions' memory, and the kernel's own pages: those behind its image, handed out upwards. */
#include <core/memory.h>

#include <bulkhead/partition.h>
#include <core/arch.h>
#include <core/log.h>

#define BLOCK (2 * MIB)
#define GIB (1024 * MIB)

static struct memory_range placed[BULKHEAD_PARTITIONS_MAX];
static uint64_t pages_next, pages_end; /* kernel virtual addresses */
static bool sealed;

bool memory_overlaps(struct memory_range a, struct memory_range b)
{
    return a.base.value < b.base.value + b.size && b.base.value < a.base.value + a.size;
}

static uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/* A range that `wanted` runs into, widened to whole blocks; or NULL. */
static const struct memory_range *find_obstacle(struct memory_range wanted)
{
    for (uint32_t i = 0; i < platform.reserved_count; i++)
        if (memory_overlaps(platform.reserved[i], wanted))
            return &platform.reserved[i];
    for (uint32_t i = 0; i < partition_count; i++)
        if (placed[i].size && memory_overlaps(placed[i], wanted))
            return &placed[i];
    return NULL;
}

bool memory_in_ram(struct memory_range wanted)
{
    for (uint32_t i = 0; i < platform.ram_count; i++)
        if (wanted.base.value >= platform.ram[i].base.value &&
            wanted.base.value + wanted.size <= platform.ram[i].base.value + platform.ram[i].size)
            return true;
    return false;
}

/* First fit. Every step passes an obstacle, of which there are finitely many. */
static bool place(uint32_t partition, uint64_t size, uint64_t alignment)
{
    for (uint32_t i = 0; i < platform.ram_count; i++) {
        struct memory_range wanted = {hpa(align_up(platform.ram[i].base.value, alignment)), size};
        const struct memory_range *obstacle;

        while (memory_in_ram(wanted) && (obstacle = find_obstacle(wanted)))
            wanted.base = hpa(align_up(obstacle->base.value + obstacle->size, alignment));
        if (memory_in_ram(wanted)) {
            placed[partition] = wanted;
            return true;
        }
    }
    return false;
}

void memory_place(void)
{
    for (uint32_t i = 0; i < partition_count; i++) {
        struct memory_range fixed = {hpa(partitions[i].memory_base), partitions[i].memory_size};

        if (!partitions[i].memory_base)
            continue;
        if (memory_in_ram(fixed) && !find_obstacle(fixed))
            placed[i] = fixed;
        else
            log_line("%s: no memory at %lx", partitions[i].name, partitions[i].memory_base);
    }
    for (uint32_t i = 0; i < partition_count; i++) {
        uint64_t size = partitions[i].memory_size;

        if (partitions[i].memory_base)
            continue;
        if (!(size >= GIB && place(i, size, GIB)) && !place(i, size, BLOCK))
            log_line("%s: no room for %lu MiB of memory", partitions[i].name, size / MIB);
    }
}

struct memory_range partition_memory(uint32_t partition)
{
    return placed[partition];
}

void *memory_pages(uint64_t count)
{
    uint64_t pages;

    CHECK(!sealed);
    if (!pages_next) {
        pages_next = kernel_pages_base();
        pages_end = (uint64_t)kernel_image() + platform.kernel.size;
    }
    pages = pages_next;
    CHECK(count <=
          (pages_end - pages_next) / PAGE_SIZE); /* else KERNEL_MEMORY_SIZE is too small for this configuration */
    pages_next += count * PAGE_SIZE;
    memory_scrub((void *)pages, count * PAGE_SIZE);
    return (void *)pages;
}

void *memory_pages_aligned(uint64_t count)
{
    uint64_t misaligned = pages_next & (count * PAGE_SIZE - 1);

    if (misaligned)
        memory_pages(count - misaligned / PAGE_SIZE);
    return memory_pages(count);
}

void memory_trim(void *last, uint64_t count)
{
    uint64_t end = (uint64_t)last + count * PAGE_SIZE;

    CHECK(!sealed && end <= pages_next);
    pages_next = end;
}

void memory_seal(void)
{
    sealed = true;
}

uint64_t memory_kernel_bytes(void)
{
    return pages_next - (uint64_t)kernel_image();
}
