# SPDX-License-Identifier: Apache-2.0
# Unit tests; see tools/build/unit.mk. Each helper file of this folder (fake_*.c) is named where it is used.

storage-under-test := storage/gpt.c storage/gpt_read.c storage/volume.c
unit-tests += gpt volume blk_backend
unit-gpt-sources := tests/unit/test_gpt.c tests/unit/fake_disk.c storage/gpt.c storage/gpt_read.c
unit-volume-sources := tests/unit/test_volume.c tests/unit/fake_disk.c $(storage-under-test)
unit-blk_backend-sources := tests/unit/test_blk_backend.c tests/unit/fake_disk.c tests/unit/fake_front.c \
	$(storage-under-test) devices/virtio/backend.c lib/virtqueue.c lib/segment.c

# On the fake architecture (arch/host): core/, the vGIC's logic and emulated devices as they are.
machine := arch/host/machine.c arch/arm64/vgic.c arch/arm64/vgic_v3.c core/mmio.c core/deadline.c
machine-cflags := -Iarch/arm64/include
unit-tests += vgic
unit-vgic-sources := tests/unit/test_vgic.c $(machine)
unit-vgic-cflags := $(machine-cflags)
unit-tests += channel
unit-channel-sources := tests/unit/test_channel.c core/channel.c $(machine)
unit-channel-cflags := $(machine-cflags)
