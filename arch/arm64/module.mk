# SPDX-License-Identifier: Apache-2.0
kernel-y += $(addprefix arch/arm64/,exit.o gic_v3.o inject.o sysreg.o timer.o vectors.o vgic.o vgic_v3.o)
