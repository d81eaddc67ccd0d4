// SPDX-License-Identifier: Apache-2.0
/* Bulk work on memory, by string instructions: no register of a guest is touched. */
#include <core/arch.h>

#define CACHE_LINE 64

void memory_scrub(void *address, uint64_t size)
{
    uint64_t count = size / 8;

    __asm__ volatile("rep stosq" : "+D"(address), "+c"(count) : "a"(0ull) : "memory");
}

void memory_copy(void *to, const void *from, uint64_t size)
{
    uint64_t count = size / 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count)::"memory");
    count = size % 8;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
}

/* A reset may drop what only a cache holds. */
void cache_clean(const void *address, uint64_t size)
{
    const uint8_t *end = (const uint8_t *)address + size;

    for (const uint8_t *at = (const uint8_t *)((uint64_t)address & ~(CACHE_LINE - 1ull)); at < end; at += CACHE_LINE)
        __asm__ volatile("clflush %0" ::"m"(*at) : "memory");
    __asm__ volatile("sfence" ::: "memory");
}
