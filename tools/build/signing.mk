# SPDX-License-Identifier: Apache-2.0
# What the bundle and the boot slots are signed with: the operator's keys (generated/bundle.mk has their paths), or development
# keys that the build makes once a machine, in the cache, so that two builds there give the same bytes.

development-key := $(CACHE)/bundle-key/development.pem
$(development-key):
	$(call say,OPENSSL,a development key to sign bundles with)
	$(Q)mkdir -p $(@D)
	$(Q)(umask 077; flock $(@D) sh -c 'test -e $@ || { openssl ecparam -name prime256v1 -genkey -noout -out $@.new && mv $@.new $@; }')

# Signed with `signing-key`, unless that is empty; the kernel knows `known-key`, public or private.
known-key := $(or $(bundle-public-key),$(bundle-signing-key),$(development-key))
signing-key := $(or $(bundle-signing-key),$(if $(bundle-public-key),,$(development-key)))
key-is-development := $(filter $(development-key),$(signing-key))

$(O)/generated/bundle_key.c: $(known-key) $(O)/generated/.resolved tools/sign_bundle.py
	$(call say,KEY,$(call shown,$@))
	$(Q)$(PYTHON) tools/sign_bundle.py source $(if $(key-is-development),--development) \
		--minimum $(or $(bundle-version-minimum),0) $(known-key) $@

# $(call sign-bundle,FILE): in place; or, where the key is elsewhere, what is to be signed there
sign-bundle = $(Q)$(if $(signing-key),$(PYTHON) tools/sign_bundle.py sign $(signing-key) $(1), \
	$(PYTHON) tools/sign_bundle.py prepare $(known-key) $(1) $(O)/bundle.tbs; \
	printf '  %-9s%s\n' UNSIGNED 'bundle.itb: sign bundle.tbs and attach the signature (docs/verified-boot.md)')

# Boot slots, for U-Boot. Signed with `slot-signing-key`, unless that is empty; U-Boot knows `slot-known-key`, public or private.
slot-development-key := $(CACHE)/slot-key/development.pem
$(slot-development-key):
	$(call say,OPENSSL,a development key to sign boot slots with)
	$(Q)mkdir -p $(@D)
	$(Q)(umask 077; flock $(@D) sh -c 'test -e $@ || { openssl genrsa -out $@.new 2048 2>/dev/null && mv $@.new $@; }')

slot-known-key := $(or $(image-slot-public-key),$(image-slot-signing-key),$(slot-development-key))
slot-signing-key := $(or $(image-slot-signing-key),$(if $(image-slot-public-key),,$(slot-development-key)))
