/* SPDX-License-Identifier: Apache-2.0 */
/* An emulated MC146818 real-time clock at ports 0x70 and 0x71, counting from the board's clock. No alarm, no NVRAM. */
#ifndef DEVICES_RTC_CMOS_H
#define DEVICES_RTC_CMOS_H

#include <core/vcpu.h>

void cmos_init(struct domain *domain);  /* boot CPU; partition flag PARTITION_RTC */
void cmos_reset(struct domain *domain); /* the domain is stopped; what the guest set its clock to is kept */

#endif
