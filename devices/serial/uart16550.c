/* SPDX-License-Identifier: Apache-2.0 */
#include "uart16550.h"

#include <arch/pio.h>
#include <core/channel.h>
#include <core/console.h>
#include <core/interrupt.h>
#include <devices/serial/uart.h>

enum uart_register { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, REGISTERS };
#define IER_RECEIVED 1u
#define IER_TRANSMITTED 2u
#define IIR_NONE 0x01u
#define IIR_TRANSMITTED 0x02u
#define IIR_RECEIVED 0x04u
#define IIR_TIMEOUT 0x0cu
#define IIR_FIFO 0xc0u
#define FCR_FIFO 0x01u
#define FCR_CLEAR_RECEIVED 0x02u
#define LCR_DIVISOR 0x80u
#define MCR_WRITABLE 0x1fu
#define MCR_LOOP 0x10u
#define LSR_READY 0x01u
#define LSR_EMPTY 0x60u     /* holding register and transmitter */
#define MSR_CONNECTED 0xb0u /* DCD, DSR, CTS */
#define QUEUE_SIZE 16u

struct uart16550 {
    struct spinlock lock;
    struct domain *domain;
    uint32_t head, queued;
    uint8_t queue[QUEUE_SIZE];
    bool refused;     /* input was, since the queue was full */
    bool transmitted; /* the transmitter's interrupt is due */
    bool line;        /* as it was last driven */
    uint8_t ier, fcr, lcr, mcr, scratch, divisor[2];
};
static struct uart16550 uarts[BULKHEAD_PARTITIONS_MAX];

/* The queue counts as filled to its trigger, or as left alone for four characters' time, with the first byte. */
static uint8_t identify(const struct uart16550 *uart)
{
    static const uint8_t trigger[] = {1, 4, 8, 14};

    if (uart->queued != 0 && (uart->ier & IER_RECEIVED))
        return !(uart->fcr & FCR_FIFO) || uart->queued >= trigger[uart->fcr >> 6] ? IIR_RECEIVED : IIR_TIMEOUT;
    return uart->transmitted && (uart->ier & IER_TRANSMITTED) ? IIR_TRANSMITTED : IIR_NONE;
}

static void update_line(struct uart16550 *uart)
{
    bool line = identify(uart) != IIR_NONE;

    if (line == uart->line)
        return;
    uart->line = line;
    interrupt_set_level(uart->domain, GUEST_LINE_UART, line);
}

static uint8_t receive(struct uart16550 *uart)
{
    uint8_t value;

    if (uart->queued == 0)
        return 0;
    value = uart->queue[uart->head];
    uart->head = (uart->head + 1) % QUEUE_SIZE;
    uart->queued--;
    if (uart->refused && uart->queued <= QUEUE_SIZE / 2) {
        uart->refused = false;
        channel_ring_system(DOORBELL_CONSOLE);
    }
    return value;
}

/* With MCR_LOOP the outputs are the inputs: RTS, DTR, OUT1, OUT2 as CTS, DSR, RI, DCD. */
static uint8_t modem_status(const struct uart16550 *uart)
{
    if (!(uart->mcr & MCR_LOOP))
        return MSR_CONNECTED;
    return (uint8_t)((uart->mcr & 2) << 3 | (uart->mcr & 1) << 5 | (uart->mcr & 0xc) << 4);
}

static uint8_t read_register(struct uart16550 *uart, uint16_t offset)
{
    uint8_t value;

    if (offset <= IER && (uart->lcr & LCR_DIVISOR))
        return uart->divisor[offset];
    switch (offset) {
    case DATA:
        return receive(uart);
    case IER:
        return uart->ier;
    case IIR:
        value = identify(uart);
        if (value == IIR_TRANSMITTED)
            uart->transmitted = false;
        return value | (uart->fcr & FCR_FIFO ? IIR_FIFO : 0);
    case LCR:
        return uart->lcr;
    case MCR:
        return uart->mcr;
    case LSR:
        return LSR_EMPTY | (uart->queued != 0 ? LSR_READY : 0);
    case MSR:
        return modem_status(uart);
    default:
        return uart->scratch;
    }
}

static void loop_back(struct uart16550 *uart, uint8_t value)
{
    if (uart->queued < QUEUE_SIZE)
        uart->queue[(uart->head + uart->queued++) % QUEUE_SIZE] = value;
}

static void write_register(struct uart16550 *uart, uint16_t offset, uint8_t value)
{
    if (offset <= IER && (uart->lcr & LCR_DIVISOR)) {
        uart->divisor[offset] = value;
        return;
    }
    switch (offset) {
    case DATA:
        if (uart->mcr & MCR_LOOP)
            loop_back(uart, value);
        uart->transmitted = true;
        break;
    case IER:
        uart->transmitted |= (value & ~uart->ier & IER_TRANSMITTED) != 0;
        uart->ier = value & 0xf;
        break;
    case IIR: /* FCR */
        if (value & FCR_CLEAR_RECEIVED || ((value ^ uart->fcr) & FCR_FIFO))
            uart->queued = 0;
        uart->fcr = value & FCR_FIFO ? value & 0xc1 : 0;
        break;
    case LCR:
        uart->lcr = value;
        break;
    case MCR:
        uart->mcr = value & MCR_WRITABLE;
        break;
    case SCR:
        uart->scratch = value;
        break;
    default:
        break;
    }
}

static uint8_t uart_read(struct vcpu *vcpu, void *device, uint16_t offset)
{
    struct uart16550 *uart = device;
    uint8_t value;

    (void)vcpu;
    spinlock_acquire(&uart->lock);
    value = read_register(uart, offset);
    update_line(uart);
    spinlock_release(&uart->lock);
    return value;
}

static void uart_write(struct vcpu *vcpu, void *device, uint16_t offset, uint8_t value)
{
    struct uart16550 *uart = device;

    (void)vcpu;
    if (offset == DATA && !(uart->lcr & LCR_DIVISOR) && !(uart->mcr & MCR_LOOP))
        console_write(uart->domain->config->uart_console, &value, 1);
    spinlock_acquire(&uart->lock);
    write_register(uart, offset, value);
    update_line(uart);
    spinlock_release(&uart->lock);
}

uint32_t uart_input(uint32_t console, const void *data, uint32_t length)
{
    const uint8_t *bytes = data;
    struct uart16550 *uart = NULL;
    uint32_t taken = 0;

    for (uint32_t i = 0; i < partition_count; i++)
        if (uarts[i].domain != NULL && uarts[i].domain->config->uart_console == console)
            uart = &uarts[i];
    if (uart == NULL)
        return 0;

    spinlock_acquire(&uart->lock);
    for (; taken < length && uart->queued < QUEUE_SIZE; taken++, uart->queued++)
        uart->queue[(uart->head + uart->queued) % QUEUE_SIZE] = bytes[taken];
    uart->refused |= taken < length;
    update_line(uart);
    spinlock_release(&uart->lock);
    return taken;
}

void uart16550_reset(struct domain *domain)
{
    struct uart16550 *uart = &uarts[domain->index];

    if (uart->domain == NULL)
        return;
    spinlock_acquire(&uart->lock);
    uart->head = uart->queued = 0;
    uart->refused = uart->transmitted = false;
    uart->ier = uart->fcr = uart->lcr = uart->mcr = uart->scratch = uart->divisor[0] = uart->divisor[1] = 0;
    update_line(uart);
    spinlock_release(&uart->lock);
}

void uart16550_init(struct domain *domain)
{
    struct uart16550 *uart = &uarts[domain->index];

    uart->domain = domain;
    pio_add(domain, &(struct pio_region){GUEST_PORT_UART, REGISTERS, uart_read, uart_write, uart});
}
