/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCO timer of Intel's ICH9 (datasheet, 13.9). It counts down twice before it resets the machine; that it may, is
 * set where no domain can reach (chipset configuration registers): the loader does that, and starts it.
 */
#include <devices/watchdog/hardware.h>
#include <devices/watchdog/tco.h>
#include <lib/native.h>
#include <lib/tree.h>
#include <stddef.h>

static uint16_t port;

static void feed(void)
{
    port_write16(port + TCO_RLD, 1);
}

static struct hardware_watchdog watchdog = {.name = "Intel TCO", .feed = feed};

const struct hardware_watchdog *hardware_watchdog_start(uint32_t seconds)
{
    port = (uint16_t)tree_reg(tree_compatible(-1, "intel,ich9-tco"), 0).base;
    if (port == 0)
        return NULL;
    if (port_read16(port + TCO1_CNT) & TCO_HALTED) {
        watchdog.problem = "the loader has not started it";
        return &watchdog;
    }
    watchdog.has_reset = port_read16(port + TCO2_STS) & TCO2_EXPIRED_TWICE;
    port_write16(port + TCO2_STS, TCO2_EXPIRED_TWICE);
    port_write16(port + TCO_TMR, tco_ticks(seconds));
    feed();
    return &watchdog;
}
