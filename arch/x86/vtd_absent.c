// SPDX-License-Identifier: Apache-2.0
#include <arch/dmar.h>
#include <core/log.h>
#include <devices/iommu/vtd.h>

static bool is_there;

void dmar_read(struct acpi_table table)
{
    is_there = table.size > 0;
}

struct iommu vtd_find(void)
{
    if (is_there)
        log_line("The machine's IOMMU is VT-d, which this kernel has no driver for");
    return (struct iommu){.ops = NULL};
}
