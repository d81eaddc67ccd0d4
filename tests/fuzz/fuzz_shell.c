// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes into sessions of the shell, as a client that holds a certificate may send them; also through a transport that
 * takes little, with bytes in the console that they are attached to, and notices in between.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/fake_appliance.h"

static void feed(struct fake_transport *transport, const uint8_t *data, size_t size)
{
    size_t at = 0, turns;

    for (turns = 0; at < size && turns < 4 * size + 16; turns++) {
        size_t piece = data[at] % 16 + 1u, taken;

        if (piece > size - at)
            piece = size - at;
        taken = session_receive(transport->session, data + at, piece);
        if (taken > piece)
            abort();
        at += taken;
        if (transport->room != SIZE_MAX)
            transport->room = turns % 700;
        session_writable(transport->session);
        fake_run(turns % 8 == 0 ? FAKE_S : FAKE_MS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_transport first, second;

    if (size < 2 || size > 4096)
        return 0;
    fake_reset();
    fake_crowd = data[0] & 1;
    fake_console_room = data[0] & 2 ? UINT32_MAX : 7;
    fake_open(&first, data[0] & 4 ? SESSION_COMMAND : SESSION_INTERACTIVE);
    fake_open(&second, SESSION_INTERACTIVE);
    if (data[0] & 8)
        first.room = 0;
    fake_ring_write(1, data, size); /* a guest's output is no more trusted */
    fake_log_write("a line\n");
    feed(&first, data + 1, size - 1);
    session_notice_all("a notice");
    feed(&second, data + 1, size - 1);
    fake_ring_write(1, data, size);
    first.room = SIZE_MAX;
    session_writable(first.session);
    fake_run(FAKE_S);
    fake_close(&first);
    fake_close(&second);
    return 0;
}
