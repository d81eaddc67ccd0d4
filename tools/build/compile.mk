# SPDX-License-Identifier: Apache-2.0
# What every folder contributes, and how one source becomes one object for each kind of program.
#
# A folder's module.mk adds to these lists, with paths from the top of the tree. What only one architecture has is added
# to the list of its name: kernel-arm64, mgmt-x86, ... What only some configurations have of the kernel is added to its
# part's list, kernel-pci or kernel-pci-arm64, and what stands in for it to kernel-no-pci (tools/resolver/emit_kernel.py).
#   kernel-y        objects of the kernel
#   kernel-small    those of them that are to be small, not quick
#   native-y        objects of the library that every native domain is linked with
#   mgmt-y          objects of the management domain's program
#   lwip-sources    lwIP's files for the management domain, relative to its src/, such as core/tcp.c
#   mbedtls-sources mbedTLS' files, relative to its top, such as library/aes.c
#   unit-tests      cmocka programs; see unit.mk
#   guests-y        bare-metal test guests; see native.mk
# CFLAGS_path/file.o adds flags for one object.

kernel-y :=
kernel-small :=
native-y :=
mgmt-y :=
lwip-sources :=
mbedtls-sources :=
unit-tests :=
guests-y :=
guest-support-y :=

ifneq ($(building),)
-include $(O)/generated/kernel.mk
endif
modules := $(sort $(wildcard */module.mk */*/module.mk */*/*/module.mk))
other-architectures := $(filter-out arch/$(ARCH)/%,$(filter arch/%,$(modules)))
include $(filter-out $(other-architectures),$(modules))
mgmt-y += $(drivers) # the board's own (board.mk)
kernel-y += $(foreach part,$(kernel-parts),$(kernel-$(part)) $(kernel-$(part)-$(ARCH)))
$(foreach list,kernel native mgmt guests guest-support,$(eval $(list)-y += $($(list)-$(ARCH))))

include-flags := -I. -Iinclude -I$(O)/generated
config-header := $(O)/generated/config.h

# $(call flags-file,NAME,WORDS): a file that changes when the words do: flags, so that objects are built again, or objects, so that
# what they make is linked again.
define flags-file
$(if $(building),$(shell mkdir -p $(O)/flags; \
	printf '%s\n' '$(subst ','\'',$(2))' 2>/dev/null | cmp -s - $(O)/flags/$(1) || printf '%s\n' '$(subst ','\'',$(2))' > $(O)/flags/$(1)))
endef

# $(call compile-rules,NAME,FLAGS,PREREQUISITES): objects below $(O)/NAME from sources of this tree, in C and assembly.
define compile-rules
$(call flags-file,$(1),$(2))
$(O)/$(1)/%.o: %.c $(config-header) $(O)/flags/$(1) | $(3)
	$$(call say,CC,$$(call shown,$$@))
	$(Q)mkdir -p $$(@D)
	$(Q)$(TARGET_CC) $(2) $$(CFLAGS_$$*.o) -MMD -MP -c -o $$@ $$<
$(O)/$(1)/%.o: %.S $(config-header) $(O)/flags/$(1) | $(3)
	$$(call say,AS,$$(call shown,$$@))
	$(Q)mkdir -p $$(@D)
	$(Q)$(TARGET_CC) $(2) -D__ASSEMBLY__ -MMD -MP -c -o $$@ $$<
$(O)/$(1)/generated/%.o: $(O)/generated/%.c $(config-header) $(O)/flags/$(1) | $(3)
	$$(call say,CC,$$(call shown,$$@))
	$(Q)mkdir -p $$(@D)
	$(Q)$(TARGET_CC) $(2) -MMD -MP -c -o $$@ $$<
endef

# $(call depend,OBJECTS): read what an earlier build learned about headers.
depend = $(eval -include $(patsubst %.o,%.d,$(1)))

$(O)/%.lds: %.lds.S $(config-header)
	$(call say,LDS,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) -E -P -x assembler-with-cpp -D__ASSEMBLY__ -D__LINKER__ $(include-flags) -Iarch/$(ARCH)/include \
		-include $(config-header) -MMD -MP -MT $@ -MF $@.d -o $@ $<
-include $(wildcard $(addprefix $(O)/,arch/$(ARCH)/*.lds.d arch/$(ARCH)/native/*.lds.d tests/guests/support/$(ARCH)/*.lds.d))

# The version is the commit's; the file changes only when that does.
version := $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
$(O)/generated/version.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)text='/* Made by the build. */'$$'\n''#define BULKHEAD_VERSION "$(version)"'; \
		[ "$$(cat $@ 2>/dev/null)" = "$$text" ] || printf '%s\n' "$$text" > $@
.PHONY: FORCE
FORCE:
