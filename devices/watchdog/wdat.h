/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An emulated watchdog whose registers an ACPI WDAT table describes (Microsoft, "Hardware Watchdog Timers Design
 * Specification"), so that stock drivers know it without options. Its expiry stops the domain.
 */
#ifndef DEVICES_WATCHDOG_WDAT_H
#define DEVICES_WATCHDOG_WDAT_H

#include <core/vcpu.h>

/* Words at GUEST_WATCHDOG_BASE. */
#define WDAT_CONTROL 0x00   /* bit 0: runs; every start is a reload */
#define WDAT_COUNT 0x04     /* the countdown begins here, in ticks */
#define WDAT_PING 0x08      /* any write reloads */
#define WDAT_STATUS 0x0c    /* bit 0: the last stop was this watchdog's; write 1 to clear */
#define WDAT_REMAINING 0x10 /* ticks; read-only */
#define WDAT_RUNS 1u
#define WDAT_FIRED 1u
#define WDAT_TICK_MS 100u
#define WDAT_COUNT_MIN 10u
#define WDAT_COUNT_MAX 60000u

void wdat_init(struct domain *domain);  /* boot CPU; partition flag PARTITION_WATCHDOG */
void wdat_reset(struct domain *domain); /* the domain is stopped; WDAT_STATUS is kept */

#endif
