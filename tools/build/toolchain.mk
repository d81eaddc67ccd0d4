# SPDX-License-Identifier: Apache-2.0
# Compilers, and what makes two builds of one commit give the same bytes.

# The board in .config decides the architecture (board/NAME/board.mk), and that the compiler (arch/ARCH/arch.mk). Without a
# .config it is the default's, which `make ARCH=x86` makes that of x86.
board := $(lastword $(shell sed -n 's/^CONFIG_BOARD_\([A-Z0-9_]*\)=y$$/\1/p' $(O)/.config 2>/dev/null | tr A-Z_ a-z-))
board := $(if $(wildcard board/$(board)/board.mk),$(board),$(if $(filter x86,$(ARCH)),q35,qemu-virt))
include board/$(board)/board.mk
include arch/$(ARCH)/arch.mk
TARGET_CC := $(CROSS_COMPILE)gcc
TARGET_AR := $(CROSS_COMPILE)ar
TARGET_OBJCOPY := $(CROSS_COMPILE)objcopy
compiler-include := $(shell $(TARGET_CC) -print-file-name=include 2>/dev/null)
HOST_CC ?= gcc
# Debian's own python: that is the one kconfiglib is installed for.
PYTHON := PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3

export LC_ALL := C.UTF-8
export TZ := UTC
export SOURCE_DATE_EPOCH := $(or $(shell git log -1 --format=%ct 2>/dev/null),1)

# Goals for which nothing is compiled by this make: some of them run before the compilers are installed.
nobuild-goals := help clean distclean dependencies menuconfig %_defconfig olddefconfig savedefconfig config-from-file run test bench image flash
building := $(filter-out $(nobuild-goals),$(or $(MAKECMDGOALS),all))
$(if $(building),$(if $(compiler-include),,$(error $(TARGET_CC) is not installed: run `make dependencies` first)))

# Tests run make again, with the same cache.
export CACHE

# No path of the building machine enters an object.
prefix-map := -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(CACHE)=third-party -ffile-prefix-map=$(O)=build

warnings := -Wall -Wextra -Werror -Wmissing-prototypes -Wvla -Wundef
