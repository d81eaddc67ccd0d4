# SPDX-License-Identifier: Apache-2.0
mgmt-y += devices/nic/nic.o devices/nic/virtio_net.o
mgmt-y += devices/nic/intel.o devices/nic/e1000e.o devices/nic/igb.o devices/nic/igb_virtual.o
