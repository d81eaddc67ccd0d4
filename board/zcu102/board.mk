# SPDX-License-Identifier: Apache-2.0
ARCH := arm64
board-cpu := cortex-a53
uart := cadence
clock := zynqmp
drivers := devices/nic/gem.o devices/entropy/timing.o
# Of Debian's kernel package: what QEMU, which makes none for this machine, hands to the kernel.
board-tree := xilinx/zynqmp-zcu102-rev1.0.dtb
u-boot-defconfig := xilinx_zynqmp_virt
