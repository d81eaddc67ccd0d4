/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load plan: an image of the bundle, one a partition, in the CPU's byte order. tools/resolver (load_plan.py) knows
 * the formats of kernel images and the boot protocols, and says here what goes where in the domain's memory at each
 * start; the kernel checks that it lies within the image and within the memory. What no segment covers is zero.
 */
#ifndef BULKHEAD_LOAD_PLAN_H
#define BULKHEAD_LOAD_PLAN_H

#include <stdint.h>

#define LOAD_PLAN_MAGIC 0x31504c42 /* "BLP1" */
#define LOAD_SEGMENTS_MAX 16
#define LOAD_TREE_SIZE_MAX 0x4000
#define LOAD_DESCRIPTION_SIZE 0x10000 /* at the end of the memory: what a domain is told of its machine */

enum load_protocol {
    LOAD_TREE = 0, /* first argument: a device tree, of `tree` and of what only the kernel knows */
    /* x86-64, with a description that follows the plan in its image: */
    LOAD_LINUX = 1,     /* 64-bit boot protocol: boot_params */
    LOAD_PVH = 2,       /* hvm_start_info */
    LOAD_MULTIBOOT = 3, /* Multiboot's information */
    LOAD_FLAT = 4,      /* no protocol: as by PVH */
};

/* `size` bytes of image number `image` of the bundle, from `from` on, go to `to`, an offset into the domain's memory.
 */
struct load_segment {
    uint32_t image, reserved;
    uint64_t from, size, to;
};

struct load_plan {
    uint32_t magic;
    uint32_t protocol;
    uint64_t memory_size;     /* that it was made for */
    uint64_t entry;           /* offset into the domain's memory */
    uint64_t tree, tree_size; /* LOAD_TREE: where in the plan's image a flattened device tree is */
    uint32_t segments, reserved;
    struct load_segment segment[LOAD_SEGMENTS_MAX];
};

#endif
