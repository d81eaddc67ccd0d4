# SPDX-License-Identifier: Apache-2.0
ARCH := arm64
board-cpu := neoverse-n1
