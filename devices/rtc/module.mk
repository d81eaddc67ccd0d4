# SPDX-License-Identifier: Apache-2.0
kernel-arm64 += devices/rtc/pl031.o
