# SPDX-License-Identifier: Apache-2.0
kernel-y += $(addprefix arch/arm64/,exit.o gic_v3.o inject.o sysreg.o timer.o vectors.o vgic.o vgic_lr_v3.o vgic_v3.o)
kernel-y += $(addprefix arch/arm64/,bulk.o crash.o digest.o domain.o guest_tree.o head.o host_tree.o id.o init.o mmu.o passthrough.o)
kernel-y += $(addprefix arch/arm64/,psci.o psci_host.o smp.o stage2.o vcpu.o)
kernel-pci += arch/arm64/its.o
kernel-no-pci += arch/arm64/its_absent.o
kernel-smmuv3 += arch/arm64/iommu.o
kernel-no-smmuv3 += arch/arm64/iommu_absent.o
kernel-small += $(addprefix arch/arm64/,crash.o guest_tree.o host_tree.o id.o init.o iommu.o its.o mmu.o passthrough.o psci_host.o smp.o)
