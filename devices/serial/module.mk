# SPDX-License-Identifier: Apache-2.0
kernel-y += devices/serial/pl011.o devices/serial/pl011_early.o
