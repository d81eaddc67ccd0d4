/* SPDX-License-Identifier: Apache-2.0 */
/* An emulated generic watchdog of the Arm Base System Architecture (DEN0094, appendix on the generic watchdog). */
#ifndef DEVICES_WATCHDOG_SBSA_H
#define DEVICES_WATCHDOG_SBSA_H

#include <core/vcpu.h>

/* Boot CPU; partition flag PARTITION_WATCHDOG. The first stage raises the guest's interrupt, the second stops the
 * domain with CAUSE_WATCHDOG. */
void sbsa_init(struct domain *domain);
void sbsa_reset(struct domain *domain); /* the domain is stopped */

#endif
