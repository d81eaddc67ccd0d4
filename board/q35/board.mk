# SPDX-License-Identifier: Apache-2.0
ARCH := x86
board-cpu := max
u-boot-defconfig := qemu-x86_64
