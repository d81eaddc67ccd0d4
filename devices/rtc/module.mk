# SPDX-License-Identifier: Apache-2.0
kernel-y += devices/rtc/pl031.o
