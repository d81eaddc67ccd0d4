// SPDX-License-Identifier: Apache-2.0
#include <core/arch.h>
#include <core/platform.h>
#include <devices/serial/early.h>

#define PL011_DR 0x00
#define PL011_FR 0x18
#define PL011_LCR 0x2c
#define PL011_CR 0x30
#define PL011_IMSC 0x38
#define FR_TXFF (1u << 5)
#define LCR_8N1_FIFO 0x70u
#define CR_TX_RX_ON 0x301u
#define SPINS_MAX 1000000 /* far more than a byte takes at 9600 baud */

const char serial_compatible[] = "arm,pl011";
static volatile uint8_t *registers;

static void write32(unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(registers + offset) = value;
}

static uint32_t read32(unsigned offset)
{
    return *(volatile uint32_t *)(registers + offset);
}

void serial_early_take(void)
{
    if (!registers)
        return;
    write32(PL011_IMSC, 0);
    write32(PL011_LCR, LCR_8N1_FIFO);
    write32(PL011_CR, CR_TX_RX_ON);
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
    for (uint32_t spins = 0; read32(PL011_FR) & FR_TXFF; spins++) {
        if (spins == SPINS_MAX)
            return;
        cpu_relax();
    }
    write32(PL011_DR, (uint8_t)c);
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
