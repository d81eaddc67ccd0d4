/* SPDX-License-Identifier: Apache-2.0 */
/* A shell session on the serial line. */
#include <devices/serial/line.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <mgmt/session.h>
#include <string.h>

#define OUTPUT_SIZE 4096u /* a power of two */
#define INPUT_SIZE 64u
#define BURST 256u /* bytes sent in one turn of the loop, should the UART never be full */

static struct session *session;
static struct loop_source source;
static uint8_t output[OUTPUT_SIZE];
static uint32_t output_head, output_tail; /* count for ever; head: next to write */
static bool output_refused;               /* the session waits for session_writable() */
static bool closing;
static uint8_t input[INPUT_SIZE];
static size_t input_length; /* what the session has not taken yet */

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
    .name = "serial",
    .write = serial_write,
    .close = serial_close,
    .resume = serial_resume,
    .asks_password = true,
};

static void receive(void)
{
    while (input_length < INPUT_SIZE && line_receive(&input[input_length]))
        input_length++;
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

    while (output_head != output_tail && sent++ < BURST && line_send(output[output_tail % OUTPUT_SIZE]))
        output_tail++;
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
    receive();
    transmit();
    /* With its input full, resume() comes first. */
    if (line_listen(input_length < INPUT_SIZE, output_head != output_tail))
        loop_signal(self);
}

static void serial_start(void)
{
    source.run = serve;
    if (line_open(&source))
        loop_signal(&source);
}
MODULE(MODULE_USER, serial, serial_start);
