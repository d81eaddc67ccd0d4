# SPDX-License-Identifier: Apache-2.0
# Where boot/u-boot/boot.cmd looks for the slots, where in RAM they go and how large they may be. The chipset's power management
# registers, the timer's among them, answer only once ACPI is switched on in it (ICH9: ACPI_CNTL). The bundle
# stays where it was read; the kernel is told which slot it is. Numbers are hexadecimal.
pci write.b 0.1f.0 44 80
virtio scan
nvme scan
scsi scan
setenv devtypes "virtio nvme scsi"
setenv disks "0 1 2 3"
setenv slot_at 4000000
setenv slot_max 10000000
setenv initrd_high ffffffffffffffff
setenv bootargs 'bulkhead.slot=${slot}'
