# SPDX-License-Identifier: Apache-2.0
ARCH := x86
board-cpu := max
