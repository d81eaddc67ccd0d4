/* SPDX-License-Identifier: Apache-2.0 */
/* A 16550 at I/O ports. */
#include <devices/serial/line.h>
#include <lib/native.h>
#include <lib/tree.h>

#define UART_DATA 0
#define UART_INTERRUPTS 1
#define UART_INTERRUPT_RECEIVE 0x1u
#define UART_INTERRUPT_TRANSMIT 0x2u
#define UART_IDENTIFICATION 2
#define UART_FIFO 2
#define UART_FIFO_ON 0x47u /* on, both emptied, interrupt at 4 bytes or by timeout */
#define UART_MODEM 4
#define UART_MODEM_ON 0xbu /* DTR, RTS, OUT2: lets the interrupt out */
#define UART_STATUS 5
#define UART_STATUS_RECEIVED 0x1u
#define UART_STATUS_SENT 0x20u /* the transmit FIFO is empty */
#define FIFO_SIZE 16u

static uint16_t uart;
static uint32_t room; /* bytes that the transmit FIFO takes before it is looked at again */

/* All quiet until the loop has looked. */
static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    port_write8(uart + UART_INTERRUPTS, 0);
    loop_signal(handler->owner);
}
static struct interrupt_handler interrupt = {.handle = interrupted, .name = "serial line"};

bool line_receive(uint8_t *byte)
{
    if (!(port_read8(uart + UART_STATUS) & UART_STATUS_RECEIVED))
        return false;
    *byte = port_read8(uart + UART_DATA);
    return true;
}

static bool has_room(void)
{
    if (room == 0 && port_read8(uart + UART_STATUS) & UART_STATUS_SENT)
        room = FIFO_SIZE;
    return room > 0;
}

bool line_send(uint8_t byte)
{
    if (!has_room())
        return false;
    port_write8(uart + UART_DATA, byte);
    room--;
    return true;
}

bool line_listen(bool receive, bool send)
{
    /* The line falls and rises again if there is a reason by now, so that no edge is lost. */
    port_write8(uart + UART_INTERRUPTS,
                (receive ? UART_INTERRUPT_RECEIVE : 0) | (send ? UART_INTERRUPT_TRANSMIT : 0));
    return send && has_room();
}

bool line_open(struct loop_source *source)
{
    int node = tree_compatible(-1, "ns16550a");
    bool level;
    uint32_t line = tree_interrupt(node, 0, &level);

    uart = (uint16_t)tree_reg(node, 0).base;
    if (!uart)
        return false;
    interrupt.owner = source;
    port_write8(uart + UART_INTERRUPTS, 0);
    port_write8(uart + UART_FIFO, UART_FIFO_ON);
    port_write8(uart + UART_MODEM, UART_MODEM_ON);
    port_read8(uart + UART_IDENTIFICATION);
    return interrupt_register(line, level, &interrupt);
}
