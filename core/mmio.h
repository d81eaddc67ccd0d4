/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emulated registers. A domain has a small const-after-boot table of regions, sorted by ipa; an access outside all of
 * them is answered as the architecture does (an external abort injected). Handlers are total: every offset and width
 * has a defined answer. They run on the CPU of `vcpu`, interrupts masked, and may not block.
 */
#ifndef CORE_MMIO_H
#define CORE_MMIO_H

#include <core/vcpu.h>

struct mmio_access {
    uint64_t offset; /* into the region */
    uint64_t value;  /* written; or where the handler puts what is read (zero-extended) */
    uint8_t width;   /* 1, 2, 4, 8 */
    bool write;
};
enum mmio_result {
    MMIO_DONE,
    MMIO_ABORT, /* inject an external abort */
    MMIO_RETRY, /* do not advance: the guest repeats the access (waits for something bounded) */
};
struct mmio_region {
    uint64_t base, size; /* ipa */
    enum mmio_result (*access)(struct vcpu *vcpu, void *device, struct mmio_access *access);
    void *device;
    enum exit_kind kind; /* what the access is counted as */
};

/* Boot CPU, while domains are built. At most MMIO_REGIONS_MAX a domain. */
#define MMIO_REGIONS_MAX 48
void mmio_add(struct domain *domain, const struct mmio_region *region);
/* The region that holds `address`, or NULL. */
const struct mmio_region *mmio_find(const struct domain *domain, struct ipa address);

#endif
