# SPDX-License-Identifier: Apache-2.0
# Bulkhead's build. `make help` lists what it can do; tools/build/ holds the parts.

# Where everything that is built goes, and where downloads and third-party builds are kept between builds.
O ?= build
CACHE ?= $(HOME)/.cache/bulkhead
override O := $(abspath $(O))
override CACHE := $(abspath $(CACHE))

SHELL := /bin/bash
.SHELLFLAGS := -e -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := all

# V=1 shows the commands; otherwise each step says in a few words what it does.
Q := $(if $(V),,@)
say = @printf '  %-9s%s\n' '$(1)' '$(2)'
# $(call shown,FILE): a file's name for people
shown = $(patsubst $(O)/%,%,$(patsubst $(CACHE)/%,%,$(1)))

# A configuration and what is built from it, in one command: one after the other, for each reads what the former left.
first-goals := $(filter %_defconfig menuconfig olddefconfig clean distclean,$(MAKECMDGOALS))
ifneq ($(and $(first-goals),$(filter-out $(first-goals),$(MAKECMDGOALS))),)
.PHONY: one-by-one $(MAKECMDGOALS)
$(MAKECMDGOALS): one-by-one ; @:
one-by-one:
	$(Q)for goal in $(MAKECMDGOALS); do $(MAKE) "$$goal"; done
else

include tools/build/toolchain.mk
include tools/build/kconfig.mk
include tools/build/third_party.mk
include tools/build/compile.mk
include tools/build/kernel.mk
include tools/build/native.mk
include tools/build/unit.mk
include tools/build/linux.mk
include tools/build/certificates.mk
include tools/build/signing.mk
include tools/build/secure_boot.mk
include tools/build/bundle.mk
include tools/build/iso.mk
include tools/build/image.mk
include tools/build/run.mk
-include tests/bench/bench.mk tests/fuzz/fuzz.mk
include tools/build/help.mk

.PHONY: all clean distclean
all: appliance ## Build everything for the configured appliance (the default)

clean: ## Remove what was built from this tree; keep .config
	$(Q)rm -rf $(filter-out $(O)/.config $(O)/.config.old,$(wildcard $(O)/* $(O)/.linux.d))

distclean: ## Remove the whole output directory
	$(Q)rm -rf $(O)

endif
