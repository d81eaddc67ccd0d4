/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical serial line of a native domain, which the kernel passes through: a UART at the speed and format that the
 * firmware or the kernel gave it. One file a kind of UART; the build chooses. Loop context.
 */
#ifndef DEVICES_SERIAL_LINE_H
#define DEVICES_SERIAL_LINE_H

#include <mgmt/loop.h>
#include <stdbool.h>
#include <stdint.h>

/* `source` is signalled on the UART's interrupts, after which it is quiet until line_listen(). False: no serial line. */
bool line_open(struct loop_source *source);
bool line_receive(uint8_t *byte); /* false: nothing is there */
bool line_send(uint8_t byte);     /* false: there is no room */
/* What is to interrupt: bytes received, room to send. True: there is something to do at once. */
bool line_listen(bool receive, bool send);

#endif
