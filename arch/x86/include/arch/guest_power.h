/* SPDX-License-Identifier: Apache-2.0 */
/* The ports by which a domain turns itself off, or resets itself: ACPI 6.5, 4.8.3.6 and 4.8.3.7. */
#ifndef ARCH_GUEST_POWER_H
#define ARCH_GUEST_POWER_H

#include <core/vcpu.h>

/* Boot CPU. */
void guest_power_init(struct domain *domain);

#endif
