// SPDX-License-Identifier: Apache-2.0
#include <arch/ivrs.h>
#include <core/log.h>
#include <devices/iommu/amdvi.h>

struct iommu amdvi_find(void)
{
    if (ivrs.unit_count > 0 || ivrs.damaged)
        log_line("The machine's IOMMU is AMD-Vi, which this kernel has no driver for");
    return (struct iommu){.ops = NULL};
}
