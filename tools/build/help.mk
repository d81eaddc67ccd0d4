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
	@echo '  UBOOT=1            `make run` through U-Boot (x86-64: ours, from a copy of the disk image)'
	@echo '  UEFI=1             `make run` through OVMF (x86-64)'
	@echo '  IMAGE=1            `make run` from a copy of the disk image, by U-Boot (arm64) or OVMF (x86-64)'
	@echo '  SECURE=1           `make run` from a copy of the disk image, by UEFI with Secure Boot'
