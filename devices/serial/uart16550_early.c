/* SPDX-License-Identifier: Apache-2.0 */
#include <arch/cpu.h>
#include <core/arch.h>
#include <core/platform.h>
#include <devices/serial/early.h>

#define UART_DATA 0
#define UART_IER 1
#define UART_FCR 2
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define FCR_ON 0x07u  /* FIFOs on and empty */
#define LCR_8N1 0x03u /* and the divisor's access off */
#define MCR_READY 0x03u
#define LSR_THRE 0x20u
#define SPINS_MAX 100000 /* far more than a byte takes at 9600 baud: a read takes a microsecond */

static uint16_t base;

void serial_early_take(void)
{
    if (!base)
        return;
    port_write8(base + UART_LCR, LCR_8N1);
    port_write8(base + UART_IER, 0);
    port_write8(base + UART_FCR, FCR_ON);
    port_write8(base + UART_MCR, MCR_READY);
}

void serial_early_init(void)
{
    base = platform.arch.serial_port;
    serial_early_take();
}

static void put(char c)
{
    for (uint32_t spins = 0; !(port_read8(base + UART_LSR) & LSR_THRE); spins++) {
        if (spins == SPINS_MAX)
            return;
        cpu_relax();
    }
    port_write8(base + UART_DATA, (uint8_t)c);
}

void serial_early_write(const char *data, size_t length)
{
    if (!base)
        return;
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n')
            put('\r');
        put(data[i]);
    }
}
