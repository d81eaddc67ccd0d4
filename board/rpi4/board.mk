# SPDX-License-Identifier: Apache-2.0
ARCH := arm64
board-cpu := cortex-a72
power := board/rpi4/power.o
# Of Debian's kernel package, with the PL011 as its console: what QEMU, which makes none for this machine, hands to the
# kernel. A real board's firmware has its own.
board-tree := broadcom/bcm2711-rpi-4-b.dtb
board-console := serial0:115200n8
u-boot-defconfig := rpi_4
