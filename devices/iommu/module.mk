# SPDX-License-Identifier: Apache-2.0
kernel-iommu += devices/iommu/iommu.o
kernel-no-iommu += devices/iommu/iommu_absent.o
kernel-smmuv3 += devices/iommu/smmuv3.o
kernel-vtd += devices/iommu/vtd.o
kernel-amdvi += devices/iommu/amdvi.o
kernel-small += $(addprefix devices/iommu/,amdvi.o iommu.o smmuv3.o vtd.o)
