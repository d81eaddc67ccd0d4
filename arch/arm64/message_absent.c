// SPDX-License-Identifier: Apache-2.0
/* A GIC without message interrupts: PCI functions interrupt by lines. */
#include <arch/its.h>
#include <core/message.h>

struct its_doorbell its_doorbell(void)
{
    return (struct its_doorbell){};
}

uint32_t message_reserve(struct domain *domain, uint32_t requester, uint32_t count, struct device_status *status)
{
    (void)domain, (void)requester, (void)count, (void)status;
    return 0;
}

bool message_bind(struct domain *domain, uint32_t requester, uint32_t index, struct message guest,
                  struct message *physical)
{
    (void)domain, (void)requester, (void)index, (void)guest, (void)physical;
    return false;
}

void message_unbind(struct domain *domain, uint32_t requester, uint32_t index)
{
    (void)domain, (void)requester, (void)index;
}

void message_reset(struct domain *domain)
{
    (void)domain;
}
