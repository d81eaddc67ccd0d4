# SPDX-License-Identifier: Apache-2.0
kernel-arm64 += devices/watchdog/sbsa.o
