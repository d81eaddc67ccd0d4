# SPDX-License-Identifier: Apache-2.0
# Native domains: the management domain's program and the bare-metal test guests, on picolibc.

# Position-independent: start.S relocates the program to where its partition's memory is.
native-flags := -std=gnu2x -fPIE -fvisibility=hidden $(native-arch-flags) $(native-own-flags) \
	-fno-strict-aliasing -fno-common -fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections \
	-fdata-sections -O2 -g $(prefix-map) -nostdinc -isystem $(compiler-include) \
	-isystem $(PICOLIBC_DIR)/include $(include-flags) -Iarch/$(ARCH)/include -include $(config-header)
mgmt-flags := $(native-flags) -Inet -Inet/lwip -isystem $(LIBFDT_DIR) -isystem $(LWIP_DIR)/src/include -isystem $(MBEDTLS_DIR)/include \
	-DMBEDTLS_CONFIG_FILE='"net/mbedtls_config.h"'
third-party-ready := $(PICOLIBC_DIR)/.built $(LIBFDT_DIR)/.unpacked $(LWIP_DIR)/.unpacked $(MBEDTLS_DIR)/.unpacked

$(eval $(call compile-rules,native,$(native-flags) -Itests/guests/support/$(ARCH) -isystem $(LIBFDT_DIR) $(warnings),$(third-party-ready) $(O)/generated/version.h))
$(eval $(call compile-rules,mgmt,$(mgmt-flags) $(warnings),$(third-party-ready) $(O)/generated/version.h))

# Third-party sources of a native program are compiled as their authors left them: no warnings of ours. They depend on
# no option, so that all configurations share their objects, in the cache under a name that stands for flags and headers.
third-party-headers := $(sort $(wildcard net/lwipopts.h net/mbedtls_config.h net/module.mk net/lwip/*.h net/lwip/*/*.h net/feature_detection/*/*.h))
third-party-flags := -std=gnu2x -fPIE -fvisibility=hidden $(native-arch-flags) \
	-fno-strict-aliasing -fno-common -fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections \
	-fdata-sections -O2 -g -w -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(CACHE)=third-party \
	-nostdinc -isystem $(compiler-include) -isystem $(PICOLIBC_DIR)/include -I. -Inet -Inet/lwip -Iinclude \
	-I$(LIBFDT_DIR) -I$(LWIP_DIR)/src/include -I$(MBEDTLS_DIR)/include -I$(MBEDTLS_DIR)/library \
	-DMBEDTLS_CONFIG_FILE='"net/mbedtls_config.h"'
third-party-hash := $(if $(building),$(shell { printf '%s' "$(subst $(CACHE),,$(subst $(CURDIR),,$(subst ",,$(third-party-flags))))"; $(TARGET_CC) --version; cat /dev/null $(third-party-headers); } 2>/dev/null | sha256sum | cut -c1-12))
third-party-objects := $(CACHE)/objects-$(third-party-hash)

# $(call third-party-rule,FOLDER,SOURCE DIRECTORY). Written aside and moved, since several builds may do it at once.
define third-party-rule
$(third-party-objects)/$(1)/%.o: | $(third-party-ready)
	$$(call say,CC,$(1)/$$*.c)
	$(Q)mkdir -p $$(@D)
	$(Q)$(TARGET_CC) $(third-party-flags) $$(CFLAGS_$(1)/$$*.o) -c -o $$@.$$$$$$$$ $(2)/$$*.c && mv $$@.$$$$$$$$ $$@
endef
$(eval $(call third-party-rule,libfdt,$(LIBFDT_DIR)))
$(eval $(call third-party-rule,lwip,$(LWIP_DIR)/src))
$(eval $(call third-party-rule,mbedtls,$(MBEDTLS_DIR)))

native-fdt := $(addprefix $(third-party-objects)/libfdt/,fdt.o fdt_ro.o fdt_addresses.o)
native-objects := $(addprefix $(O)/native/,$(sort $(native-y)))
mbedtls-objects := $(patsubst %.c,$(third-party-objects)/mbedtls/%.o,$(sort $(mbedtls-sources)))
lwip-objects := $(patsubst %.c,$(third-party-objects)/lwip/%.o,$(sort $(lwip-sources)))
mgmt-objects := $(addprefix $(O)/mgmt/,$(sort $(mgmt-y))) $(O)/mgmt/generated/partitions.o \
	$(addprefix $(O)/mgmt/,generated/management.o generated/certificates.o generated/bundle_key.o lib/p256/p256.o) $(lwip-objects)

# The check of an update's signature is the kernel's of the bundle.
$(O)/mgmt/lib/p256/p256.o: lib/p256/p256.c $(MBEDTLS_DIR)/.unpacked $(config-header) $(O)/flags/mgmt
	$(call say,CC,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(mgmt-flags) $(warnings) $(p256-flags) -MMD -MP -c -o $@ $<
$(call depend,$(native-objects) $(filter $(O)/%,$(mgmt-objects)))
$(call flags-file,mgmt-objects,$(native-objects) $(mgmt-objects))

# Its name stands for the list of its members too.
libmbedtls := $(third-party-objects)/libmbedtls-$(shell echo $(sort $(mbedtls-sources)) | sha256sum | cut -c1-8).a
$(libmbedtls): $(mbedtls-objects)
	$(call say,AR,libmbedtls.a)
	$(Q)rm -f $@.$$$$ && $(TARGET_AR) rcD $@.$$$$ $^ && mv $@.$$$$ $@

link-native = $(TARGET_CC) -nostdlib -static-pie -Wl,--no-dynamic-linker -Wl,-z,text -Wl,--build-id=none \
	-Wl,--gc-sections -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 \
	-T $(O)/arch/$(ARCH)/native/native.lds
native-libraries := -L$(PICOLIBC_DIR)/lib -Wl,--start-group -lc -Wl,--end-group \
	$(shell $(TARGET_CC) -print-libgcc-file-name 2>/dev/null)

$(O)/mgmt.elf: $(native-objects) $(mgmt-objects) $(native-fdt) $(libmbedtls) $(O)/flags/mgmt-objects $(O)/arch/$(ARCH)/native/native.lds
	$(call say,LD,$(call shown,$@))
	$(Q)$(link-native) -Wl,-Map=$(O)/mgmt.map -o $@ $(native-objects) $(mgmt-objects) $(native-fdt) \
		$(libmbedtls) $(native-libraries)

.PHONY: mgmt native-guests
mgmt: $(O)/mgmt.elf ## Build the management domain's program (mgmt.elf)

# Test guests: for each NAME in guests-y, tests/guests/NAME.c or tests/guests/ARCH/NAME.c, with guest-support-y. They have a start-up of their own (tests/guests/support), since a hostile guest wants its exceptions for
# itself.
guest-script := tests/guests/support/$(ARCH)/guest.lds
guest-main = $(patsubst %.c,$(O)/native/%.o,$(firstword $(wildcard $(addsuffix /$(1).c,tests/guests/$(ARCH) tests/guests))))
guest-support-objects := $(addprefix $(O)/native/,$(sort $(guest-support-y)))
$(call depend,$(guest-support-objects) $(foreach guest,$(guests-y),$(call guest-main,$(guest))))

define guest-rule
$(O)/guests/$(1).elf: $(call guest-main,$(1)) $(guest-support-objects) $(native-fdt) $(guest-script)
	$$(call say,LD,$$(call shown,$$@))
	$(Q)mkdir -p $$(@D)
	$(Q)$(TARGET_CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--gc-sections -Wl,-z,noexecstack \
		-Wl,--no-warn-rwx-segments -T $(guest-script) -o $$@ $$(filter %.o,$$^) $(native-libraries)
endef
$(foreach guest,$(guests-y),$(eval $(call guest-rule,$(guest))))
$(O)/guests/%.bin: $(O)/guests/%.elf
	$(call say,OBJCOPY,$(call shown,$@))
	$(Q)$(TARGET_OBJCOPY) -O binary $< $@

native-guests: $(patsubst %,$(O)/guests/%.elf,$(guests-y)) $(patsubst %,$(O)/guests/%.bin,$(guests-y)) ## Build the bare-metal test guests (guests/NAME.elf, .bin)
