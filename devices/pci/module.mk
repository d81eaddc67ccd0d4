# SPDX-License-Identifier: Apache-2.0
mgmt-x86 += devices/pci/ecam.o devices/pci/drivers.o
