# SPDX-License-Identifier: Apache-2.0
# The disk image of the configuration (docs/image.md), and writing it to a device.

# A boot slot: one FIT with kernel and bundle, signed where U-Boot checks that. Their bytes are inside of it, so that its header
# says how long it is. The SHA-256 of all of it follows.
slot-key := $(if $(u-boot-defconfig),$(slot-signing-key))
slot-tree := $(if $(board-tree),$(O)/board.dtb)
# U-Boot on x86 starts what it takes for a Linux kernel: where that, its boot parameters and the kernel's file go.
comma := ,
slot-starter := $(if $(u-boot-defconfig),$(if $(filter x86,$(ARCH)),$(O)/starter.bin))
starter-base := 0x2000000
starter-parameters := 0x2010000
starter-kernel := 0x2100000
# What U-Boot has room for; on x86 UEFI starts the image as well, and has room for more.
slot-most := $(if $(filter arm64,$(ARCH)),$(shell sed -n 's/^setenv slot_max //p' $(wildcard board/$(board)/u-boot.cmd) /dev/null))
slot-unsigned := $(if $(u-boot-defconfig),$(if $(slot-key),,yes))
$(O)/generated/boot.its: $(O)/generated/.resolved $(if $(u-boot-defconfig),$(slot-known-key)) tools/image/container.py tools/image/control_tree.py
	$(Q)$(PYTHON) -m tools.image.container --config $(O)/.config --output $(O) $(if $(u-boot-defconfig),--key $(slot-known-key)) $(addprefix --tree ,$(slot-tree)) \
		$(if $(slot-starter),--starter $(slot-starter)$(comma)$(starter-base)$(comma)$(O)/parameters.bin$(comma)$(starter-parameters)$(comma)$(starter-kernel))
$(O)/starter.bin: boot/starter/start.S boot/starter/starter.c boot/starter/starter.lds boot/tco.c boot/watchdog.h devices/watchdog/tco.h lib/event_log.c lib/event_log.h lib/string.c $(config-header)
	$(call say,STARTER,$(call shown,$@))
	$(Q)$(TARGET_CC) -std=gnu2x -ffreestanding -nostdinc -isystem $(compiler-include) -isystem lib/freestanding $(arch-flags) -mgeneral-regs-only \
		-mno-red-zone -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -Os $(prefix-map) $(warnings) \
		-DKERNEL_FILE=$(starter-kernel) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments \
		-Wl,--defsym=STARTER_BASE=$(starter-base) -Wl,--defsym=PARAMETERS_BASE=$(starter-parameters) -T boot/starter/starter.lds \
		-I. -include $(config-header) -o $@.elf boot/starter/start.S boot/starter/starter.c boot/tco.c lib/event_log.c lib/string.c
	$(Q)$(TARGET_OBJCOPY) -O binary -j .parameters $@.elf $(@D)/parameters.bin
	$(Q)$(TARGET_OBJCOPY) -O binary -j .starter $@.elf $@
$(O)/boot.itb: $(O)/generated/boot.its $(slot-key) $(slot-starter) $(O)/bulkhead.bin $(O)/bundle.itb $(slot-tree)
	$(call say,FIT,$(call shown,$@))
	$(Q)cp $< $@.its
	$(Q)mkimage -f $@.its $@.new >$@.log || { cat $@.log; exit 1; }
	$(Q)$(PYTHON) -m tools.image.container --place $@.its $@.new $(O)/bundle.itb
	$(Q)mkimage -f $@.its $(if $(slot-key),-G $(slot-key) -r) $@.new >$@.log || { cat $@.log; exit 1; }
	$(Q)$(if $(slot-unsigned),printf '  %-9s%s\n' UNSIGNED 'boot.itb: sign it and make image again (docs/verified-boot.md)', \
		$(PYTHON) -m tools.image.container --seal $@.new $(addprefix --most ,$(slot-most)))
	$(Q)mv $@.new $@

# What is in a slot, signed; with a key that is elsewhere, what is to be signed there.
$(O)/boot.manifest: $(O)/boot.itb $(signing-key) $(known-key) tools/image/manifest.py
	$(call say,SIGN,$(call shown,$@))
	$(Q)$(PYTHON) tools/image/manifest.py $(if $(signing-key),sign,prepare) --board '$(bundle-board)' --release '$(version)' \
		--version $(bundle-version) $(or $(signing-key),$(known-key)) $(O)/boot.itb $@ $(if $(signing-key),,$(O)/manifest.tbs)
$(O)/bulkhead.update: $(O)/boot.manifest $(O)/boot.itb
	$(call say,UPDATE,$(call shown,$@))
	$(Q)cat $^ >$@.new && mv $@.new $@

# What a measured boot of this slot gives, for `bhctl HOST attest --expect`.
$(O)/boot.pcrs: $(O)/bulkhead.bin $(O)/bundle.itb tools/image/measure.py tools/sign_bundle.py
	$(call say,MEASURE,$(call shown,$@))
	$(Q)$(PYTHON) tools/image/measure.py --release '$(version)' $(O)/bulkhead.bin $(O)/bundle.itb $@

# U-Boot of the board with its own device tree behind it, in which the key is. The tree is the board's in board/NAME/u-boot.dts,
# or U-Boot's, with board/NAME/u-boot.dtsi behind it.
$(O)/generated/u-boot-key.dtsi: $(slot-known-key) $(O)/generated/.resolved tools/image/control_tree.py
	$(call say,KEY,$(call shown,$@))
	$(Q)$(PYTHON) -m tools.image.control_tree $(if $(filter $(slot-development-key),$(slot-signing-key)),--development) \
		--config $(O)/.config $(slot-known-key) $@
$(call flags-file,u-boot,$(UBOOT_DIR))
$(O)/u-boot.dtb: $(O)/generated/u-boot-key.dtsi $(wildcard board/$(board)/u-boot.dts*) $(config-header) $(O)/flags/u-boot | $(UBOOT_DIR)/.built
	$(Q){ $(if $(wildcard board/$(board)/u-boot.dts),$(TARGET_CC) -E -P -x assembler-with-cpp -nostdinc -undef -D__DTS__ \
		-include $(config-header) board/$(board)/u-boot.dts,dtc -q -I dtb -O dts $(UBOOT_DIR)/u-boot.dtb); cat $(wildcard board/$(board)/u-boot.dtsi) $<; } >$(O)/generated/u-boot.dts
	$(Q)dtc -q -I dts -O dtb -o $@ $(O)/generated/u-boot.dts
$(O)/u-boot.rom: $(O)/u-boot.dtb tools/image/rom.py | $(UBOOT_DIR)/.built
	$(call say,U-BOOT,$(call shown,$@))
	$(Q)$(PYTHON) tools/image/rom.py $(UBOOT_DIR) $< $@
$(O)/u-boot.bin: $(O)/u-boot.dtb | $(UBOOT_DIR)/.built
	$(call say,U-BOOT,$(call shown,$@))
	$(Q)cat $(UBOOT_DIR)/u-boot-nodtb.bin $< >$@.new
	$(Q)mv $@.new $@

# For the loader of arm64: the board's devices, some of which ACPI names in AML only.
$(O)/generated/board_devices.h: board/$(board)/devices.txt $(config-header)
	$(Q)mkdir -p $(@D)
	$(Q)awk 'BEGIN { print "/* Made from board/$(board)/devices.txt. */\nstatic const struct board_device board_devices[] = {" } \
		!/^#/ && NF == 6 && $$6 !~ /kernel/ && $$1 !~ /^\/.*\// && split($$5, lines, ",") <= 4 { gsub(/,/, ", ", $$5); printf "    {\"%s\", \"%s\", %s, %s, {%s}, %s},\n", substr($$1, 2), $$2, $$3, $$4, \
		$$5 == "-" ? "-1" : $$5 ", -1", $$6 ~ /aml/ ? "true" : "false" } END { print "};" }' $< >$@.new
	$(Q)mv $@.new $@

# The loader of UEFI machines, which chooses the slot: a PE file that stands alone.
loader-flags := -std=gnu2x -ffreestanding -nostdinc -isystem $(compiler-include) -isystem lib/freestanding \
	-I. -Iinclude -Iboot/efi/$(ARCH) -Iarch/$(ARCH)/include $(filter -I%,$(kernel-arch-flags)) -I$(LIBFDT_DIR) \
	-Ilib/sha256 -I$(MBEDTLS_DIR)/include -I$(MBEDTLS_DIR)/library \
	-I$(O)/generated -include $(config-header) $(arch-flags) $(loader-flags-$(ARCH)) -mgeneral-regs-only -fpie -fvisibility=hidden -fno-jump-tables -fno-strict-aliasing -fno-common \
	-fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -O2 -g $(prefix-map)
loader-flags-arm64 := -ffixed-x18
loader-sources-x86 := boot/tco.c
loader-sources-arm64 := boot/efi/arm64/watchdog.c boot/efi/arm64/acpi_tree.c $(addprefix $(LIBFDT_DIR)/,fdt_addresses.c fdt_rw.c fdt_sw.c fdt_wip.c)
# SHA-256, by registers that nothing else of it uses.
loader-digest := $(addprefix $(O)/loader/,digest.o $(sha256-arch))
$(O)/loader/digest.o: boot/efi/$(ARCH)/digest.c
$(O)/loader/$(sha256-arch): lib/sha256/$(sha256-arch:.o=.c)
$(loader-digest): $(wildcard boot/efi/*.h boot/efi/$(ARCH)/*.h lib/sha256/*.h) $(config-header) | $(MBEDTLS_DIR)/.unpacked
	$(call say,CC,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(filter-out -mgeneral-regs-only,$(loader-flags)) $(sha256-arch-flags) -c -o $@ $(filter %.c,$^)
loader-sources := $(addprefix boot/efi/,$(ARCH)/head.S loader.c bundle.c measure.c secure_boot.c $(ARCH)/start.c) \
	$(O)/generated/secure_boot_key.c $(loader-sources-$(ARCH)) $(addprefix storage/,gpt.c slots.c state_format.c) lib/event_log.c lib/string.c \
	lib/sha256/generic.c core/format.c $(addprefix $(LIBFDT_DIR)/,fdt.c fdt_ro.c)
$(O)/loader/p256.o: lib/p256/p256.c lib/p256/p256.h $(config-header) | $(MBEDTLS_DIR)/.unpacked
	$(call say,CC,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(p256-flags) $(loader-flags) -c -o $@ $<
$(O)/boot.efi: $(loader-sources) $(loader-digest) $(O)/loader/p256.o core/bundle.c $(wildcard core/*.h arch/$(ARCH)/include/arch/*.h) $(sign-pe-needs) $(wildcard devices/watchdog/*.h boot/*.h boot/efi/*.h boot/efi/*.S boot/efi/*/*.h storage/*.h lib/event_log.h) \
		boot/efi/loader.lds $(O)/generated/board_devices.h | $(MBEDTLS_DIR)/.unpacked
	$(call say,EFI,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(loader-flags) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--gc-sections \
		-Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 -T boot/efi/loader.lds -o $@.elf $(loader-sources) $(loader-digest) $(O)/loader/p256.o
	$(Q)$(TARGET_OBJCOPY) -O binary $@.elf $@.new
	$(call sign-pe,$@.new,$(@F))
	$(Q)mv $@.new $@

# What firmware finds on the EFI system partition: PATH=FILE.
image-esp-arm64 := EFI/BOOT/BOOTAA64.EFI=$(O)/boot.efi
image-esp-x86 := EFI/BOOT/BOOTX64.EFI=$(O)/boot.efi
image-esp := $(image-esp-$(ARCH)) $(secure-boot-esp)

# With the image where nothing else starts it; on x86 UEFI does, too, and `make u-boot` builds it.
u-boot-file := $(if $(u-boot-defconfig),$(O)/u-boot.$(if $(filter x86,$(ARCH)),rom,bin))
$(O)/bulkhead.img: $(O)/boot.itb $(O)/boot.manifest $(if $(filter arm64,$(ARCH)),$(u-boot-file)) $(foreach entry,$(image-esp),$(lastword $(subst =, ,$(entry)))) $(wildcard tools/image/*.py)
	$(call say,IMAGE,$(call shown,$@))
	$(Q)$(PYTHON) -m tools.image --config $(O)/.config --version '$(version)' --slot $(O)/boot.itb --manifest $(O)/boot.manifest \
		$(addprefix --esp ,$(image-esp)) --output $@

.PHONY: image update flash u-boot
u-boot: ## Build U-Boot for the board, which starts the slots that it knows the key of
	$(Q)[ -n "$(u-boot-file)" ] || { echo 'there is no U-Boot for the board $(board)'; exit 1; }
	$(Q)tools/dependencies.sh run image $(ARCH)
	$(Q)$(MAKE) $(jobs) O=$(O) $(u-boot-file)

update: ## Build bulkhead.update, which `bhctl HOST update bulkhead.update` installs
	$(Q)tools/dependencies.sh run image $(ARCH)
	$(Q)$(MAKE) $(jobs) O=$(O) $(O)/bulkhead.update $(O)/boot.pcrs
	$(Q)$(PYTHON) tools/image/manifest.py show $(O)/bulkhead.update

image: ## Build bulkhead.img, the disk image that an appliance is flashed with, and bulkhead.img.bmap
	$(Q)tools/dependencies.sh run image $(ARCH)
	$(Q)$(MAKE) $(jobs) O=$(O) $(O)/bulkhead.img $(O)/boot.pcrs

flash: ## Write the image to a device: make flash DEV=/dev/sdX (asks before it does)
	$(Q)[ -n "$(DEV)" ] || { echo 'usage: make flash DEV=/dev/sdX, a whole disk; `lsblk` lists them'; exit 1; }
	$(Q)$(PYTHON) -m tools.image.flash --image $(O)/bulkhead.img $(if $(CONFIRM),--confirm $(CONFIRM)) $(DEV)
