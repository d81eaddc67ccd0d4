# SPDX-License-Identifier: Apache-2.0
native-y += $(addprefix arch/arm64/native/,start.o vectors.o mmu.o native.o crash.o gic.o $(gic).o timer.o memcpy.o)
