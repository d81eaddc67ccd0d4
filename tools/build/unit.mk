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

# $(call unit-object,TEST,SOURCE)
unit-object = $(O)/unit/$(1).d/$(patsubst /%,%,$(basename $(2))).o
define unit-compile
$(call unit-object,$(1),$(2)): $(2) $(config-header) $(O)/flags/unit | $(unit-ready) $(O)/generated/version.h
	$$(call say,HOSTCC,$$(call shown,$$@))
	$(Q)mkdir -p $$(@D)
	$(Q)$(HOST_CC) $(unit-flags) $(if $(filter /%,$(2)),-w) $(unit-$(1)-cflags) -MMD -MP -c -o $$@ $$<
-include $(patsubst %.o,%.d,$(call unit-object,$(1),$(2)))
endef
define unit-program
$(foreach source,$(sort $(unit-$(1)-sources)),$(eval $(call unit-compile,$(1),$(source))))
$(O)/unit/$(1): $(foreach source,$(sort $(unit-$(1)-sources)),$(call unit-object,$(1),$(source)))
	$$(call say,HOSTLD,$$(call shown,$$@))
	$(Q)$(HOST_CC) -fsanitize=address,undefined -o $$@ $$^ $(unit-$(1)-libs) -lcmocka
endef
$(foreach test,$(sort $(unit-tests) $(unit-programs)),$(eval $(call unit-program,$(test))))
$(sort $(filter /%,$(foreach test,$(unit-tests) $(unit-programs),$(unit-$(test)-sources)))): | $(unit-ready) ;

TESTS ?= $(sort $(unit-tests))
.PHONY: unit
unit: $(addprefix $(O)/unit/,$(TESTS)) ## Build and run the unit tests (TESTS="a b" picks some)
	$(Q)failed=; for test in $(TESTS); do \
		printf '  %-9s%s\n' UNIT "$$test"; \
		ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
			timeout 300 $(O)/unit/$$test || failed="$$failed $$test"; \
	done; \
	if [ -n "$$failed" ]; then echo "unit: FAILED:$$failed"; exit 1; fi; \
	echo "unit: $(words $(TESTS)) programs passed"
