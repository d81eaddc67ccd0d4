# SPDX-License-Identifier: Apache-2.0
kernel-y += devices/iommu/iommu.o
kernel-arm64 += devices/iommu/smmuv3.o
kernel-x86 += devices/iommu/vtd.o devices/iommu/amdvi.o
