// SPDX-License-Identifier: Apache-2.0
/*
 * The shell on the fake appliance, on this terminal: for trying how it feels. Not a test. With an argument "command" it
 * speaks tools/bhctl's protocol on standard input and output instead.
 */
#include <fcntl.h>
#include <mgmt/session.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "fake_appliance.h"

static struct fake_transport transport;

static void drain(void)
{
    size_t at = 0;

    while (at < transport.length) {
        ssize_t n = write(1, transport.text + at, transport.length - at);

        if (n <= 0)
            return;
        at += (size_t)n;
    }
    transport.length = 0;
}

int main(int argc, char **argv)
{
    bool command = argc > 1 && strcmp(argv[1], "command") == 0;
    struct termios before, raw;
    bool terminal = tcgetattr(0, &before) == 0;
    char bytes[256];

    (void)argv;
    if (terminal) {
        raw = before;
        cfmakeraw(&raw);
        tcsetattr(0, TCSANOW, &raw);
    }
    fake_reset();
    fake_ring_write(1, "Linux version 6.12\r\nlogin: ", 27);
    fake_log_write("kernel: 4 CPUs\n");
    fake_open(&transport, command ? SESSION_COMMAND : SESSION_INTERACTIVE);
    while (transport.closes == 0) {
        struct pollfd input = {.fd = 0, .events = POLLIN};

        drain();
        if (poll(&input, 1, 10) > 0) {
            ssize_t n = read(0, bytes, sizeof bytes);

            if (n <= 0)
                break;
            session_receive(transport.session, bytes, (size_t)n);
        }
        fake_run(10 * FAKE_MS);
    }
    drain();
    if (terminal)
        tcsetattr(0, TCSANOW, &before);
    fake_close(&transport);
    return 0;
}
