# SPDX-License-Identifier: Apache-2.0
kernel-y += $(addprefix core/,bundle.o channel.o console.o crash.o deadline.o domain.o domain_tree.o format.o heartbeat.o hypercall.o loader.o log.o)
kernel-y += $(addprefix core/,main.o memory.o mmio.o pci.o pci_config.o seed.o slot_absent.o status.o vpci.o)
kernel-y += lib/stop_cause.o lib/string.o
kernel-arm64 += core/pci_place.o
kernel-x86 += core/pci_placed.o
