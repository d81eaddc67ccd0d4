# SPDX-License-Identifier: Apache-2.0
mgmt-y += storage/gpt.o storage/gpt_read.o storage/volume.o storage/volume_label.o
mgmt-y += storage/state.o storage/state_format.o storage/slots.o storage/state_partition.o storage/manifest.o storage/update.o
mgmt-y += devices/virtio/blk_backend.o
