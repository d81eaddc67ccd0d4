# SPDX-License-Identifier: Apache-2.0
# Third-party sources: fetched once into CACHE, checked against tools/third_party/pins.txt, unpacked and built there.

LWIP_DIR := $(CACHE)/lwip-2.2.1
MBEDTLS_DIR := $(CACHE)/mbedtls-3.6.6
DTC_DIR := $(CACHE)/dtc-1.7.2
LIBFDT_DIR := $(DTC_DIR)/libfdt
PICOLIBC_SOURCE := $(CACHE)/picolibc-1.8.10
# A change of the recipe makes another directory, so that trees of different commits can share one cache.
picolibc-recipe := tools/third_party/picolibc.sh $(picolibc-cross)
PICOLIBC_DIR := $(CACHE)/picolibc-1.8.10-$(shell cat $(picolibc-recipe) | sha256sum | cut -c1-12)

# For boards with a U-Boot of ours: u-boot-defconfig in board.mk.
UBOOT_SOURCE := $(CACHE)/u-boot-2025.01
uboot-recipe := tools/third_party/u-boot.sh $(wildcard boot/u-boot/* board/$(board)/u-boot.config board/$(board)/u-boot.cmd board/$(board)/u-boot.patch)
UBOOT_DIR := $(CACHE)/u-boot-2025.01-$(board)-$(shell cat $(uboot-recipe) | sha256sum | cut -c1-12)

# For QEMU's sbsa-ref, whose firmware nobody packages.
TRUSTED_FIRMWARE_SOURCE := $(CACHE)/arm-trusted-firmware-2.12.1
sbsa-recipe := tools/third_party/sbsa_firmware.sh board/sbsa-ref/firmware.config board/sbsa-ref/u-boot.patch
SBSA_DIR := $(CACHE)/sbsa-firmware-$(shell cat $(sbsa-recipe) | sha256sum | cut -c1-12)

third-party-unpack = $(Q)tools/third_party/unpack.sh $(CACHE)
$(LWIP_DIR)/.unpacked:
	$(third-party-unpack) lwip $(@D)
$(MBEDTLS_DIR)/.unpacked:
	$(third-party-unpack) mbedtls $(@D)
$(DTC_DIR)/.unpacked:
	$(third-party-unpack) device-tree-compiler $(@D)
$(PICOLIBC_SOURCE)/.unpacked:
	$(third-party-unpack) picolibc $(@D)
$(UBOOT_SOURCE)/.unpacked:
	$(third-party-unpack) u-boot $(@D)
$(LIBFDT_DIR)/.unpacked: | $(DTC_DIR)/.unpacked
	$(Q)touch $@
$(PICOLIBC_DIR)/.built: | $(PICOLIBC_SOURCE)/.unpacked
	$(Q)tools/third_party/picolibc.sh $(PICOLIBC_SOURCE) $(@D) $(notdir $(picolibc-cross))
$(UBOOT_DIR)/.built: | $(UBOOT_SOURCE)/.unpacked
	$(Q)tools/third_party/u-boot.sh $(UBOOT_SOURCE) $(@D) $(CROSS_COMPILE) $(u-boot-defconfig) $(board)
$(TRUSTED_FIRMWARE_SOURCE)/.unpacked:
	$(third-party-unpack) arm-trusted-firmware $(@D)
$(SBSA_DIR)/.built: | $(TRUSTED_FIRMWARE_SOURCE)/.unpacked $(UBOOT_SOURCE)/.unpacked
	$(Q)tools/third_party/sbsa_firmware.sh $(TRUSTED_FIRMWARE_SOURCE) $(UBOOT_SOURCE) $(@D) $(CROSS_COMPILE)
# Copies: firmware may write to its flash.
$(O)/flash0.fd $(O)/flash1.fd: $(O)/%.fd: $(SBSA_DIR)/.built $(sbsa-recipe)
	$(Q)mkdir -p $(@D)
	$(Q)cp --sparse=always $(SBSA_DIR)/$*.fd $@
.PHONY: firmware
firmware: $(if $(filter sbsa-ref,$(board)),$(O)/flash0.fd $(O)/flash1.fd) ## Build the firmware of a board that has none of its own (sbsa-ref)

.PHONY: third-party
third-party: $(third-party-ready) $(LWIP_DIR)/.unpacked $(MBEDTLS_DIR)/.unpacked $(LIBFDT_DIR)/.unpacked $(PICOLIBC_DIR)/.built ## Fetch and build the third-party sources only
