# SPDX-License-Identifier: Apache-2.0
# Running and testing. These goals install what is missing first, so they build through a make of their own.

CPU ?= $(board-cpu)
SMP ?= 4
MEMORY ?= 2G
TLS_PORT ?= 2992

# All CPUs, unless make was told how many.
jobs = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: dependencies run test
dependencies: ## Install the Debian packages that building, running and testing need (as root; else say which)
	$(Q)tools/dependencies.sh run test arm64 x86

# Debian's U-Boot, or on x86 ours with the disk image.
run-by-uboot := $(if $(filter x86,$(ARCH)),appliance $(O)/bulkhead.img $(O)/u-boot.rom,uboot)

run: ## Build everything and start the appliance in QEMU, with the management shell on this terminal
	$(Q)tools/dependencies.sh run $(ARCH) $(if $(UBOOT)$(UEFI)$(IMAGE)$(SECURE)$(TPM)$(filter bochs sbsa-ref,$(board)),test)
	$(Q)$(MAKE) $(if $(V),,-s) $(jobs) O=$(O) $(if $(UBOOT),$(run-by-uboot),appliance) $(if $(IMAGE)$(SECURE),$(O)/bulkhead.img) $(if $(SECURE),$(O)/secure-boot/.made) $(if $(UEFI),$(O)/boot.efi) $(if $(filter sbsa-ref,$(board)),$(O)/bulkhead.img firmware)
	$(Q)UBOOT=$(UBOOT) UEFI=$(UEFI) IMAGE=$(IMAGE) SECURE=$(SECURE) TPM=$(TPM) ACCEL=$(ACCEL) tools/run.sh $(O) $(board) $(CPU) $(SMP) $(MEMORY) $(TLS_PORT)

ARCHS ?= arm64 x86

# The architectures' system tests run at once: much of their time is waiting.
test: ## Run all tests: unit tests, then the system tests in QEMU and Bochs (ARCHS="arm64 x86")
	$(Q)tools/dependencies.sh run test arm64 x86
	$(Q)$(MAKE) $(jobs) O=$(O) unit third-party linux
	$(Q)echo '  TEST     tests/system: builds each configuration that it needs, and runs it in QEMU or Bochs'
	$(Q)O=$(O) $(PYTHON) tests/system/sessions.py $(ARCHS) -- -v -p no:cacheprovider --durations=25 $(PYTEST_FLAGS)
