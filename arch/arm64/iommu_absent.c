// SPDX-License-Identifier: Apache-2.0
#include <arch/host_tree.h>
#include <arch/iommu.h>
#include <core/log.h>
#include <devices/iommu/iommu.h>

void arch_iommu_block(void) {}

uint32_t arch_iommu_requester(int node, unsigned index)
{
    (void)node, (void)index;
    return IOMMU_NONE;
}

struct iommu arch_iommu_find(void)
{
    if (host_tree_find("arm,smmu-v3", -1) >= 0)
        log_line("The machine's IOMMU is an SMMUv3, which this kernel has no driver for");
    return (struct iommu){.ops = NULL};
}
