// SPDX-License-Identifier: Apache-2.0
/* A domain's interrupt controller and devices: where they stand, and their reset. */
#include <arch/passthrough.h>
#include <arch/stage2.h>
#include <arch/timer.h>
#include <arch/vgic.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/domain_tree.h>
#include <core/interrupt.h>
#include <devices/rtc/pl031.h>
#include <devices/serial/pl011.h>
#include <devices/watchdog/sbsa.h>

void arch_domain_init(struct domain *domain)
{
    uint32_t flags = domain->config->flags;
    struct range64 gic[2];

    vgic_place(domain, gic);
    vgic_init(domain, gic[0].base, gic[1].base);
    if (flags & PARTITION_UART)
        pl011_init(domain);
    if (flags & PARTITION_RTC)
        pl031_init(domain);
    if (flags & PARTITION_WATCHDOG)
        sbsa_init(domain);
    passthrough_init(domain);
}

void arch_domain_reset(struct domain *domain)
{
    uint32_t flags = domain->config->flags;

    passthrough_reset(domain);
    interrupt_reset(domain);
    if (flags & PARTITION_UART)
        pl011_reset(domain);
    if (flags & PARTITION_RTC)
        pl031_reset(domain);
    if (flags & PARTITION_WATCHDOG)
        sbsa_reset(domain);
}

bool arch_owns_serial(struct domain *domain)
{
    return platform.uart.value && stage2_is_mapped(domain, ipa(platform.uart.value));
}

/* A guest's counter begins at its start; the management domain's is the system's, in which the kernel tells times. */
void arch_domain_start(struct domain *domain)
{
    domain->arch.counter_offset = domain->config->flags & PARTITION_MANAGEMENT ? 0 : timer_count();
}
