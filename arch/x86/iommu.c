// SPDX-License-Identifier: Apache-2.0
/* The machine's IOMMUs: Intel's or AMD's. */
#include <devices/iommu/amdvi.h>
#include <devices/iommu/vtd.h>

struct iommu arch_iommu_find(void)
{
    struct iommu iommu = vtd_find();

    return iommu.ops ? iommu : amdvi_find();
}
