# SPDX-License-Identifier: Apache-2.0
kernel-y += $(addprefix arch/arm64/,exit.o gic.o $(gic).o inject.o sysreg.o timer.o vectors.o vgic.o v$(gic).o $(subst gic,vgic_lr,$(gic)).o)
kernel-y += $(addprefix arch/arm64/,bulk.o crash.o digest.o domain.o guest_tree.o head.o host_tree.o id.o init.o mmu.o passthrough.o)
kernel-y += $(addprefix arch/arm64/,psci.o psci_host.o smp.o stage2.o vcpu.o)
kernel-y += $(or $(power),arch/arm64/power_absent.o)
# A GICv2 takes no messages of PCI functions.
kernel-pci += $(addprefix arch/arm64/,$(if $(filter gic_v3,$(gic)),its.o,its_absent.o message_absent.o))
kernel-no-pci += arch/arm64/its_absent.o
kernel-smmuv3 += arch/arm64/iommu.o
kernel-no-smmuv3 += arch/arm64/iommu_absent.o
kernel-small += $(addprefix arch/arm64/,crash.o guest_tree.o host_tree.o id.o init.o iommu.o its.o mmu.o passthrough.o psci_host.o smp.o)
