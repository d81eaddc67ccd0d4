# SPDX-License-Identifier: Apache-2.0
# UEFI Secure Boot: the loader and the kernel are PE files, signed with the operator's key (generated/bundle.mk has the paths), or with a
# development key that the build makes once a machine, in the cache. And the lists that a machine is told (docs/secure-boot.md).

secure-boot-development := $(CACHE)/secure-boot-key/development
$(secure-boot-development).crt: $(secure-boot-development).pem
	@:
$(secure-boot-development).pem:
	$(call say,OPENSSL,a development key to sign UEFI files with)
	$(Q)mkdir -p $(@D)
	$(Q)(umask 077; flock $(@D) sh -c 'test -e $@ || { openssl req -x509 -newkey rsa:2048 -noenc -sha256 -days 36500 -keyout $@.new \
		-out $(secure-boot-development).crt -subj "/CN=Bulkhead DEVELOPMENT (Secure Boot)" 2>/dev/null && mv $@.new $@; }')

# Signed with `pe-key`, unless that is empty; machines know `pe-certificate`. The lists are signed with `owner-key`, unless that is empty.
pe-certificate := $(or $(secure-boot-certificate),$(secure-boot-development).crt)
pe-key := $(or $(secure-boot-signing-key),$(if $(secure-boot-certificate),,$(secure-boot-development).pem))
owner-certificate := $(or $(secure-boot-owner-certificate),$(pe-certificate))
owner-key := $(or $(secure-boot-owner-key),$(if $(secure-boot-owner-certificate),,$(pe-key)))

# The time in all signatures is the certificate's first moment, so that the same key gives the same bytes.
signing-time = $$(date -u -d "$$(openssl x509 -in $(pe-certificate) -noout -startdate | cut -d= -f2)" '+%F %T')

# $(call sign-pe,FILE,NAME): in place, where the key is here
sign-pe = $(Q)$(if $(pe-key),TZ=UTC faketime -f "$(signing-time)" sbsign --key $(pe-key) --cert $(pe-certificate) --output $(1) $(1) >$(1).log 2>&1 || \
	{ cat $(1).log; exit 1; }; rm $(1).log,printf '  %-9s%s\n' UNSIGNED '$(2): sign it for UEFI with sbsign (docs/secure-boot.md)')
sign-pe-needs := $(pe-key) $(pe-certificate)
$(O)/bulkhead.bin: $(sign-pe-needs)

# What the loader knows of it.
$(O)/generated/secure_boot_key.c: $(O)/generated/.resolved
	$(Q)printf '/* Made from .config. */\n#include <boot/efi/secure_boot.h>\n\nconst bool secure_boot_key_is_development = %s;\n' \
		$(if $(secure-boot-certificate),false,true) >$@.new
	$(Q)mv $@.new $@

# The lists: as certificates, as lists (db may have more of them), and signed. Their owner's name is ours.
bulkhead-guid := 0a9f7c52-2f4e-5d0b-9a3c-5b1e7d3f6a10
secure-boot-lists := $(foreach name,PK KEK db,$(name).cer $(name).esl $(if $(owner-key),$(name).auth))
$(O)/secure-boot/.made: $(owner-key) $(owner-certificate) $(pe-certificate) $(secure-boot-more-certificates) $(O)/generated/.resolved
	$(call say,LISTS,secure-boot)
	$(Q)mkdir -p $(@D)
	$(Q)make_list() { name=$$1; shift; openssl x509 -in $$1 -outform DER -out $(@D)/$$name.cer; : >$(@D)/$$name.esl; \
		for file; do cert-to-efi-sig-list -g $(bulkhead-guid) $$file $@.one && cat $@.one >>$(@D)/$$name.esl; done; \
		$(if $(owner-key),sign-efi-sig-list -g $(bulkhead-guid) -t "$(signing-time)" -k $(owner-key) -c $(owner-certificate) \
		$$name $(@D)/$$name.esl $(@D)/$$name.auth >$@.log || { cat $@.log; exit 1; }); }; \
	make_list PK $(owner-certificate); make_list KEK $(owner-certificate); make_list db $(pe-certificate) $(secure-boot-more-certificates); \
	rm -f $@.one $@.log
	$(Q)echo 'the loader enrols the keys beside this file on a machine in Setup Mode' >$(@D)/enroll
	$(Q)touch $@

# On the image's EFI system partition, where firmware's menus and the loader find them.
secure-boot-files := $(secure-boot-lists) $(if $(secure-boot-enroll),enroll)
secure-boot-esp := $(foreach file,$(secure-boot-files),EFI/keys/$(file)=$(O)/secure-boot/$(file))
$(addprefix $(O)/secure-boot/,$(secure-boot-files)): $(O)/secure-boot/.made
	@:

.PHONY: secure-boot
secure-boot: $(O)/secure-boot/.made ## Make the lists that a UEFI machine is told for Secure Boot (docs/secure-boot.md)
	@echo "in $(O)/secure-boot: PK, KEK and db, as certificates (.cer), as lists (.esl)$(if $(owner-key), and signed (.auth))"
