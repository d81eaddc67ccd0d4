# SPDX-License-Identifier: Apache-2.0
kernel-y += $(addprefix arch/x86/,passthrough.o)
kernel-y += $(addprefix arch/x86/,vmx.o vmx_entry.o)
kernel-y += $(addprefix arch/x86/,domain.o hyperv.o pio.o vioapic.o vlapic.o)
