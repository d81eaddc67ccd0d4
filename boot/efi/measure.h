/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measured boot (docs/attestation.md): what is about to be started, into the TPM where the firmware has one
 * (EFI_TCG2_PROTOCOL, TCG EFI Protocol Specification), and into a log in any case. The log travels to the kernel behind
 * the bundle, on a page of its own.
 */
#ifndef BOOT_EFI_MEASURE_H
#define BOOT_EFI_MEASURE_H

#include "start.h"

/* The slot that is started: kernel, bundle, and the values of the state store (data NULL: there is none). */
void measure_slot(const struct bytes *kernel, const struct bytes *bundle, const struct bytes *state);

/* After what else the firmware measures while it loads the kernel: how many bytes, whole pages, the log takes with what
 * may still be added; 0: there is none. */
uint32_t measure_room(void);
/* Copies it to its place, measure_room() bytes, where the firmware's last events are added by itself when its services
 * end. May be called again with another place: the last one counts. */
void measure_place(uint8_t *place);

#endif
