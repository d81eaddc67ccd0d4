# SPDX-License-Identifier: Apache-2.0
# What compilers have to know of x86-64.
CROSS_COMPILE ?= x86_64-linux-gnu-
debian-architecture := amd64
picolibc-cross := tools/third_party/x86_64.cross

# No red zone: exceptions and interrupts are taken on the stack of whoever runs, here and in native domains.
arch-flags := -march=x86-64 -mno-red-zone -fcf-protection=none
kernel-arch-flags := $(arch-flags) -mcmodel=kernel
native-arch-flags := $(arch-flags)
kernel-stack := interrupt_handle:128,exception_handle:192 kernel_main,cpu_main,svm_exit,avic_exit,vmx_exit
# Crash records name the callers.
native-own-flags := -fno-omit-frame-pointer
# lib/sha256: the implementation that uses the CPU's instructions.
sha256-arch := sha_ni.o
sha256-arch-flags := -msse4.1 -msha
# Fewer instructions to verify a signature.
p256-arch-flags := -O3 -fno-ipa-cp-clone
# bulkhead.bin begins with what finds out about the machine (boot/x86).
stage-sources := $(addprefix boot/x86/,head.S stage.c multiboot.c efi.c acpi.c dmar.c ivrs.c timers.c clock.c) lib/string.c
