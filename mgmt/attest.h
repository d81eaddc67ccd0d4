/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was measured of this boot, and whether the TPM says the same. docs/attestation.md. The log is that of the
 * loader, behind it what was measured after it; the TPM's SHA-256 PCRs are read once, at this domain's start, and what
 * is missing in the two PCRs of the management domain is extended then. Loop context.
 */
#ifndef MGMT_ATTEST_H
#define MGMT_ATTEST_H

#include <lib/event_log.h>
#include <stddef.h>

#define ATTEST_PCRS 16u
#define ATTEST_SECURE_BOOT_PCR 7u
#define ATTEST_KERNEL 8u  /* extended by the boot loader, */
#define ATTEST_BUNDLE 9u  /* so is this; */
#define ATTEST_IMAGES 11u /* by the management domain; */
#define ATTEST_STATE 12u  /* by the boot loader where it reads the state store, else by the management domain */

enum attest_tpm {
    ATTEST_TPM_NONE,   /* attest_trouble() says why */
    ATTEST_TPM_BUSY,   /* being read */
    ATTEST_TPM_FAILED, /* attest_trouble() */
    ATTEST_TPM_READ,
};
enum attest_tpm attest_tpm(void);
const char *attest_trouble(void);
uint32_t attest_identity(void); /* of the TPM: device, vendor */

/* The n-th event. `source` says who measured. False: there are no more. */
struct attest_event {
    uint32_t pcr, type;
    uint8_t sha256[EVENT_DIGEST_BYTES];
    bool digested; /* false: it is extended into no PCR */
    const char *source;
    char text[64]; /* of what, in printable ASCII */
};
bool attest_event(uint32_t number, struct attest_event *event);
/* Secure Boot, as the firmware measured it into PCR 7. */
enum attest_secure_boot { ATTEST_SECURE_BOOT_UNKNOWN, ATTEST_SECURE_BOOT_OFF, ATTEST_SECURE_BOOT_ON };
enum attest_secure_boot attest_secure_boot(void);
bool attest_log_whole(void); /* false: a part of the loader's log cannot be read */

enum attest_match {
    ATTEST_UNUSED,   /* nothing measured, and the TPM's is zero */
    ATTEST_LOG_ONLY, /* the TPM's is not known */
    ATTEST_MATCHES,
    ATTEST_UNMEASURED, /* the log has events, the TPM's is zero: who started this does not extend PCRs */
    ATTEST_DIFFERS,
};
struct attest_pcr {
    uint8_t log[EVENT_DIGEST_BYTES], tpm[EVENT_DIGEST_BYTES];
    enum attest_match match;
};
void attest_pcr(uint32_t number, struct attest_pcr *pcr); /* number < ATTEST_PCRS */
const char *attest_meaning(uint32_t number);

#endif
