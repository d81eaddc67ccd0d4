// SPDX-License-Identifier: Apache-2.0
#include <arch/ivrs.h>
#include <core/log.h>
#include <devices/iommu/amdvi.h>

static bool is_there;

void ivrs_read(struct acpi_table table)
{
    is_there = table.size > 0;
}

struct iommu amdvi_find(void)
{
    if (is_there)
        log_line("The machine's IOMMU is AMD-Vi, which this kernel has no driver for");
    return (struct iommu){.ops = NULL};
}
