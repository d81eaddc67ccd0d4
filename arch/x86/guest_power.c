// SPDX-License-Identifier: Apache-2.0
#include <arch/guest_power.h>

#include <arch/pio.h>
#include <bulkhead/guest_map.h>

enum { SLEEP_CONTROL, SLEEP_STATUS, RESET, PORTS };
_Static_assert(GUEST_PORT_SLEEP_STATUS == GUEST_PORT_SLEEP_CONTROL + SLEEP_STATUS, "ports are neighbours");
_Static_assert(GUEST_PORT_RESET == GUEST_PORT_SLEEP_CONTROL + RESET, "ports are neighbours");

/* The wake status is never set: no sleep but the last one. */
static uint8_t read_register(struct vcpu *vcpu, void *device, uint16_t offset)
{
    (void)vcpu, (void)device, (void)offset;
    return 0;
}

static void write_register(struct vcpu *vcpu, void *device, uint16_t offset, uint8_t value)
{
    (void)device;
    if (offset == SLEEP_CONTROL && value == (GUEST_SLEEP_OFF << 2 | GUEST_SLEEP_ENABLE))
        domain_stop(vcpu->domain, CAUSE_POWER_OFF, 0);
    if (offset == RESET && value == GUEST_RESET_VALUE)
        domain_stop(vcpu->domain, CAUSE_GUEST_RESET, 0);
}

void guest_power_init(struct domain *domain)
{
    pio_add(domain, &(struct pio_region){GUEST_PORT_SLEEP_CONTROL, PORTS, read_register, write_register, NULL});
}
