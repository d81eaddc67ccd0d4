# SPDX-License-Identifier: Apache-2.0
# Configuration: .config in the output directory, edited through kconfiglib, resolved into generated/.

kconfig-files := Kconfig $(wildcard board/Kconfig board/*/Kconfig tools/kconfig/*.kconfig)
kconfig-environment := srctree=$(CURDIR) KCONFIG_CONFIG=$(O)/.config
# Runs a program of kconfiglib; $(1) is its module.
kconfig-run = $(Q)mkdir -p $(O) && $(kconfig-environment) $(PYTHON) -m $(1)

.PHONY: menuconfig olddefconfig savedefconfig config-from-file config
menuconfig: | $(O)/.config ## Edit the configuration
	$(call kconfig-run,menuconfig) Kconfig

%_defconfig: configs/%_defconfig ## Start from configs/NAME_defconfig
	$(call kconfig-run,defconfig) --kconfig Kconfig $<

# Only ever made by the rule above: says which names there are when one is mistyped.
configs/%_defconfig:
	@echo "there is no $@; choose from: $(notdir $(wildcard configs/*_defconfig))"; exit 1

olddefconfig: ## Give options that are new since .config was written their defaults
	$(call kconfig-run,olddefconfig) Kconfig

savedefconfig: | $(O)/.config ## Write what differs from the defaults to O/defconfig
	$(call kconfig-run,savedefconfig) --kconfig Kconfig --out $(O)/defconfig
	@echo "saved as $(O)/defconfig; copy it to configs/NAME_defconfig to keep it"

# For tests and scripts: KCONFIG_SOURCE names a file of options, read as a defconfig is.
config-from-file:
	$(Q)[ -n "$(KCONFIG_SOURCE)" ] || { echo "usage: make O=DIR KCONFIG_SOURCE=FILE config-from-file"; exit 1; }
	$(Q)mkdir -p $(O) && { cmp -s $(KCONFIG_SOURCE) $(O)/.config || cp $(KCONFIG_SOURCE) $(O)/.config; }

config: $(O)/generated/.resolved ## Check the configuration and show it as a table and a picture (partitions.txt, flow.svg)
	$(if $(MAKE_RESTARTS),@: shown just now,$(Q)cat $(O)/partitions.txt)

$(O)/.config:
	@echo "  CONFIG   no .config in $(O): starting from configs/$(subst -,_,$(board))_defconfig"
	$(call kconfig-run,defconfig) --kconfig Kconfig configs/$(subst -,_,$(board))_defconfig >/dev/null

$(O)/generated/.resolved: $(O)/.config $(kconfig-files) $(wildcard tools/resolver/*.py tools/resolver/*/*.py board/*/devices.txt) \
		include/bulkhead/limits.h include/bulkhead/load_plan.h include/bulkhead/partition.h arch/$(ARCH)/include/bulkhead/guest_map.h
	$(call say,RESOLVE,.config)
	$(Q)mkdir -p $(@D) && $(PYTHON) -m tools.resolver --config $(O)/.config --output $(O)
	$(Q)touch $@

generated-files := $(addprefix $(O)/generated/,config.h partitions.c management.c bundle.its bundle.mk kernel.mk)
$(generated-files) $(O)/partitions.txt $(O)/flow.svg: $(O)/generated/.resolved
	@:
