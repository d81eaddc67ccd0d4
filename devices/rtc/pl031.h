/* SPDX-License-Identifier: Apache-2.0 */
/* An emulated PL031 real-time clock (Arm DDI 0224), counting from the board's clock. */
#ifndef DEVICES_RTC_PL031_H
#define DEVICES_RTC_PL031_H

#include <core/vcpu.h>

void pl031_init(struct domain *domain);  /* boot CPU; partition flag PARTITION_RTC */
void pl031_reset(struct domain *domain); /* the domain is stopped; what the guest set its clock to is kept */

#endif
