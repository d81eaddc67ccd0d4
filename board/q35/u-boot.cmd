# SPDX-License-Identifier: Apache-2.0
# Where boot/u-boot/boot.cmd looks for the slots, where in RAM they go and how large they may be. The chipset's power management
# registers, the timer's among them, answer only once ACPI is switched on in it (ICH9: ACPI_CNTL). The bundle
# stays where it was read; the starter and the kernel are told which slot it is, and what was measured of it (boot/starter). Numbers
# are hexadecimal.
pci write.b 0.1f.0 44 80
virtio scan
nvme scan
scsi scan
setenv devtypes "virtio nvme scsi"
setenv disks "0 1 2 3"
setenv slot_at 4000000
setenv slot_max 10000000
setenv initrd_high ffffffffffffffff
setenv tell 'setenv bootargs "bulkhead.slot=${slot} bulkhead.kernel=${kernel_sha256} bulkhead.starter=${starter_sha256}"'
setenv starter starter
# Whether there is a TPM: its register of device and vendor (TPM_DID_VID_0).
setenv find_tpm 'setexpr.l found *fed40f00 && test 0x${found} -ne 0 && test 0x${found} -ne 0xffffffff'
