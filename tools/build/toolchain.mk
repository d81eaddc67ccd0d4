# SPDX-License-Identifier: Apache-2.0
# Compilers, and what makes two builds of one commit give the same bytes.

CROSS_COMPILE ?= aarch64-linux-gnu-
TARGET_CC := $(CROSS_COMPILE)gcc
TARGET_AR := $(CROSS_COMPILE)ar
TARGET_OBJCOPY := $(CROSS_COMPILE)objcopy
TARGET_SIZE := $(CROSS_COMPILE)size
HOST_CC ?= gcc
# Debian's own python: that is the one kconfiglib is installed for.
PYTHON := PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3

export LC_ALL := C.UTF-8
export TZ := UTC
export SOURCE_DATE_EPOCH := $(or $(shell git log -1 --format=%ct 2>/dev/null),1)

# No path of the building machine enters an object.
prefix-map := -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(CACHE)=third-party -ffile-prefix-map=$(O)=build

warnings := -Wall -Wextra -Werror -Wmissing-prototypes -Wvla -Wundef
