/* SPDX-License-Identifier: Apache-2.0 */
/* Intel's IOMMU, as ACPI's DMAR table tells of it (arch/dmar.h). */
#ifndef DEVICES_VTD_H
#define DEVICES_VTD_H

#include <devices/iommu/iommu.h>

/* For arch_iommu_find(). */
struct iommu vtd_find(void);

#endif
