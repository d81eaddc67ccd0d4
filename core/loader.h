/* SPDX-License-Identifier: Apache-2.0 */
/* The bundle, and what of it goes where in a domain's memory. */
#ifndef CORE_LOADER_H
#define CORE_LOADER_H

#include <core/vcpu.h>

/* The description of a domain's machine lies at the end of its memory, the initrd below it. */
#define DESCRIPTION_BYTES_MAX 65536ull
#define TABLES_BYTES_MAX 0x7000u /* of partition_config.tables, in the description */
#define SEGMENTS_MAX 12

struct image {
    const char *name;
    const uint8_t *data;
    uint64_t size;
};
/* `size` bytes at `data` go to `offset` in the domain's memory. All else is zero. */
struct segment {
    uint64_t offset, size;
    const uint8_t *data;
};
struct plan {
    struct segment segment[SEGMENTS_MAX];
    uint32_t segments;
    uint64_t end; /* offset behind the kernel image, its zeroed part included */
    struct ipa entry, context;
    void *description; /* in the kernel's memory: what is copied to the end of the domain's */
};

/* Boot CPU: maps the bundle and checks every image in it against its hash. Says what is wrong; a bad image is as if it
 * were not there. */
void loader_init(void);
/* Boot CPU, after everything else about the domain is built: plans its memory and describes its machine. False: it
 * cannot be started, the reason is in the log. */
bool loader_plan(struct domain *domain);
/* For arch_plan_image(). A segment that takes `memory_size` bytes of the domain's memory; false: it does not fit. */
bool loader_place(struct plan *plan, const struct domain *domain, struct segment segment, uint64_t memory_size);
/* A 64-bit ELF file and its entry, by physical addresses: ipas, or for a position-independent program offsets in the
 * domain's memory. */
bool loader_place_elf(struct plan *plan, const struct domain *domain, const struct image *image, uint16_t machine);
/* A CPU of the domain, all its vCPUs parked: scrubs its memory, copies the images. */
void loader_load(struct domain *domain);
struct ipa loader_entry(const struct domain *domain);
/* The first argument of vCPU 0. */
struct ipa loader_context(const struct domain *domain);

#endif
