# SPDX-License-Identifier: Apache-2.0
# Linux guests: Debian's kernel as it is, and an initramfs of busybox, its modules and a few test programs.

ifneq ($(building),)
-include $(O)/generated/bundle.mk
endif

# An output directory may change its architecture.
$(call flags-file,debian,$(debian-architecture))

$(O)/guest-linux/.kernel: $(O)/flags/debian $(O)/generated/bundle.mk tools/third_party/debian.txt $(wildcard tools/fetch/*.py) tools/guest_linux/unpack.sh
	$(Q)mkdir -p $(@D)
	$(Q)tools/guest_linux/unpack.sh $(CACHE) $(debian-architecture) kernel $(@D)/kernel '$(debian-kernel-package)'
	$(Q)touch $@
$(O)/guest-linux/.busybox: $(O)/flags/debian tools/third_party/debian.txt $(wildcard tools/fetch/*.py) tools/guest_linux/unpack.sh
	$(Q)mkdir -p $(@D)
	$(Q)tools/guest_linux/unpack.sh $(CACHE) $(debian-architecture) busybox $(@D)/busybox
	$(Q)touch $@

$(O)/guest-linux/Image: $(O)/guest-linux/.kernel
	$(Q)ln -sfn kernel/Image $@
	$(Q)touch -h $@

# The device tree of a board for which QEMU makes none: Debian's kernel package has it.
$(O)/board.dtb: $(O)/guest-linux/.kernel board/$(board)/board.mk
	$(call say,DTB,$(call shown,$@))
	$(Q)cp --remove-destination $(O)/guest-linux/kernel/usr/lib/linux-image-*/$(board-tree) $@.new
	$(Q)$(if $(board-console),fdtput -t s $@.new /chosen stdout-path $(board-console))
	$(Q)mv $@.new $@

# Programs for tests and measurements inside a Linux guest: one C file each, static.
linux-tools := $(addprefix $(O)/guest-linux/bin/,disktest nettest)
linux-tools-pci := $(O)/guest-linux/bin/edutest
$(O)/guest-linux/bin/%: tests/guests/linux/%.c $(wildcard tests/guests/linux/*.h) $(O)/flags/debian
	$(call say,CC,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) -std=gnu2x -O2 -static -s $(prefix-map) -Wall -Wextra -Werror -Wl,--build-id=none -o $@ $<

linux-content := $(addprefix tests/guests/linux/,init udhcpc.sh)
linux-modules := $(addprefix tests/guests/linux/,modules modules.$(ARCH))
# initrd-pci.cpio is for partitions with PCI functions of their own.
$(O)/guest-linux/initrd-pci.cpio: linux-modules += tests/guests/linux/modules.pci
$(O)/guest-linux/initrd-pci.cpio: linux-tools += $(linux-tools-pci)
$(O)/guest-linux/initrd-pci.cpio: tests/guests/linux/modules.pci $(linux-tools-pci)
$(O)/guest-linux/initrd.cpio $(O)/guest-linux/initrd-pci.cpio: $(O)/guest-linux/.kernel $(O)/guest-linux/.busybox $(linux-tools) \
		$(linux-content) $(linux-modules) $(wildcard tools/guest_linux/*.py)
	$(call say,CPIO,$(call shown,$@))
	$(Q)$(PYTHON) tools/guest_linux/initramfs.py --kernel $(O)/guest-linux/kernel --busybox $(O)/guest-linux/busybox \
		--content tests/guests/linux $(addprefix --modules ,$(linux-modules)) $(addprefix --tool ,$(linux-tools)) --output $@

.PHONY: linux
linux: $(O)/guest-linux/Image $(O)/guest-linux/initrd.cpio ## Fetch Debian's kernel and busybox, make the guests' initramfs
