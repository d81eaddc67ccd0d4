# SPDX-License-Identifier: Apache-2.0
kernel-y += $(addprefix arch/x86/,passthrough.o)
