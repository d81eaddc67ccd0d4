/* SPDX-License-Identifier: Apache-2.0 */
/* A PL011 (Arm DDI 0183). */
#include <devices/serial/line.h>
#include <lib/native.h>
#include <lib/tree.h>

#define UART_DATA 0x00
#define UART_FLAGS 0x18
#define UART_FLAGS_RX_EMPTY 0x10u
#define UART_FLAGS_TX_FULL 0x20u
#define UART_LINE_CONTROL 0x2c
#define UART_LINE_CONTROL_FIFO 0x10u
#define UART_CONTROL 0x30
#define UART_CONTROL_ON 0x301u /* UARTEN, TXE, RXE */
#define UART_FIFO_LEVELS 0x34
#define UART_MASK 0x38
#define UART_CLEAR 0x44
#define UART_RECEIVE 0x10u
#define UART_TRANSMIT 0x20u
#define UART_RECEIVE_TIMEOUT 0x40u
#define UART_ALL 0x7ffu

static uintptr_t uart;

/* All quiet until the loop has looked. */
static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    mmio_write32(uart + UART_MASK, 0);
    loop_signal(handler->owner);
}
static struct interrupt_handler interrupt = {.handle = interrupted, .name = "serial line"};

bool line_receive(uint8_t *byte)
{
    if (mmio_read32(uart + UART_FLAGS) & UART_FLAGS_RX_EMPTY)
        return false;
    *byte = (uint8_t)mmio_read32(uart + UART_DATA);
    return true;
}

bool line_send(uint8_t byte)
{
    if (mmio_read32(uart + UART_FLAGS) & UART_FLAGS_TX_FULL)
        return false;
    mmio_write32(uart + UART_DATA, byte);
    return true;
}

bool line_listen(bool receive, bool send)
{
    uint32_t flags;

    mmio_write32(uart + UART_CLEAR, UART_RECEIVE | UART_RECEIVE_TIMEOUT | UART_TRANSMIT);
    mmio_write32(uart + UART_MASK,
                 (receive ? UART_RECEIVE | UART_RECEIVE_TIMEOUT : 0) | (send ? UART_TRANSMIT : 0));
    /* What came before the clearing raises no interrupt. */
    flags = mmio_read32(uart + UART_FLAGS);
    return (receive && !(flags & UART_FLAGS_RX_EMPTY)) || (send && !(flags & UART_FLAGS_TX_FULL));
}

bool line_open(struct loop_source *source)
{
    int node = tree_compatible(-1, "arm,pl011");
    struct tree_range registers = tree_reg(node, 0);

    if (!registers.size)
        return false;
    memory_map(registers.base, registers.size, MEMORY_DEVICE);
    uart = registers.base;
    interrupt.owner = source;
    mmio_write32(uart + UART_MASK, 0);
    mmio_write32(uart + UART_CLEAR, UART_ALL);
    mmio_write32(uart + UART_LINE_CONTROL, mmio_read32(uart + UART_LINE_CONTROL) | UART_LINE_CONTROL_FIFO);
    mmio_write32(uart + UART_FIFO_LEVELS, 0); /* interrupts at 1/8 of either FIFO */
    mmio_write32(uart + UART_CONTROL, mmio_read32(uart + UART_CONTROL) | UART_CONTROL_ON);
    return interrupt_register(tree_interrupt(node, 0, NULL), true, &interrupt);
}
