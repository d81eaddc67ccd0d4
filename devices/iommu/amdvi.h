/* SPDX-License-Identifier: Apache-2.0 */
/* AMD-Vi: the IOMMUs of AMD's machines (AMD I/O Virtualization Technology Specification, 48882, revision 3.10). */
#ifndef DEVICES_IOMMU_AMDVI_H
#define DEVICES_IOMMU_AMDVI_H

#include <devices/iommu/iommu.h>

/* Boot CPU, after pci_init(): takes the units that the IVRS names; no operations: there is none, or the
 * table cannot be trusted. */
struct iommu amdvi_find(void);

#endif
