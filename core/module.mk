# SPDX-License-Identifier: Apache-2.0
kernel-y += $(addprefix core/,channel.o console.o deadline.o heartbeat.o mmio.o)
