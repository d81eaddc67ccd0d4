# SPDX-License-Identifier: Apache-2.0
# A CD for x86-64 machines with a BIOS, and for Bochs.
$(O)/boot.iso: $(O)/bulkhead.bin $(O)/bundle.itb tools/make_iso.sh
	$(call say,ISO,$(call shown,$@))
	$(Q)tools/make_iso.sh $(O)/bulkhead.bin $(O)/bundle.itb $@

.PHONY: iso
iso: $(O)/boot.iso ## Build boot.iso: kernel and bundle on a CD with GRUB (x86-64)
