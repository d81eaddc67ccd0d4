# SPDX-License-Identifier: Apache-2.0
# Linux guests: Debian's arm64 kernel as it is, and an initramfs of busybox, its modules and a few test programs.

ifneq ($(building),)
-include $(O)/generated/bundle.mk
endif

$(O)/guest-linux/.kernel: $(O)/generated/bundle.mk tools/third_party/debian.txt $(wildcard tools/fetch/*.py) tools/guest_linux/unpack.sh
	$(Q)mkdir -p $(@D)
	$(Q)tools/guest_linux/unpack.sh $(CACHE) kernel $(@D)/kernel '$(debian-kernel-package)'
	$(Q)touch $@
$(O)/guest-linux/.busybox: tools/third_party/debian.txt $(wildcard tools/fetch/*.py) tools/guest_linux/unpack.sh
	$(Q)mkdir -p $(@D)
	$(Q)tools/guest_linux/unpack.sh $(CACHE) busybox $(@D)/busybox
	$(Q)touch $@

$(O)/guest-linux/Image: $(O)/guest-linux/.kernel
	$(Q)ln -sfn kernel/Image $@
	$(Q)touch -h $@

# Programs for tests and measurements inside a Linux guest: one C file each, static.
linux-tools := $(patsubst tests/guests/linux/%.c,$(O)/guest-linux/bin/%,$(sort $(wildcard tests/guests/linux/*.c)))
$(O)/guest-linux/bin/%: tests/guests/linux/%.c
	$(call say,CC,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) -std=gnu2x -O2 -static -s $(prefix-map) -Wall -Wextra -Werror -Wl,--build-id=none -o $@ $<

linux-content := $(addprefix tests/guests/linux/,init udhcpc.sh modules)
$(O)/guest-linux/initrd.cpio: $(O)/guest-linux/.kernel $(O)/guest-linux/.busybox $(linux-tools) $(linux-content) \
		$(wildcard tools/guest_linux/*.py)
	$(call say,CPIO,$(call shown,$@))
	$(Q)$(PYTHON) tools/guest_linux/initramfs.py --kernel $(O)/guest-linux/kernel --busybox $(O)/guest-linux/busybox \
		--content tests/guests/linux $(addprefix --tool ,$(linux-tools)) --output $@

.PHONY: linux
linux: $(O)/guest-linux/Image $(O)/guest-linux/initrd.cpio ## Fetch Debian's kernel and busybox, make the guests' initramfs
