/* SPDX-License-Identifier: Apache-2.0 */
#include "pl011.h"

#include <bulkhead/guest_map.h>
#include <core/channel.h>
#include <core/console.h>
#include <core/interrupt.h>
#include <core/mmio.h>
#include <devices/serial/uart.h>

enum pl011_register {
    UARTDR = 0x000,
    UARTRSR = 0x004,
    UARTFR = 0x018,
    UARTILPR = 0x020,
    UARTIBRD = 0x024,
    UARTFBRD = 0x028,
    UARTLCR_H = 0x02c,
    UARTCR = 0x030,
    UARTIFLS = 0x034,
    UARTIMSC = 0x038,
    UARTRIS = 0x03c,
    UARTMIS = 0x040,
    UARTICR = 0x044,
    UARTDMACR = 0x048,
    UARTPERIPHID = 0xfe0,
};
#define FR_RXFE (1u << 4) /* receive queue empty */
#define FR_RXFF (1u << 6) /* receive queue full */
#define FR_TXFE (1u << 7) /* transmit queue empty: always, since a ring never waits */
#define CR_RESET 0x300u   /* transmit and receive enabled */
#define IFLS_RESET 0x12u
#define INT_RX (1u << 4)
#define INT_TX (1u << 5)
#define INT_TIMEOUT (1u << 6) /* data waits in the receive queue */
#define INT_ALL 0x7ffu
#define QUEUE_SIZE 32u /* as of revision r1p5 */

struct pl011 {
    struct spinlock lock;
    struct domain *domain;
    /* Written under the lock; `queued` is read without. */
    uint32_t head, queued;
    uint8_t queue[QUEUE_SIZE];
    bool refused; /* input was, since the queue was full */
    uint32_t ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr;
};
static struct pl011 uarts[BULKHEAD_PARTITIONS_MAX];

static const uint8_t identification[] = {0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

static void update_line(struct pl011 *uart)
{
    interrupt_set_level(uart->domain, GUEST_LINE_UART, (uart->ris & uart->imsc) != 0);
}

static uint32_t flags(const struct pl011 *uart)
{
    uint32_t queued = __atomic_load_n(&uart->queued, __ATOMIC_RELAXED);

    return FR_TXFE | (queued == 0 ? FR_RXFE : 0) | (queued == QUEUE_SIZE ? FR_RXFF : 0);
}

static uint32_t receive(struct pl011 *uart)
{
    uint32_t value;

    if (uart->queued == 0)
        return 0;
    value = uart->queue[uart->head];
    uart->head = (uart->head + 1) % QUEUE_SIZE;
    uart->queued--;
    if (uart->queued == 0)
        uart->ris &= ~(INT_RX | INT_TIMEOUT);
    if (uart->refused && uart->queued <= QUEUE_SIZE / 2) {
        uart->refused = false;
        channel_ring_system(DOORBELL_CONSOLE);
    }
    return value;
}

static uint32_t read_register(struct pl011 *uart, uint64_t offset)
{
    switch (offset) {
    case UARTDR:
        return receive(uart);
    case UARTILPR:
        return uart->ilpr;
    case UARTIBRD:
        return uart->ibrd;
    case UARTFBRD:
        return uart->fbrd;
    case UARTLCR_H:
        return uart->lcr_h;
    case UARTCR:
        return uart->cr;
    case UARTIFLS:
        return uart->ifls;
    case UARTIMSC:
        return uart->imsc;
    case UARTRIS:
        return uart->ris;
    case UARTMIS:
        return uart->ris & uart->imsc;
    case UARTDMACR:
        return uart->dmacr;
    default:
        return offset >= UARTPERIPHID ? identification[(offset - UARTPERIPHID) / 4] : 0;
    }
}

static void write_register(struct pl011 *uart, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case UARTILPR:
        uart->ilpr = value & 0xff;
        break;
    case UARTIBRD:
        uart->ibrd = value & 0xffff;
        break;
    case UARTFBRD:
        uart->fbrd = value & 0x3f;
        break;
    case UARTLCR_H:
        uart->lcr_h = value & 0xff;
        break;
    case UARTCR:
        uart->cr = value & 0xff87;
        break;
    case UARTIFLS:
        uart->ifls = value & 0x3f;
        break;
    case UARTIMSC:
        uart->imsc = value & INT_ALL;
        break;
    case UARTICR:
        uart->ris &= ~value;
        break;
    case UARTDMACR:
        uart->dmacr = value & 7;
        break;
    default:
        break;
    }
}

/* Registers are words of which at most 16 bits are used: any width at their offset, zero between them. */
static enum mmio_result pl011_access(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    struct pl011 *uart = device;

    (void)vcpu;
    if (access->offset == UARTFR && !access->write) { /* what a driver polls */
        access->value = flags(uart);
        return MMIO_DONE;
    }
    if (access->offset % 4 != 0) {
        access->value = 0;
        return MMIO_DONE;
    }
    if (access->offset == UARTDR && access->write) {
        uint8_t byte = (uint8_t)access->value;

        console_write(uart->domain->config->uart_console, &byte, 1);
        if (uart->ris & INT_TX) /* as it stays with output after output */
            return MMIO_DONE;
    }

    spinlock_acquire(&uart->lock);
    if (!access->write)
        access->value = read_register(uart, access->offset);
    else if (access->offset == UARTDR)
        uart->ris |= INT_TX;
    else
        write_register(uart, access->offset, (uint32_t)access->value);
    update_line(uart);
    spinlock_release(&uart->lock);
    return MMIO_DONE;
}

uint32_t uart_input(uint32_t console, const void *data, uint32_t length)
{
    const uint8_t *bytes = data;
    struct pl011 *uart = NULL;
    uint32_t taken = 0;

    for (uint32_t i = 0; i < partition_count; i++)
        if (uarts[i].domain != NULL && uarts[i].domain->config->uart_console == console)
            uart = &uarts[i];
    if (uart == NULL)
        return 0;

    spinlock_acquire(&uart->lock);
    for (; taken < length && uart->queued < QUEUE_SIZE; taken++, uart->queued++)
        uart->queue[(uart->head + uart->queued) % QUEUE_SIZE] = bytes[taken];
    if (taken != 0)
        uart->ris |= INT_RX | INT_TIMEOUT;
    uart->refused |= taken < length;
    update_line(uart);
    spinlock_release(&uart->lock);
    return taken;
}

void pl011_reset(struct domain *domain)
{
    struct pl011 *uart = &uarts[domain->index];

    if (uart->domain == NULL)
        return;
    spinlock_acquire(&uart->lock);
    uart->head = uart->queued = 0;
    uart->refused = false;
    uart->ilpr = uart->ibrd = uart->fbrd = uart->lcr_h = uart->imsc = uart->ris = uart->dmacr = 0;
    uart->cr = CR_RESET;
    uart->ifls = IFLS_RESET;
    update_line(uart);
    spinlock_release(&uart->lock);
}

void pl011_init(struct domain *domain)
{
    struct pl011 *uart = &uarts[domain->index];

    uart->domain = domain;
    uart->cr = CR_RESET;
    uart->ifls = IFLS_RESET;
    mmio_add(domain, &(struct mmio_region){GUEST_UART_BASE, PAGE_SIZE, pl011_access, uart, EXIT_REGISTER});
}
