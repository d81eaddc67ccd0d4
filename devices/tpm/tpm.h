/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TPM 2.0 behind the FIFO interface in memory (TCG PC Client Platform TPM Profile 1.05, chapter 6), locality 0, by
 * polling from the loop. What it says is not trusted: every length is checked, every wait has an end. Loop context; one
 * command at a time.
 */
#ifndef DEVICES_TPM_TPM_H
#define DEVICES_TPM_TPM_H

#include <stdbool.h>
#include <stdint.h>

#define TPM_COMMAND_MAX 512u
#define TPM_RESPONSE_MAX 1024u
#define TPM_HEADER_BYTES 10u
#define TPM_RC_INITIALIZE 0x100u /* nobody has sent TPM2_Startup */

/* Where this machine's TPM is; 0: it has none, or none that this driver knows. Maps its registers: start-up only. */
uint64_t tpm_find(void);
/* What stands at these registers: false, with the reason, where it is no TPM 2.0 with this interface. */
bool tpm_open(uint64_t registers, const char **why);
/* Vendor and device, as the registers have them. */
uint32_t tpm_identity(void);

/* Sends `length` bytes, at most TPM_COMMAND_MAX, which begin with a header. done(): `response` is NULL with the reason
 * in tpm_trouble() where the TPM did not answer as it has to; else `size` bytes, as its header says, with `code`, the
 * response code. False: a command is under way. */
bool tpm_send(const uint8_t *command, uint32_t length,
              void (*done)(uint32_t code, const uint8_t *response, uint32_t size));
const char *tpm_trouble(void);

#endif
