# SPDX-License-Identifier: Apache-2.0
mgmt-y += devices/virtio/backend.o devices/virtio/net_backend.o devices/virtio/console_backend.o
mgmt-y += devices/virtio/entropy_backend.o devices/virtio/blk_backend.o
mgmt-y += $(addprefix devices/virtio/,mmio_transport.o device.o driver_queue.o entropy.o)
mgmt-y += devices/virtio/pci_transport.o
