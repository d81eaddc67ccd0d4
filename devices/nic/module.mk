# SPDX-License-Identifier: Apache-2.0
mgmt-y += devices/nic/nic.o devices/nic/virtio_net.o
