# SPDX-License-Identifier: Apache-2.0
kernel-y += arch/x86/iommu.o arch/x86/passthrough.o
kernel-y += $(addprefix arch/x86/,vmx.o vmx_entry.o)
kernel-y += $(addprefix arch/x86/,domain.o hyperv.o lent_timer.o pio.o vioapic.o vlapic.o)
kernel-y += $(addprefix arch/x86/,decode.o guest_boot.o guest_memory.o guest_power.o mmio.o)
kernel-y += $(addprefix arch/x86/,apic.o bulk.o crash.o digest.o head.o init.o mmu.o reset.o smp.o timer.o vectors.o)
kernel-y += $(addprefix arch/x86/,avic.o cpuid.o exit.o msr.o stage2.o svm.o svm_entry.o vcpu.o vendor.o xstate.o)
kernel-pci += arch/x86/message.o
kernel-no-pci += arch/x86/message_absent.o
kernel-no-vtd += arch/x86/vtd_absent.o
kernel-no-amdvi += arch/x86/amdvi_absent.o
kernel-small += $(addprefix arch/x86/,crash.o domain.o guest_boot.o init.o iommu.o message.o mmu.o passthrough.o reset.o smp.o)
