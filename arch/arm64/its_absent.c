// SPDX-License-Identifier: Apache-2.0
/* No domain has PCI functions that could send messages, and no CPU takes LPIs. */
#include <arch/its.h>

void its_init(void) {}

void its_interrupt(uint32_t intid)
{
    (void)intid;
}

void its_route(struct domain *domain, uint32_t line, uint32_t cpu)
{
    (void)domain, (void)line, (void)cpu;
}
