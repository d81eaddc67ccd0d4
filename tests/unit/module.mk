# SPDX-License-Identifier: Apache-2.0
# Unit tests; see tools/build/unit.mk. Each helper file of this folder (fake_*.c) is named where it is used.

storage-under-test := storage/gpt.c storage/gpt_read.c storage/volume.c tests/unit/fake_labels.c
unit-tests += gpt volume blk_backend
unit-gpt-sources := tests/unit/test_gpt.c tests/unit/fake_disk.c storage/gpt.c storage/gpt_read.c
unit-volume-sources := tests/unit/test_volume.c tests/unit/fake_disk.c $(storage-under-test)
unit-tests += state slots state_partition volume_label
unit-volume_label-sources := tests/unit/test_volume_label.c $(addprefix storage/,volume_label.c state.c state_format.c gpt.c)
unit-state_partition-sources := tests/unit/test_state_partition.c tests/unit/fake_disk.c \
	$(addprefix storage/,state_partition.c state.c state_format.c slots.c gpt.c gpt_read.c)
unit-state-sources := tests/unit/test_state.c storage/state.c storage/state_format.c storage/gpt.c
unit-slots-sources := tests/unit/test_slots.c storage/slots.c storage/gpt.c
unit-blk_backend-sources := tests/unit/test_blk_backend.c tests/unit/fake_disk.c tests/unit/fake_front.c \
	$(storage-under-test) devices/virtio/backend.c lib/virtqueue.c lib/segment.c

# On the fake architecture (arch/host): core/, the vGIC's logic and emulated devices as they are.
machine := arch/host/machine.c arch/host/arm64/gic.c arch/arm64/vgic.c arch/arm64/vgic_v3.c core/mmio.c core/deadline.c
machine-cflags := -Iarch/host/arm64 -Iarch/arm64/include
unit-tests += vgic
unit-vgic-sources := tests/unit/test_vgic.c $(machine)
unit-vgic-cflags := $(machine-cflags)
machine-gic_v2 := $(patsubst %/vgic_v3.c,%/vgic_v2.c,$(machine))
unit-tests += vgic_v2
unit-vgic_v2-sources := tests/unit/test_vgic_v2.c $(machine-gic_v2)
unit-vgic_v2-cflags := $(machine-cflags)
machine-x86 := arch/host/machine.c arch/host/x86/apic.c arch/x86/vlapic.c arch/x86/vioapic.c arch/x86/hyperv.c core/mmio.c \
	core/deadline.c
machine-x86-cflags := -Iarch/host/x86 -Iarch/x86/include
unit-tests += vlapic
unit-vlapic-sources := tests/unit/test_vlapic.c $(machine-x86)
unit-vlapic-cflags := $(machine-x86-cflags)
unit-tests += avic
unit-avic-sources := tests/unit/test_avic.c arch/x86/avic.c $(machine-x86)
unit-avic-cflags := $(machine-x86-cflags)
unit-tests += nested_paging guest_cpu
unit-guest_cpu-sources := tests/unit/test_guest_cpu.c arch/x86/cpuid.c arch/x86/msr.c
unit-guest_cpu-cflags := -Iarch/x86/include
unit-nested_paging-sources := tests/unit/test_nested_paging.c arch/x86/stage2.c
unit-nested_paging-cflags := $(machine-x86-cflags)
unit-tests += stage2
unit-stage2-sources := tests/unit/test_stage2.c arch/arm64/stage2.c
unit-stage2-cflags := $(machine-cflags) -include tests/unit/fake_sysreg.h
unit-tests += channel
unit-channel-sources := tests/unit/test_channel.c core/channel.c $(machine)
unit-channel-cflags := $(machine-cflags)
unit-tests += iommu vtd
unit-vtd-sources := tests/unit/test_vtd.c devices/iommu/vtd.c
unit-vtd-cflags := $(machine-x86-cflags)
unit-iommu-sources := tests/unit/test_iommu.c devices/iommu/iommu.c
unit-iommu-cflags := $(machine-cflags)

# The check of the bundle, over real ones.
unit-tests += bundle
unit-bundle-sources := tests/unit/test_bundle.c core/bundle.c lib/p256/p256.c lib/sha256/generic.c
unit-bundle-libs := -lfdt
unit-bundle-cflags := -O2 -Ilib/p256/stubs -I$(MBEDTLS_DIR)/3rdparty/p256-m/p256-m -Ilib/sha256 -I$(MBEDTLS_DIR)/include \
	-I$(MBEDTLS_DIR)/library -I$(O)/unit/bundles -Wno-unused-function -DBUNDLES='"$(O)/unit/bundles/"'
$(O)/unit/bundle.d/tests/unit/test_bundle.o: $(O)/unit/bundles/test_key.c
$(O)/unit/bundles/test_key.c: tests/unit/make_bundles.sh tools/sign_bundle.py
	$(call say,BUNDLES,$(call shown,$(@D)))
	$(Q)tests/unit/make_bundles.sh $(@D)

# The loader for UEFI machines, with the same check, on a fake firmware.
unit-tests += efi_loader
unit-efi_loader-sources := tests/unit/test_efi_loader.c tests/unit/fake_disk.c tests/unit/kept_p256.c boot/efi/bundle.c core/format.c \
	lib/sha256/generic.c $(addprefix storage/,gpt.c slots.c state_format.c)
unit-efi_loader-libs := -lfdt
unit-efi_loader-cflags := $(unit-bundle-cflags) -include libfdt.h
$(O)/unit/efi_loader.d/tests/unit/test_efi_loader.o: $(O)/unit/bundles/test_key.c

unit-tests += secure_boot
unit-secure_boot-sources := tests/unit/test_secure_boot.c boot/efi/secure_boot.c
unit-secure_boot-cflags := -Ilib/sha256

# Updates, with the check of their signature; trials; power cuts.
unit-tests += update trial update_power
two-slots-sources := tests/unit/fake_disk.c tests/unit/kept_p256.c tests/unit/sha256.c \
	mgmt/trial.c $(addprefix storage/,update.c manifest.c state_partition.c state.c state_format.c slots.c gpt.c gpt_read.c)
two-slots-cflags := -O2 -Ilib/p256/stubs -I$(MBEDTLS_DIR)/3rdparty/p256-m/p256-m -Ilib/sha256 -I$(MBEDTLS_DIR)/include \
	-I$(MBEDTLS_DIR)/library -I$(O)/unit/updates -Wno-unused-function -include tests/unit/host_module.h \
	-DUPDATES='"$(O)/unit/updates/"' -DMBEDTLS_CONFIG_FILE='"mbedtls_config_generic.h"'
define two-slots-test
unit-$(1)-sources := tests/unit/test_$(1).c $(two-slots-sources)
unit-$(1)-cflags := $(two-slots-cflags)
$(O)/unit/$(1).d/tests/unit/test_$(1).o: $(O)/unit/updates/test_key.c
endef
$(foreach test,update trial update_power,$(eval $(call two-slots-test,$(test))))
$(O)/unit/updates/test_key.c: tests/unit/make_updates.sh tools/sign_bundle.py tools/image/manifest.py
	$(call say,UPDATES,$(call shown,$(@D)))
	$(Q)tests/unit/make_updates.sh $(@D)

# The shell on a fake appliance. shell_on_host runs it on this terminal.
shell-under-test := $(shell-y:.o=.c) lib/ring_reader.c lib/status_text.c lib/stop_cause.c tests/unit/fake_appliance.c \
	storage/state.c storage/state_format.c storage/slots.c storage/gpt.c \
	tests/unit/json_reader.c
unit-tests += line_editor shell console_attach supervisor
unit-line_editor-sources := tests/unit/test_line_editor.c mgmt/line_editor.c lib/utf8.c
unit-shell-sources := tests/unit/test_shell.c $(shell-under-test)
unit-console_attach-sources := tests/unit/test_console_attach.c $(shell-under-test)
unit-supervisor-sources := tests/unit/test_supervisor.c $(shell-under-test)

# Measured boot.
unit-tests += event_log attest
unit-event_log-sources := tests/unit/test_event_log.c lib/event_log.c
attest-under-test := mgmt/attest.c mgmt/quote.c devices/tpm/tis.c lib/event_log.c mgmt/certificate_name.c \
	$(MBEDTLS_DIR)/library/asn1parse.c tests/unit/fake_tpm.c tests/unit/sha256.c
attest-cflags := -Ilib/sha256 -I$(MBEDTLS_DIR)/include -I$(MBEDTLS_DIR)/library -Wno-unused-function \
	-include tests/unit/host_module.h -DMBEDTLS_CONFIG_FILE='"mbedtls_config_generic.h"' -DMBEDTLS_ASN1_PARSE_C
unit-attest-sources := tests/unit/test_attest.c $(attest-under-test)
unit-attest-cflags := $(attest-cflags)

unit-tests += address
unit-address-sources := tests/unit/test_address.c net/address.c

# The TLS console over lwIP, with openssl s_client at the other end.
unit-tests += console_server
unit-console_server-sources := tests/unit/test_console_server.c tests/unit/console_host.c tests/unit/console_tables.c \
	tests/unit/fake_loop.c net/console_server.c net/lwip_port.c net/address.c net/random.c net/tls.c net/tls_identity.c \
	net/tls_platform.c $(lwip-sources:%=$(LWIP_DIR)/src/%) $(mbedtls-sources:%=$(MBEDTLS_DIR)/%)
unit-console_server-cflags := -Inet -Inet/lwip -isystem $(LWIP_DIR)/src/include -isystem $(MBEDTLS_DIR)/include \
	-I$(MBEDTLS_DIR)/library \
	-DMBEDTLS_CONFIG_FILE='"net/mbedtls_config.h"' -include tests/unit/host_module.h
unit-console_server-libs := -lpthread

# The management program's own parts.
unit-tests += interrupt_watch
unit-interrupt_watch-sources := tests/unit/test_interrupt_watch.c tests/unit/fake_pci.c mgmt/interrupt_watch.c
unit-tests += loop ring_reader driver_queue
unit-loop-sources := tests/unit/test_loop.c mgmt/loop.c
unit-ring_reader-sources := tests/unit/test_ring_reader.c lib/ring_reader.c
unit-driver_queue-sources := tests/unit/test_driver_queue.c devices/virtio/driver_queue.c
unit-tests += virtio_pci
unit-virtio_pci-sources := tests/unit/test_virtio_pci.c devices/virtio/pci_transport.c devices/virtio/device.c \
	devices/virtio/driver_queue.c devices/pci/ecam.c
unit-tests += nvme ahci sdhci intel igb_virtual
unit-sdhci-sources := tests/unit/test_sdhci.c tests/unit/fake_pci.c devices/disk/sdhci.c lib/segment.c
unit-sdhci-cflags := -include tests/unit/host_module.h
unit-igb_virtual-sources := tests/unit/test_igb_virtual.c tests/unit/fake_pci.c devices/nic/igb_virtual.c
unit-ahci-sources := tests/unit/test_ahci.c tests/unit/fake_pci.c devices/disk/ahci.c lib/segment.c
unit-intel-sources := tests/unit/test_intel.c tests/unit/fake_pci.c devices/nic/intel.c devices/nic/e1000e.c devices/nic/igb.c \
	net/offload.c net/checksum.c lib/segment.c
unit-tests += gem timing
unit-gem-sources := tests/unit/test_gem.c tests/unit/fake_pci.c lib/segment.c
unit-gem-cflags := -include tests/unit/host_module.h
unit-timing-sources := tests/unit/test_timing.c tests/unit/sha256.c
unit-timing-cflags := $(attest-cflags)
unit-nvme-sources := tests/unit/test_nvme.c tests/unit/fake_pci.c $(nvme-y:.o=.c) lib/segment.c
unit-programs += shell_on_host
unit-shell_on_host-sources := tests/unit/shell_on_host.c $(shell-under-test)

net-under-test := devices/virtio/net_backend.c devices/virtio/backend.c lib/virtqueue.c lib/segment.c net/vswitch.c \
	net/offload.c net/checksum.c
unit-tests += virtqueue vswitch offload net_backend
unit-virtqueue-sources := tests/unit/test_virtqueue.c lib/virtqueue.c lib/segment.c
unit-vswitch-sources := tests/unit/test_vswitch.c net/vswitch.c net/offload.c net/checksum.c lib/segment.c
unit-offload-sources := tests/unit/test_offload.c net/offload.c net/checksum.c lib/segment.c
unit-net_backend-sources := tests/unit/test_net_backend.c tests/unit/fake_guests.c $(net-under-test)
unit-net_backend-cflags := -include tests/unit/host_module.h
unit-tests += console_backend
unit-console_backend-sources := tests/unit/test_console_backend.c tests/unit/fake_front.c \
	devices/virtio/console_backend.c devices/virtio/backend.c lib/virtqueue.c lib/segment.c
unit-console_backend-cflags := -include tests/unit/host_module.h
unit-tests += emulated
unit-emulated-sources := tests/unit/test_emulated.c core/channel.c core/console.c core/heartbeat.c \
	devices/serial/pl011.c devices/rtc/pl031.c devices/watchdog/sbsa.c $(machine)
unit-emulated-cflags := $(machine-cflags)
unit-tests += emulated_x86
unit-emulated_x86-sources := tests/unit/test_emulated_x86.c core/channel.c core/console.c devices/serial/uart16550.c \
	devices/rtc/cmos.c devices/watchdog/wdat.c arch/x86/pio.c $(machine-x86)
unit-emulated_x86-cflags := $(machine-x86-cflags)

# The kernel's core, each file on fakes of what it stands on.
unit-tests += domain
unit-domain-sources := tests/unit/test_domain.c core/domain.c lib/stop_cause.c
unit-domain-cflags := $(machine-cflags)

# x86: what guests are loaded from and handed, and the decoder.
unit-tests += decode guest_boot mmio time_scale calibration
unit-time_scale-sources := tests/unit/test_time_scale.c
unit-time_scale-cflags := -Iarch/x86/include
unit-calibration-sources := tests/unit/test_calibration.c
unit-calibration-cflags := -Iarch/x86/include
unit-tests += memory_x86
unit-memory_x86-sources := tests/unit/test_memory_x86.c arch/x86/native/memcpy.S
unit-memory_x86-cflags := -Dmemcpy=native_memcpy -Dmemmove=native_memmove -Dmemset=native_memset
unit-decode-sources := tests/unit/test_decode.c arch/x86/decode.c
unit-mmio-sources := tests/unit/test_mmio.c $(addprefix arch/x86/,mmio.c decode.c guest_memory.c)
unit-mmio-cflags := -Iarch/x86/include
unit-guest_boot-sources := tests/unit/test_guest_boot.c core/domain_tree.c \
	core/format.c arch/x86/guest_boot.c \
	$(addprefix $(LIBFDT_DIR)/,fdt.c fdt_ro.c fdt_rw.c fdt_sw.c fdt_wip.c fdt_addresses.c)
unit-guest_boot-cflags := -Iarch/x86/include -I$(LIBFDT_DIR)

unit-tests += seed
unit-seed-sources := tests/unit/test_seed.c core/seed.c
unit-seed-cflags := -Iarch/arm64/include

# Of x86-64.
unit-tests += acpi dmar
unit-dmar-sources := tests/unit/test_dmar.c boot/x86/dmar.c
unit-dmar-cflags := -Iarch/x86/include
unit-acpi-sources := tests/unit/test_acpi.c boot/x86/acpi.c boot/x86/ivrs.c boot/x86/dmar.c
unit-acpi-cflags := -Iarch/x86/include
unit-tests += acpi_tree
unit-acpi_tree-sources := tests/unit/test_acpi_tree.c boot/efi/arm64/acpi_tree.c
unit-acpi_tree-libs := -lfdt
unit-tests += ivrs
unit-ivrs-sources := tests/unit/test_ivrs.c boot/x86/ivrs.c
unit-ivrs-cflags := -Iarch/x86/include
unit-tests += smmuv3 its
unit-its-sources := tests/unit/test_its.c arch/arm64/its.c
unit-its-cflags := $(machine-cflags)
unit-smmuv3-sources := tests/unit/test_smmuv3.c devices/iommu/smmuv3.c
unit-smmuv3-cflags := $(machine-cflags)
unit-tests += amdvi
unit-amdvi-sources := tests/unit/test_amdvi.c devices/iommu/amdvi.c
unit-amdvi-cflags := $(machine-x86-cflags)

# PCI: the machine's functions and domains' virtual hosts, on a fake machine.
unit-tests += pci
unit-pci-sources := tests/unit/test_pci.c tests/unit/fake_functions.c core/pci.c core/pci_place.c core/pci_virtual.c core/format.c
unit-pci-cflags := -Iarch/x86/include
