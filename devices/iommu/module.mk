# SPDX-License-Identifier: Apache-2.0
kernel-y += devices/iommu/iommu.o
