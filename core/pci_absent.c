// SPDX-License-Identifier: Apache-2.0
/* No domain has PCI functions: the machine's stay as firmware left them. */
#include <core/log.h>
#include <core/vpci.h>

void pci_init(void)
{
    if (platform.pci.ecam.value)
        log_line("PCI: no domain has any, all functions stay as firmware left them");
}

void vpci_claim(void) {}

bool vpci_init(struct domain *domain)
{
    (void)domain;
    return true;
}

void vpci_reset(struct domain *domain)
{
    (void)domain;
}

void vpci_start(struct domain *domain)
{
    (void)domain;
}

void vpci_interrupt(struct domain *domain)
{
    (void)domain;
}

void vpci_line_end(struct domain *domain, uint32_t line)
{
    (void)domain, (void)line;
}

struct vpci_host vpci_host(const struct domain *domain)
{
    (void)domain;
    return (struct vpci_host){0};
}
