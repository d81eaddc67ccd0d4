/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets which memory: domains, and the kernel's own pages. All of it is decided at boot. */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include <core/platform.h>

/* Boot CPU. Gives every partition its memory (partition_memory()); one that does not fit gets size 0, and is ABSENT. */
void memory_place(void);
struct memory_range partition_memory(uint32_t partition);
/* Boot CPU, before memory_seal(): `count` zeroed contiguous pages of kernel memory. Running out is a CHECK. */
void *memory_pages(uint64_t count);
void *memory_pages_aligned(uint64_t count); /* to their size, a power of two */
/* Gives back all but the first `count` pages of what memory_pages() returned last. */
void memory_trim(void *last, uint64_t count);
/* No allocation from here on: memory_pages() is a CHECK. */
void memory_seal(void);
/* Bytes of kernel memory: image and pages handed out. */
uint64_t memory_kernel_bytes(void);
/* True if all of it lies in one of platform.ram. */
bool memory_in_ram(struct memory_range wanted);
/* True if the two ranges share a byte. */
bool memory_overlaps(struct memory_range a, struct memory_range b);

#endif
