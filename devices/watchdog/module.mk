# SPDX-License-Identifier: Apache-2.0
kernel-arm64 += devices/watchdog/sbsa.o
kernel-x86 += devices/watchdog/wdat.o
mgmt-arm64 += devices/watchdog/generic_watchdog.o
mgmt-x86 += devices/watchdog/tco.o
kernel-small += devices/watchdog/wdat.o
