# SPDX-License-Identifier: Apache-2.0
# The disk image of the configuration (docs/image.md), and writing it to a device.

# A boot slot: one FIT with kernel and bundle. Their bytes are inside of it, so that its header says how long it is.
$(O)/generated/boot.its: $(O)/generated/.resolved tools/image/container.py
	$(Q)$(PYTHON) -m tools.image.container --config $(O)/.config --output $(O)
$(O)/boot.itb: $(O)/generated/boot.its $(O)/bulkhead.bin $(O)/bundle.itb
	$(call say,FIT,$(call shown,$@))
	$(Q)mkimage -f $< $@.new >$@.log || { cat $@.log; exit 1; }
	$(Q)mv $@.new $@

# What is in a slot, signed; with a key that is elsewhere, what is to be signed there.
$(O)/boot.manifest: $(O)/boot.itb $(signing-key) $(known-key) tools/image/manifest.py
	$(call say,SIGN,$(call shown,$@))
	$(Q)$(PYTHON) tools/image/manifest.py $(if $(signing-key),sign,prepare) --board '$(bundle-board)' --release '$(version)' \
		--version $(bundle-version) $(or $(signing-key),$(known-key)) $(O)/boot.itb $@ $(if $(signing-key),,$(O)/manifest.tbs)
$(O)/bulkhead.update: $(O)/boot.manifest $(O)/boot.itb
	$(call say,UPDATE,$(call shown,$@))
	$(Q)cat $^ >$@.new && mv $@.new $@

$(O)/boot.scr: tools/image/boot.cmd
	$(call say,SCRIPT,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)mkimage -A $(ARCH) -T script -n 'Bulkhead' -d $< $@ >/dev/null

# The loader of UEFI machines, which chooses the slot: a PE file that stands alone.
loader-flags := -std=gnu2x -ffreestanding -nostdinc -isystem $(compiler-include) -isystem lib/freestanding \
	-I. -Iinclude -Iboot/efi/$(ARCH) -I$(LIBFDT_DIR) -Ilib/sha256 -I$(MBEDTLS_DIR)/include -I$(MBEDTLS_DIR)/library \
	$(arch-flags) -mgeneral-regs-only -fpie -fvisibility=hidden -fno-jump-tables -fno-strict-aliasing -fno-common \
	-fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -O2 -g $(prefix-map)
loader-sources := boot/efi/$(ARCH)/head.S boot/efi/loader.c storage/gpt.c storage/slots.c storage/state_format.c lib/string.c lib/sha256/generic.c \
	$(LIBFDT_DIR)/fdt.c $(LIBFDT_DIR)/fdt_ro.c
$(O)/boot.efi: $(loader-sources) $(wildcard boot/efi/*.h boot/efi/*/*.h storage/*.h) boot/efi/loader.lds | $(MBEDTLS_DIR)/.unpacked
	$(call say,EFI,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(loader-flags) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--gc-sections \
		-Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 -T boot/efi/loader.lds -o $@.elf $(loader-sources)
	$(Q)$(TARGET_OBJCOPY) -O binary $@.elf $@

# What firmware finds on the EFI system partition: PATH=FILE.
image-esp-arm64 := boot.scr=$(O)/boot.scr
image-esp-x86 := EFI/BOOT/BOOTX64.EFI=$(O)/boot.efi
image-esp := $(image-esp-$(ARCH))

$(O)/bulkhead.img: $(O)/boot.itb $(O)/boot.manifest $(foreach entry,$(image-esp),$(lastword $(subst =, ,$(entry)))) $(wildcard tools/image/*.py)
	$(call say,IMAGE,$(call shown,$@))
	$(Q)$(PYTHON) -m tools.image --config $(O)/.config --version '$(version)' --slot $(O)/boot.itb --manifest $(O)/boot.manifest \
		$(addprefix --esp ,$(image-esp)) --output $@

.PHONY: image update flash
update: ## Build bulkhead.update, which `bhctl HOST update bulkhead.update` installs
	$(Q)tools/dependencies.sh run image $(ARCH)
	$(Q)$(MAKE) $(jobs) O=$(O) $(O)/bulkhead.update
	$(Q)$(PYTHON) tools/image/manifest.py show $(O)/bulkhead.update

image: ## Build bulkhead.img, the disk image that an appliance is flashed with, and bulkhead.img.bmap
	$(Q)tools/dependencies.sh run image $(ARCH)
	$(Q)$(MAKE) $(jobs) O=$(O) $(O)/bulkhead.img

flash: ## Write the image to a device: make flash DEV=/dev/sdX (asks before it does)
	$(Q)[ -n "$(DEV)" ] || { echo 'usage: make flash DEV=/dev/sdX, a whole disk; `lsblk` lists them'; exit 1; }
	$(Q)$(PYTHON) -m tools.image.flash --image $(O)/bulkhead.img $(if $(CONFIRM),--confirm $(CONFIRM)) $(DEV)
