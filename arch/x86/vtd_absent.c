// SPDX-License-Identifier: Apache-2.0
#include <arch/dmar.h>
#include <core/log.h>
#include <devices/iommu/vtd.h>

struct iommu vtd_find(void)
{
    if (dmar.units > 0 || dmar.unsound)
        log_line("The machine's IOMMU is VT-d, which this kernel has no driver for");
    return (struct iommu){.ops = NULL};
}
