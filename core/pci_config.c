// SPDX-License-Identifier: Apache-2.0
/* Configuration space behind ECAM (7.2.2). */
#include <core/pci.h>

uint32_t pci_read(const struct pci_function *function, uint32_t offset, uint32_t width)
{
    volatile uint8_t *at = function->config + offset;

    return width == 1 ? *at : width == 2 ? *(volatile uint16_t *)at : *(volatile uint32_t *)at;
}

void pci_write(const struct pci_function *function, uint32_t offset, uint32_t width, uint32_t value)
{
    volatile uint8_t *at = function->config + offset;

    if (width == 1)
        *at = (uint8_t)value;
    else if (width == 2)
        *(volatile uint16_t *)at = (uint16_t)value;
    else
        *(volatile uint32_t *)at = value;
}
