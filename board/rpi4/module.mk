# SPDX-License-Identifier: Apache-2.0
ifeq ($(board),rpi4)
power := board/rpi4/power.o
endif
