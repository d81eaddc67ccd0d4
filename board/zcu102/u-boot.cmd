# SPDX-License-Identifier: Apache-2.0
# The SD card: where boot/u-boot/boot.cmd looks for the slots, where in RAM they go and how large they may be. The slot brings
# the device tree for the kernel. The bundle stays where it was read. Numbers are hexadecimal.
setenv devtype mmc
setenv disks "0"
setenv slot_at 10000000
setenv slot_max 10000000
setenv initrd_high ffffffffffffffff
setenv tree 10000000#bulkhead
