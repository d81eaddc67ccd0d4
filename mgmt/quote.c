// SPDX-License-Identifier: Apache-2.0
#include <devices/tpm/command.h>
#include <mgmt/quote.h>
#include <stdio.h>

#define TPM_RH_ENDORSEMENT 0x4000000bu
#define TPM_TRANSIENT_FIRST 0x80000000u /* nobody else keeps an object in the TPM: ours is always this one */
#define TPM_ECC_NIST_P256 0x0003u
/* fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, sign */
#define KEY_ATTRIBUTES 0x00050472u
#define PUBLIC_BYTES 24u /* of the template below, without its size */

static struct quote quote;
static uint8_t nonce[QUOTE_NONCE_MAX];
static uint32_t nonce_bytes;
static void (*when_done)(void);

const struct quote *quote_get(void)
{
    return &quote;
}

static void end(enum quote_state state, const char *trouble)
{
    quote.state = state;
    quote.trouble = trouble;
    when_done();
}

static bool is_good(uint32_t code, const uint8_t *response)
{
    static char text[48];

    if (response == NULL) {
        end(QUOTE_FAILED, tpm_trouble());
        return false;
    }
    if (code != 0) {
        snprintf(text, sizeof text, "it answers with error 0x%x", (unsigned)code);
        end(QUOTE_FAILED, text);
    }
    return code == 0;
}

/* The next command. */
static void ask(struct tpm_command *command, void (*answered)(uint32_t code, const uint8_t *response, uint32_t size))
{
    if (!tpm_run(command, answered))
        end(QUOTE_FAILED, "it is asked something else");
}

static void take_number(struct tpm_answer *answer, uint8_t *number)
{
    uint32_t length = tpm_take(answer, 2);
    const uint8_t *bytes = tpm_take_bytes(answer, length);

    answer->sound = answer->sound && length <= QUOTE_NUMBER_BYTES;
    if (!answer->sound)
        return;
    memset(number, 0, QUOTE_NUMBER_BYTES - length);
    memcpy(number + QUOTE_NUMBER_BYTES - length, bytes, length);
}

static void quoted(uint32_t code, const uint8_t *response, uint32_t size)
{
    struct tpm_answer answer;
    const uint8_t *bytes;

    if (!is_good(code, response))
        return;
    answer = tpm_answer(response, size);
    tpm_take(&answer, 4); /* how long the parameters are: each says that itself */
    quote.attest_bytes = tpm_take(&answer, 2);
    bytes = tpm_take_bytes(&answer, quote.attest_bytes);
    if (bytes == NULL || quote.attest_bytes > sizeof quote.attest) {
        end(QUOTE_FAILED, "its quote has a length that cannot be");
        return;
    }
    memcpy(quote.attest, bytes, quote.attest_bytes);
    if (tpm_take(&answer, 2) != TPM_ALG_ECDSA || tpm_take(&answer, 2) != TPM_ALG_SHA256)
        answer.sound = false;
    take_number(&answer, quote.signature);
    take_number(&answer, quote.signature + QUOTE_NUMBER_BYTES);
    end(answer.sound ? QUOTE_DONE : QUOTE_FAILED, answer.sound ? NULL : "its signature is none by ECDSA with SHA-256");
}

static void created(uint32_t code, const uint8_t *response, uint32_t size)
{
    struct tpm_command command;
    struct tpm_answer answer;

    if (!is_good(code, response))
        return;
    answer = tpm_answer(response, size);
    if (tpm_take(&answer, 4) != TPM_TRANSIENT_FIRST) {
        end(QUOTE_FAILED, "its memory is in use by somebody else");
        return;
    }
    tpm_take(&answer, 4);
    tpm_take(&answer, 2);
    tpm_take_bytes(&answer, PUBLIC_BYTES - 4); /* the template, up to the two coordinates */
    take_number(&answer, quote.key);
    take_number(&answer, quote.key + QUOTE_NUMBER_BYTES);
    if (!answer.sound) {
        end(QUOTE_FAILED, "its key is none on P-256");
        return;
    }
    command = tpm_begin(TPM_ST_SESSIONS, TPM_CC_QUOTE);
    tpm_put(&command, 4, TPM_TRANSIENT_FIRST);
    tpm_put_password(&command);
    tpm_put(&command, 2, nonce_bytes);
    tpm_put_bytes(&command, nonce, nonce_bytes);
    tpm_put(&command, 2, TPM_ALG_NULL); /* the key's own scheme */
    tpm_put_pcrs(&command, QUOTE_PCRS);
    ask(&command, quoted);
}

static void flushed(uint32_t code, const uint8_t *response, uint32_t size)
{
    struct tpm_command command = tpm_begin(TPM_ST_SESSIONS, TPM_CC_CREATE_PRIMARY);

    (void)code, (void)size; /* there was a key from before, or there was not */
    if (response == NULL) {
        end(QUOTE_FAILED, tpm_trouble());
        return;
    }
    tpm_put(&command, 4, TPM_RH_ENDORSEMENT);
    tpm_put_password(&command);
    tpm_put(&command, 2, 4); /* TPM2B_SENSITIVE_CREATE: no password, no data */
    tpm_put(&command, 4, 0);
    tpm_put(&command, 2, PUBLIC_BYTES); /* TPM2B_PUBLIC */
    tpm_put(&command, 2, TPM_ALG_ECC);
    tpm_put(&command, 2, TPM_ALG_SHA256);
    tpm_put(&command, 4, KEY_ATTRIBUTES);
    tpm_put(&command, 2, 0);            /* policy */
    tpm_put(&command, 2, TPM_ALG_NULL); /* symmetric */
    tpm_put(&command, 2, TPM_ALG_ECDSA);
    tpm_put(&command, 2, TPM_ALG_SHA256);
    tpm_put(&command, 2, TPM_ECC_NIST_P256);
    tpm_put(&command, 2, TPM_ALG_NULL); /* derivation */
    tpm_put(&command, 4, 0);            /* x, y */
    tpm_put(&command, 2, 0);            /* outside information */
    tpm_put(&command, 4, 0);            /* creation PCRs */
    ask(&command, created);
}

bool quote_start(const uint8_t *wanted, uint32_t bytes, void (*done)(void))
{
    struct tpm_command command = tpm_begin(TPM_ST_NO_SESSIONS, TPM_CC_FLUSH_CONTEXT);

    if (quote.state == QUOTE_BUSY || bytes > QUOTE_NONCE_MAX)
        return false;
    memcpy(nonce, wanted, bytes);
    nonce_bytes = bytes;
    when_done = done;
    tpm_put(&command, 4, TPM_TRANSIENT_FIRST);
    if (!tpm_run(&command, flushed))
        return false;
    quote.state = QUOTE_BUSY;
    quote.number++;
    return true;
}
