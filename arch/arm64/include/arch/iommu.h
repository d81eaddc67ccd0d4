/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's SMMUs (iommu.c), beside what devices/iommu/iommu.h says. */
#ifndef ARCH_IOMMU_H
#define ARCH_IOMMU_H

#include <core/platform.h>

/* Boot CPU, as soon as the tree is read: whatever is behind an SMMU is blocked. Nothing is logged. */
void arch_iommu_block(void);

/* Boot CPU, while the tree is mapped. The name that devices/iommu/iommu.h's functions have for the device of a node
 * that has `iommus`, of which it may have several: number `index`. IOMMU_NONE: it has no more, or none that is known.
 */
#define IOMMU_NONE UINT32_MAX
uint32_t arch_iommu_requester(int node, unsigned index);

#endif
