# SPDX-License-Identifier: Apache-2.0
# What compilers have to know of arm64.
CROSS_COMPILE ?= aarch64-linux-gnu-
debian-architecture := arm64
picolibc-cross := tools/third_party/aarch64.cross

arch-flags := -march=armv8-a -mno-outline-atomics
# The UART on which the machine's own console is: board.mk may name another.
uart ?= pl011
# The GIC (generated/kernel.mk says which): its inline parts are headers.
kernel-arch-flags = $(arch-flags) -Iarch/arm64/$(gic)
native-arch-flags := $(arch-flags) -mstrict-align
kernel-stack := crash_exception:272 kernel_main,cpu_main,exit_sync,exit_irq,exit_serror
# lib/sha256: the build of it that uses the CPU's instructions.
sha256-arch := armv8.o
sha256-arch-flags := -march=armv8-a+crypto
# A third fewer instructions to verify a signature than by -O2, for 3 KiB; with copies of functions for constant arguments 7 KiB.
p256-arch-flags := -O3 -fno-ipa-cp-clone
