# SPDX-License-Identifier: Apache-2.0
# Where boot/u-boot/boot.cmd looks for the slots, where in RAM they go and how large they may be, and the device tree for the
# kernel: QEMU's, at the start of RAM. The bundle stays where it was read. Numbers are hexadecimal.
nvme scan
setenv devtypes "virtio nvme"
setenv disks "0 1 2 3"
setenv slot_at 44000000
setenv slot_max 10000000
setenv initrd_high ffffffffffffffff
setenv tree 40000000
# Whether there is a TPM, that tree tells.
setenv find_tpm 'fdt addr -q ${tree} && fdt get value found /platform-bus@c000000/tpm_tis@0 compatible'
