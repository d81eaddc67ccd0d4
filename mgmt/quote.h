/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A quote: the TPM's signature over its PCRs and a nonce, by a key that never leaves it and signs nothing else
 * (TPM2_Quote; a restricted ECC key on P-256, primary in the endorsement hierarchy: the same one at each boot, until
 * the TPM is cleared by its owner). Loop context; one at a time, once attest_tpm() says ATTEST_TPM_READ.
 */
#ifndef MGMT_QUOTE_H
#define MGMT_QUOTE_H

#include <stdbool.h>
#include <stdint.h>

#define QUOTE_NONCE_MAX 32u
#define QUOTE_ATTEST_MAX 256u
#define QUOTE_NUMBER_BYTES 32u /* of a coordinate, and of each half of a signature */
#define QUOTE_PCRS 0x1bffu     /* 0-9, 11, 12 */

enum quote_state { QUOTE_NONE, QUOTE_BUSY, QUOTE_FAILED, QUOTE_DONE };

struct quote {
    enum quote_state state;
    uint32_t number;                  /* another one for each quote_start() */
    const char *trouble;              /* QUOTE_FAILED */
    uint8_t attest[QUOTE_ATTEST_MAX]; /* TPMS_ATTEST, as it was signed (SHA-256) */
    uint32_t attest_bytes;
    uint8_t signature[2 * QUOTE_NUMBER_BYTES], key[2 * QUOTE_NUMBER_BYTES]; /* r, s; x, y: big-endian */
};

/* `done` is called when its state has changed for good. False: one is being made already. */
bool quote_start(const uint8_t *nonce, uint32_t bytes, void (*done)(void));
const struct quote *quote_get(void);

#endif
