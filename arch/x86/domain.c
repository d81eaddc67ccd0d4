// SPDX-License-Identifier: Apache-2.0
/* A domain's interrupt controller and devices: where they stand, and their reset. */
#include "vendor.h"

#include <arch/guest_power.h>
#include <arch/hyperv.h>
#include <arch/passthrough.h>
#include <arch/timer.h>
#include <arch/vioapic.h>
#include <core/arch.h>
#include <core/interrupt.h>
#include <core/platform.h>
#include <devices/rtc/cmos.h>
#include <devices/serial/uart16550.h>
#include <devices/watchdog/wdat.h>

void arch_domain_init(struct domain *domain)
{
    uint32_t flags = domain->config->flags;

    vioapic_init(domain);
    hyperv_init(domain);
    guest_power_init(domain);
    if (flags & PARTITION_UART)
        uart16550_init(domain);
    if (flags & PARTITION_RTC)
        cmos_init(domain);
    if (flags & PARTITION_WATCHDOG)
        wdat_init(domain);
    passthrough_init(domain);
}

void arch_domain_reset(struct domain *domain)
{
    uint32_t flags = domain->config->flags;

    hyperv_reset(domain);
    interrupt_reset(domain);
    if (flags & PARTITION_UART)
        uart16550_reset(domain);
    if (flags & PARTITION_RTC)
        cmos_reset(domain);
    if (flags & PARTITION_WATCHDOG)
        wdat_reset(domain);
}

/* A guest's counter begins at its start, unless it is to write TSC deadlines of the CPU's (lent_timer.c); the management
 * domain's is the system's, in which the kernel tells times. */
void arch_domain_start(struct domain *domain)
{
    bool own = vendor->deadline != NULL && platform.arch.tsc_deadline;

    domain->arch.counter_offset = own || (domain->config->flags & PARTITION_MANAGEMENT) ? 0 : -timer_count();
}

bool arch_owns_serial(struct domain *domain)
{
    return passthrough_owns_serial(domain);
}
