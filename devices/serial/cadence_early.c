// SPDX-License-Identifier: Apache-2.0
#include "cadence.h"

#include <core/arch.h>
#include <core/platform.h>
#include <devices/serial/early.h>

#define SPINS_MAX 1000000 /* far more than a byte takes at 9600 baud */

const char serial_compatible[] = CADENCE_COMPATIBLE;
static volatile uint8_t *registers;

static volatile uint32_t *at(enum cadence_register offset)
{
    return (volatile uint32_t *)(registers + offset);
}

void serial_early_take(void)
{
    if (!registers)
        return;
    *at(CADENCE_DISABLE) = CADENCE_INTERRUPT_ALL;
    *at(CADENCE_MODE) = CADENCE_MODE_8N1;
    *at(CADENCE_CONTROL) = CADENCE_CONTROL_ON;
}

void serial_early_init(void)
{
    if (!platform.uart.value)
        return;
    registers = kernel_map_device(platform.uart, PAGE_SIZE);
    serial_early_take();
}

static void put(char c)
{
    for (uint32_t spins = 0; *at(CADENCE_STATUS) & CADENCE_STATUS_SEND_FULL; spins++) {
        if (spins == SPINS_MAX)
            return;
        cpu_relax();
    }
    *at(CADENCE_FIFO) = (uint8_t)c;
}

void serial_early_write(const char *data, size_t length)
{
    if (!registers)
        return;
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n')
            put('\r');
        put(data[i]);
    }
}
