# SPDX-License-Identifier: Apache-2.0
# Fuzzing with libFuzzer (clang) of what reads a guest's, a disk's or the network's bytes.
#
# Below: fuzz-targets += NAME, and fuzz-NAME-sources := tests/fuzz/fuzz_NAME.c net/NAME.c ... (paths from the top;
# absolute for third-party sources), fuzz-NAME-cflags if it needs any. tests/fuzz/corpus/NAME/ may hold seeds.
# `make fuzz` runs each for FUZZ_SECONDS; `make fuzz FUZZ="a b"` some. What it finds stays in DIR/fuzz/NAME.found/.

fuzz-targets :=

fuzz-targets += gpt
fuzz-gpt-sources := tests/fuzz/fuzz_gpt.c storage/gpt.c

fuzz-targets += state
fuzz-state-sources := tests/fuzz/fuzz_state.c storage/state_format.c storage/slots.c storage/gpt.c

fuzz-targets += certificate
fuzz-certificate-sources := tests/fuzz/fuzz_certificate.c mgmt/certificate_name.c \
	$(addprefix $(MBEDTLS_DIR)/library/,asn1parse.c platform_util.c)
fuzz-certificate-cflags := $(attest-cflags)

fuzz-targets += event_log tpm quote
fuzz-event_log-sources := tests/fuzz/fuzz_event_log.c lib/event_log.c
fuzz-tpm-sources := tests/fuzz/fuzz_tpm.c $(attest-under-test)
fuzz-tpm-cflags := $(attest-cflags)
fuzz-quote-sources := tests/fuzz/fuzz_quote.c $(attest-under-test)
fuzz-quote-cflags := $(attest-cflags)

fuzz-targets += sdhci
fuzz-sdhci-sources := tests/fuzz/fuzz_sdhci.c tests/unit/fake_pci.c devices/disk/sdhci.c lib/segment.c
fuzz-sdhci-cflags := -include tests/unit/host_module.h

fuzz-targets += nvme
fuzz-nvme-sources := tests/fuzz/fuzz_nvme.c tests/unit/fake_pci.c $(nvme-y:.o=.c) lib/segment.c

fuzz-targets += gem
fuzz-gem-sources := tests/fuzz/fuzz_gem.c tests/unit/fake_pci.c lib/segment.c
fuzz-gem-cflags := -include tests/unit/host_module.h

fuzz-targets += bundle
fuzz-bundle-sources := tests/fuzz/fuzz_bundle.c core/bundle.c $(addprefix $(LIBFDT_DIR)/,fdt.c fdt_ro.c)
# libfdt loads words where the tree says that there are some; the kernel's CPUs do that at any address.
fuzz-bundle-cflags := -I$(LIBFDT_DIR) -fno-sanitize=alignment

fuzz-targets += blk
fuzz-blk-sources := tests/fuzz/fuzz_blk.c tests/unit/fake_disk.c tests/unit/fake_front.c $(storage-under-test) \
	devices/virtio/backend.c devices/virtio/blk_backend.c lib/virtqueue.c lib/segment.c

fuzz-targets += console_server
fuzz-console_server-sources := tests/fuzz/fuzz_console_server.c net/console_server.c net/lwip_port.c net/address.c \
	$(lwip-sources:%=$(LWIP_DIR)/src/%)
fuzz-console_server-cflags := -Inet -Inet/lwip -isystem $(LWIP_DIR)/src/include -include tests/unit/host_module.h \
	-DCHECKSUM_CHECK_IP=0 -DCHECKSUM_CHECK_TCP=0 -DCHECKSUM_CHECK_UDP=0 -DCHECKSUM_CHECK_ICMP=0

fuzz-targets += guest
fuzz-guest-sources := tests/fuzz/fuzz_guest.c core/channel.c core/console.c devices/serial/pl011.c devices/rtc/pl031.c \
	devices/watchdog/sbsa.c $(machine)
fuzz-guest-cflags := $(machine-cflags)
fuzz-targets += guest_gic_v2
fuzz-guest_gic_v2-sources := $(patsubst %/vgic_v3.c,%/vgic_v2.c,$(fuzz-guest-sources))
fuzz-guest_gic_v2-cflags := $(machine-cflags)
fuzz-targets += guest_x86
fuzz-guest_x86-sources := tests/fuzz/fuzz_guest_x86.c core/channel.c core/console.c devices/serial/uart16550.c \
	devices/rtc/cmos.c devices/watchdog/wdat.c arch/x86/pio.c $(machine-x86)
fuzz-guest_x86-cflags := $(machine-x86-cflags)

fuzz-targets += shell
fuzz-shell-sources := tests/fuzz/fuzz_shell.c $(filter-out %/json_reader.c,$(shell-under-test))

fuzz-targets += virtqueue vswitch
fuzz-virtqueue-sources := tests/fuzz/fuzz_virtqueue.c tests/unit/fake_guests.c $(net-under-test)
fuzz-virtqueue-cflags := -include tests/unit/host_module.h
fuzz-vswitch-sources := tests/fuzz/fuzz_vswitch.c net/vswitch.c net/offload.c net/checksum.c lib/segment.c

fuzz-targets += decode
fuzz-decode-sources := tests/fuzz/fuzz_decode.c arch/x86/decode.c arch/x86/guest_memory.c
fuzz-decode-cflags := -Iarch/x86/include

fuzz-targets += acpi dmar
fuzz-dmar-sources := tests/fuzz/fuzz_dmar.c boot/x86/dmar.c
fuzz-dmar-cflags := -Iarch/x86/include
fuzz-acpi-sources := tests/fuzz/fuzz_acpi.c boot/x86/acpi.c boot/x86/ivrs.c boot/x86/dmar.c
fuzz-acpi-cflags := -Iarch/x86/include
fuzz-targets += ivrs
fuzz-ivrs-sources := tests/fuzz/fuzz_ivrs.c boot/x86/ivrs.c
fuzz-ivrs-cflags := -Iarch/x86/include

fuzz-targets += acpi_tree
fuzz-acpi_tree-sources := tests/fuzz/fuzz_acpi_tree.c boot/efi/arm64/acpi_tree.c \
	$(addprefix $(LIBFDT_DIR)/,fdt.c fdt_ro.c fdt_sw.c fdt_check.c)
fuzz-acpi_tree-cflags := -I$(LIBFDT_DIR)

fuzz-targets += pci
fuzz-pci-sources := tests/fuzz/fuzz_pci.c tests/unit/fake_functions.c core/pci.c core/pci_place.c core/pci_virtual.c core/format.c
fuzz-pci-cflags := -Iarch/x86/include

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 20
FUZZ ?= $(sort $(fuzz-targets))
fuzz-flags := -std=gnu2x -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all $(include-flags) -Iarch/host/include -idirafter arch/arm64/include -include $(config-header)

fuzz-object = $(O)/fuzz/$(1).d/$(patsubst /%,%,$(basename $(2))).o
define fuzz-compile
$(call fuzz-object,$(1),$(2)): $(2) $(config-header) | $(unit-ready) $(O)/generated/version.h
	$$(call say,FUZZCC,$$(call shown,$$@))
	$(Q)mkdir -p $$(@D)
	$(Q)$(FUZZ_CC) $(fuzz-flags) $(if $(filter /%,$(2)),-w,-Wall -Wextra -Werror) $(fuzz-$(1)-cflags) -MMD -MP -c -o $$@ $$<
-include $(patsubst %.o,%.d,$(call fuzz-object,$(1),$(2)))
endef
define fuzz-program
$(foreach source,$(sort $(fuzz-$(1)-sources)),$(eval $(call fuzz-compile,$(1),$(source))))
$(O)/fuzz/$(1): $(foreach source,$(sort $(fuzz-$(1)-sources)),$(call fuzz-object,$(1),$(source)))
	$$(call say,FUZZLD,$$(call shown,$$@))
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $$@ $$^
endef
$(foreach target,$(sort $(fuzz-targets)),$(eval $(call fuzz-program,$(target))))

.PHONY: fuzz
fuzz: $(addprefix $(O)/fuzz/,$(FUZZ)) ## Fuzz what reads untrusted bytes (FUZZ="a b", FUZZ_SECONDS=20 each)
	$(Q)failed=; for target in $(FUZZ); do \
		printf '  %-9s%s\n' FUZZ "$$target"; \
		mkdir -p $(O)/fuzz/$$target.corpus $(O)/fuzz/$$target.found; \
		$(O)/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
			-artifact_prefix=$(O)/fuzz/$$target.found/ $(O)/fuzz/$$target.corpus \
			$$(ls -d tests/fuzz/corpus/$$target 2>/dev/null) > $(O)/fuzz/$$target.log 2>&1 || failed="$$failed $$target"; \
		grep number_of_executed_units $(O)/fuzz/$$target.log || true; \
	done; \
	if [ -n "$$failed" ]; then echo "fuzz: FAILED:$$failed (see $(O)/fuzz/NAME.log)"; exit 1; fi
