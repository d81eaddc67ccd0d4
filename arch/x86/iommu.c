// SPDX-License-Identifier: Apache-2.0
/* The machine's IOMMUs: Intel's or AMD's. */
#include <devices/iommu/vtd.h>

struct iommu arch_iommu_find(void)
{
    return vtd_find();
}
