# SPDX-License-Identifier: Apache-2.0
ARCH := x86
board-cpu := corei7_skylake_x
