# SPDX-License-Identifier: Apache-2.0
# The console's certificates: the operator's own, or development ones that the build makes once a machine and marks as such.

# In the cache, so that two builds on this machine give the same bytes.
development-certificates := $(CACHE)/certificates
certificate-files := $(foreach name,ca server client,$(name).crt $(name).key)

$(development-certificates)/.made: | tools/make_certificates
	$(call say,OPENSSL,development certificates)
	$(Q)mkdir -p $(@D)
	$(Q)flock $(@D).lock sh -c 'test -e $@ || { tools/make_certificates $(@D) && touch $@; }'

$(O)/certificates/.copied: $(development-certificates)/.made
	$(Q)mkdir -p $(@D)
	$(Q)cp -p $(addprefix $(<D)/,$(certificate-files)) $(@D)/
	$(Q)touch $@

$(O)/generated/certificates.c: $(O)/certificates/.copied $(O)/generated/.resolved tools/embed_certificates.py
	$(call say,EMBED,$(call shown,$@))
	$(Q)$(PYTHON) tools/embed_certificates.py --config $(O)/.config --development $(O)/certificates --output $@

.PHONY: certificates
certificates: $(O)/certificates/.copied ## Make the development certificates (O/certificates)
