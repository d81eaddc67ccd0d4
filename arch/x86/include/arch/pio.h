/* SPDX-License-Identifier: Apache-2.0 */
/* I/O ports of a domain: emulated ones, a byte each; those that are its own; all others read ones and swallow writes.
 */
#ifndef ARCH_PIO_H
#define ARCH_PIO_H

#include <core/vcpu.h>

#define PIO_REGIONS_MAX 8

struct pio_region {
    uint16_t base, count;
    /* On the CPU of `vcpu`, `offset` < count. */
    uint8_t (*read)(struct vcpu *vcpu, void *device, uint16_t offset);
    void (*write)(struct vcpu *vcpu, void *device, uint16_t offset, uint8_t value);
    void *device;
};
/* Boot CPU, while domains are built. */
void pio_add(struct domain *domain, const struct pio_region *region);
/* Boot CPU, likewise: accesses to these ports do not exit (domain->arch.ports). */
void pio_pass_through(struct domain *domain, uint16_t base, uint16_t count);
/* Own CPU: one access of `width` 1, 2 or 4 bytes; bytes beyond port 0xffff are nobody's. False: nobody answered. */
bool pio_access(struct vcpu *vcpu, uint16_t port, uint8_t width, bool in, uint32_t *value);

#endif
