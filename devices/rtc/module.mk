# SPDX-License-Identifier: Apache-2.0
kernel-arm64 += devices/rtc/pl031.o
kernel-x86 += devices/rtc/cmos.o
kernel-small += devices/rtc/cmos.o
mgmt-arm64 += devices/rtc/$(or $(clock),pl031)_clock.o
mgmt-x86 += devices/rtc/cmos_clock.o
