# SPDX-License-Identifier: Apache-2.0
mgmt-y += devices/tpm/tis.o
