# SPDX-License-Identifier: Apache-2.0
native-y += $(addprefix arch/arm64/native/,start.o vectors.o mmu.o native.o console.o heap.o crash.o gic.o timer.o \
	hypercall.o memcpy.o)
