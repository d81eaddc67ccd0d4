# SPDX-License-Identifier: Apache-2.0
# Unit tests: our own code as host programs under AddressSanitizer and UndefinedBehaviorSanitizer, on cmocka.
# What a test does not take from an architecture by its own flags (the map of a guest) it has from arm64.
#
# In a module.mk:
#   unit-tests += NAME
#   unit-NAME-sources := tests/unit/test_NAME.c net/NAME.c ...   (paths from the top; absolute for third-party sources)
#   unit-NAME-cflags := ...   unit-NAME-libs := ...              (optional)
#   unit-programs += NAME     (for trying things: built by name, `make O=DIR DIR/unit/NAME`, never run as a test)
# `make unit` builds and runs all; `make unit TESTS="a b"` some.

unit-flags := -std=gnu2x -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all \
	$(include-flags) -Iarch/host/include -idirafter arch/arm64/include -include $(config-header) -Wall -Wextra -Werror -Wvla
$(call flags-file,unit,$(unit-flags))
unit-ready := $(LIBFDT_DIR)/.unpacked $(LWIP_DIR)/.unpacked $(MBEDTLS_DIR)/.unpacked

# A source that several tests compile with the same flags is compiled once, in the folder of the first of them.
unit-key = $(1)/$(subst $(unit-space),/,$(subst =,/,$(subst :,/,$(strip $(unit-$(2)-cflags)))))
unit-space := $(subst ,, )
# $(call unit-object,TEST,SOURCE)
unit-object = $(O)/unit/$(unit-home/$(call unit-key,$(2),$(1))).d/$(patsubst /%,%,$(basename $(2))).o
define unit-compile
ifndef unit-home/$(call unit-key,$(2),$(1))
unit-home/$(call unit-key,$(2),$(1)) := $(1)
$(O)/unit/$(1).d/$(patsubst /%,%,$(basename $(2))).o: $(2) $(config-header) $(O)/flags/unit | $(unit-ready) $(O)/generated/version.h
	$$(call say,HOSTCC,$$(call shown,$$@))
	$(Q)mkdir -p $$(@D)
	$(Q)$(HOST_CC) $(unit-flags) $(if $(filter /%,$(2)),-w) $(unit-$(1)-cflags) -MMD -MP -c -o $$@ $$<
-include $(O)/unit/$(1).d/$(patsubst /%,%,$(basename $(2))).d
endif
endef
define unit-program
$(foreach source,$(sort $(unit-$(1)-sources)),$(eval $(call unit-compile,$(1),$(source))))
$(O)/unit/$(1): $(foreach source,$(sort $(unit-$(1)-sources)),$(call unit-object,$(1),$(source)))
	$$(call say,HOSTLD,$$(call shown,$$@))
	$(Q)$(HOST_CC) -fsanitize=address,undefined -o $$@ $$^ $(unit-$(1)-libs) -lcmocka
endef
$(foreach test,$(sort $(unit-tests) $(unit-programs)),$(eval $(call unit-program,$(test))))
$(sort $(filter /%,$(foreach test,$(unit-tests) $(unit-programs),$(unit-$(test)-sources)))): | $(unit-ready) ;

# As many run at once as make may; what one says comes in one piece when it ends.
TESTS ?= $(sort $(unit-tests))
unit-patience := 1200
unit-runs := $(addprefix $(O)/unit/,$(addsuffix .run,$(TESTS)))
.PHONY: unit $(unit-runs)
$(unit-runs): $(O)/unit/%.run: $(O)/unit/%
	$(Q)rm -f $(O)/unit/$*.passed; \
	ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
		timeout $(unit-patience) $< >$(O)/unit/$*.log 2>&1 && touch $(O)/unit/$*.passed; \
	[ $$? != 124 ] || echo 'it did not end in $(unit-patience) seconds' >>$(O)/unit/$*.log; \
	flock $(O)/unit sh -c 'printf "  %-9s%s\n" UNIT "$*"; cat $(O)/unit/$*.log'

unit: $(unit-runs) ## Build and run the unit tests (TESTS="a b" picks some)
	$(Q)failed=; for test in $(TESTS); do [ -e $(O)/unit/$$test.passed ] || failed="$$failed $$test"; done; \
	if [ -n "$$failed" ]; then echo "unit: FAILED:$$failed"; exit 1; fi; \
	echo "unit: $(words $(TESTS)) programs passed"
