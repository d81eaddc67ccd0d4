# SPDX-License-Identifier: Apache-2.0
mgmt-y += devices/pci/ecam.o devices/pci/drivers.o devices/pci/virtual.o
