# SPDX-License-Identifier: Apache-2.0
mgmt-y += devices/disk/driver.o devices/disk/virtio_blk.o
mgmt-y += devices/disk/nvme.o devices/disk/ahci.o
mgmt-arm64 += devices/disk/sdhci.o
