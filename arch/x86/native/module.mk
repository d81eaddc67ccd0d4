# SPDX-License-Identifier: Apache-2.0
native-y += $(addprefix arch/x86/native/,start.o vectors.o descriptors.o mmu.o native.o crash.o apic.o timer.o hypercall.o memcpy.o)
