/* SPDX-License-Identifier: Apache-2.0 */
/* Cadence's UART. */
#include "cadence.h"

#include <devices/serial/line.h>
#include <lib/native.h>
#include <lib/tree.h>

#define TIMEOUT 10u /* 40 bits: about as long as four bytes */

static uintptr_t uart;

/* All quiet until the loop has looked. */
static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    mmio_write32(uart + CADENCE_DISABLE, CADENCE_INTERRUPT_ALL);
    loop_signal(handler->owner);
}
static struct interrupt_handler interrupt = {.handle = interrupted, .name = "serial line"};

bool line_receive(uint8_t *byte)
{
    if (mmio_read32(uart + CADENCE_STATUS) & CADENCE_STATUS_RECEIVED_NONE)
        return false;
    *byte = (uint8_t)mmio_read32(uart + CADENCE_FIFO);
    return true;
}

bool line_send(uint8_t byte)
{
    if (mmio_read32(uart + CADENCE_STATUS) & CADENCE_STATUS_SEND_FULL)
        return false;
    mmio_write32(uart + CADENCE_FIFO, byte);
    return true;
}

bool line_listen(bool receive, bool send)
{
    uint32_t status, wanted = (receive ? CADENCE_INTERRUPT_RECEIVED | CADENCE_INTERRUPT_TIMEOUT : 0) |
                              (send ? CADENCE_INTERRUPT_SENT : 0);

    mmio_write32(uart + CADENCE_DISABLE, CADENCE_INTERRUPT_ALL);
    mmio_write32(uart + CADENCE_INTERRUPTS, CADENCE_INTERRUPT_ALL);
    mmio_write32(uart + CADENCE_ENABLE, wanted);
    /* What came before the clearing raises no interrupt. */
    status = mmio_read32(uart + CADENCE_STATUS);
    return (receive && !(status & CADENCE_STATUS_RECEIVED_NONE)) || (send && !(status & CADENCE_STATUS_SEND_FULL));
}

bool line_open(struct loop_source *source)
{
    int node = tree_compatible(-1, CADENCE_COMPATIBLE);
    struct tree_range registers = tree_reg(node, 0);

    if (!registers.size)
        return false;
    memory_map(registers.base, registers.size, MEMORY_DEVICE);
    uart = registers.base;
    interrupt.owner = source;
    mmio_write32(uart + CADENCE_DISABLE, CADENCE_INTERRUPT_ALL);
    mmio_write32(uart + CADENCE_RECEIVE_LEVEL, 1);
    mmio_write32(uart + CADENCE_TIMEOUT, TIMEOUT);
    mmio_write32(uart + CADENCE_CONTROL, CADENCE_CONTROL_ON);
    return interrupt_register(tree_interrupt(node, 0, NULL), true, &interrupt);
}
