/* SPDX-License-Identifier: Apache-2.0 */
/* Stage 2 translation: what vCPUs and ID registers need of it. The rest is core/arch.h's. */
#ifndef ARCH_STAGE2_H
#define ARCH_STAGE2_H

#include <core/vcpu.h>

/* Boot CPU, before any stage2_create(): domains' addresses go up to `highest`. */
void stage2_init(uint64_t highest);
bool stage2_is_mapped(struct domain *domain, struct ipa ipa);
/* A tree of the same size and format for devices; boot CPU, mapped as by stage2_map(). */
uint64_t *stage2_new_root(void);
void stage2_map_in(uint64_t *root, struct ipa ipa, struct hpa hpa, uint64_t length, uint32_t rights);
unsigned stage2_bits(void); /* of domains' addresses */
uint64_t stage2_vtcr(void);
uint64_t stage2_parange(void); /* as in ID_AA64MMFR0_EL1: the size of domains' address spaces */

#endif
