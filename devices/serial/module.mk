# SPDX-License-Identifier: Apache-2.0
kernel-arm64 += devices/serial/pl011.o devices/serial/$(uart)_early.o
kernel-x86 += devices/serial/uart16550.o devices/serial/uart16550_early.o
mgmt-arm64 += devices/serial/$(uart)_line.o
mgmt-x86 += devices/serial/uart16550_line.o
