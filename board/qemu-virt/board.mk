# SPDX-License-Identifier: Apache-2.0
ARCH := arm64
board-cpu := neoverse-n1
u-boot-defconfig := qemu_arm64
