# SPDX-License-Identifier: Apache-2.0
mgmt-y += devices/disk/driver.o devices/disk/virtio_blk.o
nvme-y := $(addprefix devices/disk/,nvme.o nvme_probe.o nvme_queue.o nvme_request.o)
mgmt-y += $(nvme-y) devices/disk/ahci.o
mgmt-arm64 += devices/disk/sdhci.o
