# SPDX-License-Identifier: Apache-2.0
# The bundle: a FIT with all images of the configuration, each once, behind a tree with their SHA-256, which is signed. And a disk to run with.

# What travels: the management domain's program without its debug information.
$(O)/bundle/mgmt.elf: $(O)/mgmt.elf
	$(call say,STRIP,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_OBJCOPY) --strip-all $< $@

# Where in their partitions' memory the images go, now that they are there. All plans are of one making.
$(O)/generated/.planned: $(O)/generated/.resolved $(bundle-images)
	$(call say,PLAN,$(notdir $(load-plans)))
	$(Q)$(PYTHON) -m tools.resolver --config $(O)/.config --output $(O) --plans
	$(Q)touch $@
$(load-plans): $(O)/generated/.planned
	@:

$(O)/bundle.itb: $(O)/generated/bundle.its $(bundle-images) $(load-plans) $(signing-key) $(known-key) tools/sign_bundle.py
	$(call say,FIT,$(call shown,$@))
	$(Q)mkimage -E -B 40 -f $(O)/generated/bundle.its $@.new >$@.log || { cat $@.log; exit 1; }
	$(call sign-bundle,$@.new)
	$(Q)mv $@.new $@
	$(Q)printf '  %-9s%s\n' SIZE "bundle.itb: $$(stat -Lc %s $@) bytes"

# A sparse disk with a partition for each guest of the default configuration. Made once: guests keep their data in it.
$(O)/disk.img:
	$(call say,DISK,$(call shown,$@))
	$(Q)truncate -s 192M $@.new
	$(Q)printf 'label: gpt\nlabel-id: 5b6d1f0e-0a2c-4c80-9c52-0d9a4be3a001\n%s\n%s\n%s\n' \
		'size=64MiB, name=linux1, uuid=5b6d1f0e-0a2c-4c80-9c52-0d9a4be3a002' \
		'size=64MiB, name=linux2, uuid=5b6d1f0e-0a2c-4c80-9c52-0d9a4be3a003' \
		'name=data, uuid=5b6d1f0e-0a2c-4c80-9c52-0d9a4be3a004' | sfdisk --quiet $@.new
	$(Q)mv $@.new $@

.PHONY: bundle appliance
bundle: $(O)/bundle.itb ## Build the bundle (management domain and guests)
appliance: $(O)/bulkhead.bin $(O)/bundle.itb $(O)/disk.img $(O)/certificates/.copied $(if $(board-tree),$(O)/board.dtb) ## Build all that runs: kernel, bundle, disk, certificates

# U-Boot's booti would take a FIT for the thing to boot and look for a ramdisk inside; in its own wrapper it is passed on whole.
$(O)/bundle.uimg: $(O)/bundle.itb
	$(call say,UIMAGE,$(call shown,$@))
	$(Q)mkimage -A arm64 -O linux -T ramdisk -C none -n 'Bulkhead bundle' -d $< $@ >/dev/null

.PHONY: uboot
uboot: appliance $(O)/bundle.uimg ## Build also bundle.uimg: the bundle as U-Boot's booti takes it (make run UBOOT=1)
