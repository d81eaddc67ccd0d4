# SPDX-License-Identifier: Apache-2.0
# The separation kernel: bulkhead.elf (symbols) and bulkhead.bin (the Image that loaders take).

kernel-flags := -std=gnu2x -ffreestanding -nostdinc -isystem $(compiler-include) -isystem lib/freestanding \
	$(include-flags) -Iarch/$(ARCH)/include -I$(LIBFDT_DIR) -include $(config-header) \
	$(kernel-arch-flags) -fno-pie -fno-strict-aliasing -fno-common -fno-stack-protector \
	-fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -O2 -g $(prefix-map) $(warnings) -fcallgraph-info=su
kernel-register-flags := -mgeneral-regs-only
# What runs at boot, or when a domain starts or fails.
$(foreach object,$(kernel-small),$(eval CFLAGS_$(object) += -Os))

$(eval $(call compile-rules,kernel,$(kernel-flags) $(kernel-register-flags),$(LIBFDT_DIR)/.unpacked $(O)/generated/version.h))

# libfdt and mbedTLS' SHA-256, from their pinned sources. The second build of SHA-256 uses the CPU's instructions.
libfdt-objects := $(addprefix $(O)/kernel/libfdt/,fdt.o fdt_ro.o fdt_rw.o fdt_sw.o fdt_wip.o fdt_addresses.o)
$(O)/kernel/libfdt/%.o: $(LIBFDT_DIR)/.unpacked $(config-header) $(O)/flags/kernel
	$(call say,CC,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(kernel-flags) $(kernel-register-flags) -Wno-error -w -MMD -MP -c -o $@ $(LIBFDT_DIR)/$*.c

sha256-objects := $(addprefix $(O)/kernel/lib/sha256/,generic.o $(sha256-arch))
sha256-flags := -Ilib/sha256 -I$(MBEDTLS_DIR)/include -I$(MBEDTLS_DIR)/library -Wno-undef -Wno-missing-prototypes \
	-Wno-unused-function -Wno-unused-parameter
$(O)/kernel/lib/sha256/generic.o: lib/sha256/generic.c $(MBEDTLS_DIR)/.unpacked $(config-header) $(O)/flags/kernel
	$(call say,CC,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(kernel-flags) $(sha256-flags) $(kernel-register-flags) -MMD -MP -c -o $@ $<
$(addprefix $(O)/kernel/lib/sha256/,$(sha256-arch)): $(O)/kernel/%.o: %.c $(MBEDTLS_DIR)/.unpacked $(config-header) $(O)/flags/kernel
	$(call say,CC,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(kernel-flags) $(sha256-flags) $(sha256-arch-flags) -MMD -MP -c -o $@ $<

# p256-m, which comes with mbedTLS.
p256-flags := -Ilib/p256/stubs -I$(MBEDTLS_DIR)/3rdparty/p256-m/p256-m -Wno-undef -Wno-missing-prototypes $(p256-arch-flags)
$(O)/kernel/lib/p256/p256.o: lib/p256/p256.c $(MBEDTLS_DIR)/.unpacked $(config-header) $(O)/flags/kernel
	$(call say,CC,$(call shown,$@))
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(kernel-flags) $(p256-flags) $(kernel-register-flags) -MMD -MP -c -o $@ $<

kernel-objects := $(addprefix $(O)/kernel/,$(sort $(kernel-y)) generated/partitions.o generated/bundle_key.o lib/p256/p256.o) \
	$(libfdt-objects) $(sha256-objects)
$(call depend,$(kernel-objects))
$(call flags-file,kernel-objects,$(kernel-objects))

# A CPU's stack; arch.mk says where the kernel is entered, and what comes on top (tools/stack_depth.py).
kernel-stack-size = $(shell sed -n 's/^.define [A-Z0-9]*_STACK_SIZE \([0-9]*\).*/\1/p' arch/$(ARCH)/include/arch/layout.h)
$(O)/bulkhead.elf: $(kernel-objects) $(O)/flags/kernel-objects $(O)/arch/$(ARCH)/kernel.lds tools/stack_depth.py
	$(call say,LD,$(call shown,$@))
	$(Q)$(TARGET_CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--gc-sections -Wl,--fatal-warnings \
		-Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,-Map=$(O)/bulkhead.map \
		-T $(O)/arch/$(ARCH)/kernel.lds -o $@ $(kernel-objects)
	$(Q)depth=$$($(PYTHON) tools/stack_depth.py $(kernel-stack-size) $(kernel-stack) $$(ls $(kernel-objects:.o=.ci) 2>/dev/null)); \
		printf '  %-9s%s\n' STACK "$$depth"

# What stands in front of the kernel, where an architecture has that: a program of its own, with the kernel in it.
stage-flags := -std=gnu2x -ffreestanding -nostdinc -isystem $(compiler-include) -isystem lib/freestanding $(include-flags) \
	-Iarch/$(ARCH)/include -Iboot/efi/$(ARCH) -include $(config-header) $(arch-flags) $(kernel-register-flags) -fpie \
	-fvisibility=hidden -fno-jump-tables -fno-strict-aliasing -fno-common -fno-stack-protector -fno-asynchronous-unwind-tables \
	-ffunction-sections -fdata-sections -Oz -g $(prefix-map) $(warnings) -DKERNEL_FILE='"$(O)/kernel.bin"'
$(O)/kernel.bin: $(O)/bulkhead.elf
	$(Q)$(TARGET_OBJCOPY) -O binary $< $@
stage-objects := $(patsubst %,$(O)/stage/%.o,$(basename $(stage-sources)))
$(eval $(call compile-rules,stage,$(stage-flags)))
$(O)/stage/boot/$(ARCH)/head.o: $(O)/kernel.bin
$(call depend,$(stage-objects))
$(O)/stage.elf: $(stage-objects) boot/$(ARCH)/stage.lds
	$(call say,LD,$(call shown,$@))
	$(Q)$(TARGET_CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--gc-sections -Wl,--fatal-warnings -Wl,-z,noexecstack \
		-Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 -T boot/$(ARCH)/stage.lds -o $@ $(stage-objects)

# With its signature for UEFI (secure_boot.mk), which other loaders do not care for.
$(O)/bulkhead.bin: $(O)/$(if $(stage-sources),stage,bulkhead).elf
	$(call say,OBJCOPY,$(call shown,$@))
	$(Q)$(TARGET_OBJCOPY) -O binary $< $@.new
	$(call sign-pe,$@.new,$(@F))
	$(Q)mv $@.new $@
	$(Q)printf '  %-9s%s\n' SIZE "bulkhead.bin: $$(stat -c %s $@) bytes"

.PHONY: kernel
kernel: $(O)/bulkhead.bin ## Build the separation kernel (bulkhead.elf, bulkhead.bin)

# What the compiler read of this tree: sources, headers and linker script of the objects that the kernel is linked from.
.PHONY: size
size: $(O)/bulkhead.bin ## Count the kernel's lines of code (with cloc)
	$(Q)command -v cloc >/dev/null || { echo "make size needs cloc: apt-get install cloc"; exit 1; }
	$(Q)files=$$(cat $(wildcard $(kernel-objects:.o=.d)) $(O)/arch/$(ARCH)/kernel.lds.d | tr -s ' \\:' '\n' | grep -v '^/' | \
		grep -v '^$$' | sort -u); \
	printf '  %-9s%s\n' SIZE "kernel of $(ARCH): $$(cloc --quiet --csv $$files | awk -F, '$$2 == "SUM" { print $$5 }') lines of \
code in $$(wc -w <<<"$$files") files, $$(cat $$files | wc -l) with comments and empty ones"
