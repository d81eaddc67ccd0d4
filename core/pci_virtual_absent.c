// SPDX-License-Identifier: Apache-2.0
/* The configuration switches no virtual functions on. */
#include "pci_parts.h"

void pci_add_virtual(void) {}
