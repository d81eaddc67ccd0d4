/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The serial line: a PL011 (Arm DDI 0183) that the kernel passes through, and a shell session on it. The UART is left
 * at the speed and format that the firmware or the kernel gave it.
 */
#include <lib/native.h>
#include <lib/tree.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <mgmt/session.h>
#include <string.h>

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

#define OUTPUT_SIZE 4096u /* a power of two */
#define INPUT_SIZE 64u
#define BURST 256u /* bytes sent in one turn of the loop, should the UART never be full */

static uintptr_t uart;
static struct session *session;
static struct loop_source source;
static uint8_t output[OUTPUT_SIZE];
static uint32_t output_head, output_tail; /* count for ever; head: next to write */
static bool output_refused;               /* the session waits for session_writable() */
static bool closing;
static uint8_t input[INPUT_SIZE];
static size_t input_length; /* what the session has not taken yet */

/* All quiet until the loop has looked. */
static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    (void)handler;
    mmio_write32(uart + UART_MASK, 0);
    loop_signal(&source);
}
static struct interrupt_handler interrupt = {.handle = interrupted};

static size_t serial_write(void *transport, const void *data, size_t length)
{
    size_t room = OUTPUT_SIZE - (output_head - output_tail);
    size_t taken = length < room ? length : room;

    (void)transport;
    for (size_t i = 0; i < taken; i++)
        output[output_head++ % OUTPUT_SIZE] = ((const uint8_t *)data)[i];
    output_refused = taken < length;
    loop_signal(&source);
    return taken;
}

/* A serial line cannot be closed: the session ends once its output is sent, and another one begins. */
static void serial_close(void *transport)
{
    (void)transport;
    closing = true;
    loop_signal(&source);
}

static void serial_resume(void *transport)
{
    (void)transport;
    loop_signal(&source);
}

static const struct session_transport transport = {
    .name = "serial", .write = serial_write, .close = serial_close, .resume = serial_resume};

static void receive(void)
{
    while (input_length < INPUT_SIZE && !(mmio_read32(uart + UART_FLAGS) & UART_FLAGS_RX_EMPTY))
        input[input_length++] = (uint8_t)mmio_read32(uart + UART_DATA);
    if (!session)
        session = session_open(&transport, NULL, SESSION_INTERACTIVE);
    if (session && input_length && !closing) {
        size_t taken = session_receive(session, input, input_length);

        input_length -= taken;
        memmove(input, input + taken, input_length);
    }
}

static void transmit(void)
{
    uint32_t sent = 0;

    while (output_head != output_tail && sent++ < BURST && !(mmio_read32(uart + UART_FLAGS) & UART_FLAGS_TX_FULL))
        mmio_write32(uart + UART_DATA, output[output_tail++ % OUTPUT_SIZE]);
    if (output_refused && output_head - output_tail <= OUTPUT_SIZE / 2) {
        output_refused = false;
        if (session)
            session_writable(session);
    }
    if (closing && output_head == output_tail) {
        closing = output_refused = false;
        session_closed(session);
        session = NULL;
        loop_signal(&source);
    }
}

static void serve(struct loop_source *self)
{
    uint32_t mask = 0;

    mmio_write32(uart + UART_CLEAR, UART_RECEIVE | UART_RECEIVE_TIMEOUT | UART_TRANSMIT);
    receive();
    transmit();
    if (input_length < INPUT_SIZE)
        mask |= UART_RECEIVE | UART_RECEIVE_TIMEOUT; /* else resume() comes first */
    if (output_head != output_tail) {
        if (mmio_read32(uart + UART_FLAGS) & UART_FLAGS_TX_FULL)
            mask |= UART_TRANSMIT;
        else
            loop_signal(self);
    }
    mmio_write32(uart + UART_MASK, mask);
    /* What came between the last look and the clearing raises no interrupt below the FIFO's level. */
    if (mask & UART_RECEIVE && !(mmio_read32(uart + UART_FLAGS) & UART_FLAGS_RX_EMPTY))
        loop_signal(self);
}

static void serial_start(void)
{
    int node = tree_compatible(-1, "arm,pl011");
    struct tree_range registers = tree_reg(node, 0);

    if (!registers.size)
        return; /* this partition has no serial line */
    memory_map(registers.base, registers.size, MEMORY_DEVICE);
    uart = registers.base;
    source.run = serve;
    mmio_write32(uart + UART_MASK, 0);
    mmio_write32(uart + UART_CLEAR, UART_ALL);
    mmio_write32(uart + UART_LINE_CONTROL, mmio_read32(uart + UART_LINE_CONTROL) | UART_LINE_CONTROL_FIFO);
    mmio_write32(uart + UART_FIFO_LEVELS, 0); /* interrupts at 1/8 of either FIFO */
    mmio_write32(uart + UART_CONTROL, mmio_read32(uart + UART_CONTROL) | UART_CONTROL_ON);
    interrupt_register(tree_interrupt(node, 0, NULL), true, &interrupt);
    loop_signal(&source);
}
MODULE(MODULE_USER, serial, serial_start);
