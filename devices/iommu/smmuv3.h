/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arm SMMUv3 (IHI 0070): stage 2 only. A stream without a valid entry in the stream table is refused, and recorded.
 */
#ifndef DEVICES_IOMMU_SMMUV3_H
#define DEVICES_IOMMU_SMMUV3_H

#include <devices/iommu/iommu.h>

struct smmuv3;

/* Boot CPU, before any domain is built: all streams are blocked, from the return on by an empty stream table. `index`
 * is 0 ... SMMUV3_UNITS_MAX - 1. What is missing to use it: `trouble`; it blocks for good then. Nothing is logged. */
#define SMMUV3_UNITS_MAX 4
struct smmuv3 *smmuv3_take(unsigned index, struct hpa registers);
const char *smmuv3_trouble(const struct smmuv3 *unit); /* NULL: none */

/* Boot CPU: the stream's entry is set aside, blocked. False: the unit knows no such stream, or is in trouble. */
bool smmuv3_prepare(struct smmuv3 *unit, uint32_t stream);
/* Any CPU. A prepared stream translates by the space's tables, which are stage 2's (arch/stage2.h); NULL: blocked. */
void smmuv3_attach(struct smmuv3 *unit, uint32_t stream, const struct iommu_space *space);
/* Any CPU. Translations of the space are forgotten, and accesses by them have ended. */
void smmuv3_invalidate(struct smmuv3 *unit, const struct iommu_space *space);
/* Any CPU: takes what is recorded, at most a queue's length. `address` is 0 where none is recorded. */
void smmuv3_poll(struct smmuv3 *unit,
                 void (*refused)(const struct smmuv3 *unit, uint32_t stream, uint64_t address, bool write));
/* Any CPU: whether what is recorded interrupts (an edge). False: something is recorded already, and will not. */
bool smmuv3_listen(struct smmuv3 *unit, bool on);

#endif
