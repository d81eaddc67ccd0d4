/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of the TCO timer, at I/O ports of 16 bits; the loader and the management domain use it. */
#ifndef DEVICES_WATCHDOG_TCO_H
#define DEVICES_WATCHDOG_TCO_H

#include <stdint.h>

#define TCO_RLD 0x00u  /* a write starts the countdown anew */
#define TCO1_STS 0x04u /* write 1 to clear */
#define TCO1_EXPIRED 0x0008u
#define TCO2_STS 0x06u
#define TCO2_EXPIRED_TWICE 0x0002u
#define TCO1_CNT 0x08u
#define TCO_HALTED 0x0800u
#define TCO_TMR 0x12u /* ticks of 0.6 s, 4 to 1023; it counts them twice */

static inline uint16_t tco_ticks(uint32_t seconds)
{
    uint32_t ticks = (seconds * 10 + 11) / 12;

    return (uint16_t)(ticks < 4 ? 4 : ticks > 1023 ? 1023 : ticks);
}

#endif
