# SPDX-License-Identifier: Apache-2.0
# `make help`: the comments behind targets, and the variables.
.PHONY: help
help: ## Show this
	@echo 'Bulkhead: a separation kernel and the appliance on it'
	@echo
	@echo 'Targets:'
	@sed -n 's/^\([a-z%][a-zA-Z_% -]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) \
		| sed 's/^%_defconfig/NAME_defconfig/' | sort | awk -F '\t' '{printf "  %-18s %s\n", $$1, $$2}'
	@echo
	@echo 'Configurations (NAME_defconfig): $(notdir $(wildcard configs/*_defconfig))'
	@echo
	@echo 'Variables:'
	@echo '  O=DIR              output directory (build)'
	@echo '  CACHE=DIR          downloads and third-party builds, kept between builds (~/.cache/bulkhead)'
	@echo '  V=1                show the commands'
	@echo '  CPU=, SMP=, MEMORY=, TLS_PORT=   machine of `make run` ($(board-cpu), 4, 2G, 2992)'
	@echo '  UBOOT=1            `make run` through U-Boot (x86-64: ours, from a copy of the disk image; arm64: Debian'\''s)'
	@echo '  UEFI=1             `make run` through UEFI: OVMF on x86-64, edk2 on arm64'
	@echo '  IMAGE=1            `make run` from a copy of the disk image, by our U-Boot (arm64; with UEFI=1 by edk2) or OVMF (x86-64)'
	@echo '  SECURE=1           as IMAGE=1, by UEFI with Secure Boot'
	@echo '  TPM=1              `make run` with a TPM 2.0 (swtpm)'
	@echo '  ACCEL=kvm|tcg      `make run` on x86-64: by KVM, nested, or emulated (KVM wherever it can)'
