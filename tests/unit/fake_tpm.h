/* SPDX-License-Identifier: Apache-2.0 */
/* A TPM 2.0 behind the FIFO interface that reads and extends PCRs, and misbehaves as it is told; a clock, timers, and
 * what else the management domain's attestation stands on. */
#ifndef TESTS_UNIT_FAKE_TPM_H
#define TESTS_UNIT_FAKE_TPM_H

#include <bulkhead/status.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_TPM_BASE 0x40000000ul

extern struct fake_tpm {
    bool there, started;
    uint8_t pcr[24][32];
    uint32_t extends, reads;
    /* Misbehaviour. */
    bool never_ready, never_answers, wants_more, no_bank;
    uint32_t answer_size;      /* what the header claims; 0: the truth */
    uint32_t stops_after;      /* extends that still work; UINT32_MAX: all */
    uint32_t code;             /* of each answer */
    uint32_t cut, cut_command; /* bytes that answers to this command lack, by their header too */
    const uint8_t *raw;        /* what follows the header of each answer, instead of that: a length, then bytes */
    uint32_t raw_left;
    const uint8_t *script; /* bytes that registers read as, instead of all that; fuzzing */
    uint32_t script_left;
} fake_tpm;
extern struct status_page fake_status;
extern char fake_said[4096]; /* the log */

void fake_tpm_reset(void);
void fake_tpm_run(void);                                  /* timers, until none is set */
void fake_settle(const uint8_t *values, uint32_t length); /* the state store; values NULL: there is none */

#endif
