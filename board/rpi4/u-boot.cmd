# SPDX-License-Identifier: Apache-2.0
# The SD card: where boot/u-boot/boot.cmd looks for the slots, where in RAM they go and how large they may be. The slot brings
# the device tree for the kernel, to which U-Boot adds the memory that the firmware told of. The bundle stays where it was read.
# Numbers are hexadecimal.
setenv fdt_high
setenv initrd_high ffffffffffffffff
setenv devtype mmc
setenv disks "0 1"
setenv slot_at 8000000
setenv slot_max 10000000
setenv tree 8000000#bulkhead
