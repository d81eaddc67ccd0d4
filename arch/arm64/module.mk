# SPDX-License-Identifier: Apache-2.0
kernel-y += $(addprefix arch/arm64/,exit.o gic.o inject.o sysreg.o timer.o vectors.o vgic.o)
kernel-y += $(addprefix arch/arm64/,bulk.o crash.o digest.o domain.o guest_tree.o head.o host_tree.o id.o init.o iommu.o mmu.o passthrough.o)
kernel-y += $(addprefix arch/arm64/,psci.o psci_host.o smp.o stage2.o vcpu.o)
# The GIC that the board has.
kernel-gic_v3 := gic_v3.o its.o vgic_lr_v3.o vgic_v3.o
kernel-gic_v2 := gic_v2.o its_none.o vgic_lr_v2.o vgic_v2.o
kernel-y += $(addprefix arch/arm64/,$(kernel-$(gic)))
