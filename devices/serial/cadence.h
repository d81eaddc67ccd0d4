/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of Cadence's UART, as the Zynq UltraScale+ has it (UG1087, module UART). */
#ifndef DEVICES_SERIAL_CADENCE_H
#define DEVICES_SERIAL_CADENCE_H

enum cadence_register {
    CADENCE_CONTROL = 0x00,
    CADENCE_MODE = 0x04,
    CADENCE_ENABLE = 0x08,     /* of interrupts: 1s switch them on, */
    CADENCE_DISABLE = 0x0c,    /* or off */
    CADENCE_INTERRUPTS = 0x14, /* cleared by 1s */
    CADENCE_TIMEOUT = 0x1c,    /* in units of four bits */
    CADENCE_RECEIVE_LEVEL = 0x20,
    CADENCE_STATUS = 0x2c,
    CADENCE_FIFO = 0x30,
};
#define CADENCE_CONTROL_ON 0x14u /* receiver and transmitter */
#define CADENCE_MODE_8N1 0x20u
#define CADENCE_STATUS_RECEIVED_NONE 0x02u
#define CADENCE_STATUS_SEND_FULL 0x10u
#define CADENCE_INTERRUPT_RECEIVED 0x001u /* as many as the level says */
#define CADENCE_INTERRUPT_SENT 0x008u     /* all */
#define CADENCE_INTERRUPT_TIMEOUT 0x100u
#define CADENCE_INTERRUPT_ALL 0x1fffu

#define CADENCE_COMPATIBLE "cdns,uart-r1p12"

#endif
