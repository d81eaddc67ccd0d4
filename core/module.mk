# SPDX-License-Identifier: Apache-2.0
kernel-y += $(addprefix core/,bundle.o channel.o console.o crash.o deadline.o domain.o domain_tree.o format.o heartbeat.o hypercall.o loader.o log.o)
kernel-y += $(addprefix core/,main.o memory.o mmio.o seed.o slot.o status.o)
kernel-y += lib/stop_cause.o lib/string.o
kernel-pci += core/pci.o core/pci_config.o core/vpci.o
kernel-pci-arm64 += core/pci_place.o
kernel-pci-x86 += core/pci_placed.o
kernel-sriov += core/pci_virtual.o
kernel-no-sriov += core/pci_virtual_absent.o
kernel-no-pci += core/pci_absent.o
kernel-small += $(addprefix core/,bundle.o crash.o domain.o domain_tree.o format.o loader.o log.o memory.o pci.o pci_place.o pci_virtual.o seed.o status.o vpci.o)
