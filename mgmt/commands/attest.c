/* SPDX-License-Identifier: Apache-2.0 */
/* attest. docs/attestation.md. */
#include <mgmt/attest.h>
#include <mgmt/command.h>
#include <mgmt/output.h>
#include <mgmt/quote.h>
#include <mgmt/session_internal.h>
#include <stdio.h>
#include <string.h>

static void put_hex(char *text, const uint8_t *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        snprintf(text + (size_t)2 * i, 3, "%02x", bytes[i]);
}

static void row_digest(struct output_row *row, const uint8_t *digest)
{
    char text[2 * EVENT_DIGEST_BYTES + 1];

    put_hex(text, digest, EVENT_DIGEST_BYTES);
    row_text(row, text);
}

static enum output_step tpm_row(struct output_row *row, struct output_cursor *cursor)
{
    static const char *const text[] = {
        [ATTEST_TPM_NONE] = "none",
        [ATTEST_TPM_BUSY] = "being read",
        [ATTEST_TPM_FAILED] = "failed",
        [ATTEST_TPM_READ] = "read",
    };
    static const char *const secure_boot[] = {
        [ATTEST_SECURE_BOOT_UNKNOWN] = "not told",
        [ATTEST_SECURE_BOOT_OFF] = "off",
        [ATTEST_SECURE_BOOT_ON] = "on",
    };
    enum attest_tpm tpm = attest_tpm();

    (void)cursor;
    row_text(row, text[tpm]);
    if (tpm == ATTEST_TPM_NONE || tpm == ATTEST_TPM_FAILED)
        row_text(row, attest_trouble());
    else
        row_none(row);
    if (tpm == ATTEST_TPM_NONE)
        row_none(row);
    else
        row_format(row, "%04x:%04x", (unsigned)(attest_identity() & 0xffff), (unsigned)(attest_identity() >> 16));
    row_flag(row, attest_log_whole());
    row_text(row, secure_boot[attest_secure_boot()]);
    return OUTPUT_ROW;
}

static const struct output_column tpm_columns[] = {{"tpm", "TPM 2.0"},
                                                   {"trouble", "why"},
                                                   {"identity", "vendor, device"},
                                                   {"log_whole", "log is whole"},
                                                   {"secure_boot", "Secure Boot"}};
static const struct output_section tpm_section = {
    .key = "attest",
    .kind = OUTPUT_RECORD,
    .column = tpm_columns,
    .columns = sizeof tpm_columns / sizeof tpm_columns[0],
    .row = tpm_row,
};

static enum output_step event_row(struct output_row *row, struct output_cursor *cursor)
{
    struct attest_event event;

    if (!attest_event((uint32_t)cursor->row, &event))
        return OUTPUT_END;
    if (event.digested)
        row_number(row, event.pcr);
    else
        row_none(row);
    row_text(row, event.source);
    row_text(row, event.text);
    row_hex(row, event.type);
    if (event.digested)
        row_digest(row, event.sha256);
    else
        row_none(row);
    return OUTPUT_ROW;
}

static const struct output_column event_columns[] = {
    {"pcr", "PCR"}, {"measured_by", "BY"}, {"stage", "WHAT"}, {"type", NULL}, {"sha256", "SHA-256"}};
static const struct output_section event_section = {
    .key = "events",
    .title = "Measured:",
    .empty = "nothing was measured",
    .kind = OUTPUT_TABLE,
    .column = event_columns,
    .columns = sizeof event_columns / sizeof event_columns[0],
    .row = event_row,
};

/* Those with anything in them: `position` is the next one. */
static enum output_step pcr_row(struct output_row *row, struct output_cursor *cursor)
{
    static const char *const text[] = {
        [ATTEST_UNUSED] = "unused",           [ATTEST_LOG_ONLY] = "log only", [ATTEST_MATCHES] = "matches",
        [ATTEST_UNMEASURED] = "not extended", [ATTEST_DIFFERS] = "DIFFERS",
    };
    struct attest_pcr pcr;
    uint32_t number = (uint32_t)cursor->position[0];

    do {
        if (number >= ATTEST_PCRS)
            return OUTPUT_END;
        attest_pcr(number++, &pcr);
    } while (pcr.match == ATTEST_UNUSED);
    cursor->position[0] = number--;
    row_number(row, number);
    row_text(row, attest_meaning(number));
    row_text(row, text[pcr.match]);
    row_digest(row, pcr.log);
    if (attest_tpm() == ATTEST_TPM_READ)
        row_digest(row, pcr.tpm);
    else
        row_none(row);
    return OUTPUT_ROW;
}

static const struct output_column pcr_columns[] = {
    {"pcr", "PCR"}, {"meaning", "OF"}, {"state", "TPM"}, {"log", "SHA-256 BY THE LOG"}, {"tpm", NULL}};
static const struct output_section pcr_section = {
    .key = "pcrs",
    .title = "PCRs:",
    .empty = "no PCR is used",
    .kind = OUTPUT_TABLE,
    .column = pcr_columns,
    .columns = sizeof pcr_columns / sizeof pcr_columns[0],
    .row = pcr_row,
};

static int run_attest(struct session *session, int arguments, char **argument)
{
    char tpm[2 * EVENT_DIGEST_BYTES + 1];
    struct attest_pcr pcr;
    int status = COMMAND_OK;

    (void)arguments;
    (void)argument;
    if (attest_tpm() == ATTEST_TPM_BUSY) {
        output_error(session, "the TPM is still being read; ask again in a moment");
        return COMMAND_FAILED;
    }
    for (uint32_t i = 0; i < ATTEST_PCRS; i++) {
        attest_pcr(i, &pcr);
        if (pcr.match != ATTEST_DIFFERS)
            continue;
        put_hex(tpm, pcr.tpm, sizeof pcr.tpm);
        output_error(session, "PCR %u (%s) is not what the log gives; the TPM has %s", (unsigned)i, attest_meaning(i),
                     tpm);
        status = COMMAND_FAILED;
    }
    output_section(session, &tpm_section, 0);
    output_section(session, &event_section, 0);
    output_section(session, &pcr_section, 0);
    return status;
}
COMMAND(attest, "attest", "[--json]", "what was measured of this boot, and whether the TPM says the same", run_attest,
        NULL);

/* attest quote */

static enum output_step quote_row(struct output_row *row, struct output_cursor *cursor)
{
    static const char *const what[] = {"quote", "signature", "key"};
    const struct quote *quote = quote_get();
    char text[2 * QUOTE_ATTEST_MAX + 16] = "";

    if (quote->number != cursor->argument && cursor->position[0]++ == 0) {
        row_text(row, "failed: another quote was asked for before this one was read");
        return OUTPUT_ROW;
    }
    if (quote->number != cursor->argument)
        return OUTPUT_END;
    if (quote->state == QUOTE_BUSY)
        return OUTPUT_WAIT;
    if (quote->state == QUOTE_FAILED && cursor->row == 0) {
        row_format(row, "failed: %s", quote->trouble);
        return OUTPUT_ROW;
    }
    if (quote->state != QUOTE_DONE || cursor->row > 2)
        return OUTPUT_END;
    snprintf(text, 16, "%s ", what[cursor->row]);
    if (cursor->row == 0)
        put_hex(text + strlen(text), quote->attest, quote->attest_bytes);
    else
        put_hex(text + strlen(text), cursor->row == 1 ? quote->signature : quote->key, sizeof quote->key);
    row_text(row, text);
    return OUTPUT_ROW;
}

static const struct output_section quote_section = {.key = "quote", .kind = OUTPUT_TEXT, .row = quote_row};

/* Bytes; 0: that is not a nonce. */
static uint32_t read_nonce(const char *text, uint8_t nonce[QUOTE_NONCE_MAX])
{
    static const char digits[] = "0123456789abcdef";
    size_t length = strlen(text);

    if (length % 2 != 0 || length > (size_t)2 * QUOTE_NONCE_MAX || strspn(text, digits) != length)
        return 0;
    for (size_t i = 0; i < length; i++)
        nonce[i / 2] = (uint8_t)(nonce[i / 2] << 4 | (strchr(digits, text[i]) - digits));
    return (uint32_t)(length / 2);
}

static int run_quote(struct session *session, int arguments, char **argument)
{
    uint8_t nonce[QUOTE_NONCE_MAX] = {0};
    uint32_t bytes = read_nonce(argument[0], nonce);

    (void)arguments;
    if (bytes == 0) {
        output_error(session, "the nonce is 1 to %u bytes in hexadecimal, a-f small", QUOTE_NONCE_MAX);
        return COMMAND_WRONG_USE;
    }
    if (attest_tpm() != ATTEST_TPM_READ) {
        output_error(session, "no TPM can be asked: %s",
                     attest_tpm() == ATTEST_TPM_BUSY ? "it is still being read" : attest_trouble());
        return COMMAND_FAILED;
    }
    if (!quote_start(nonce, bytes, output_wake)) {
        output_error(session, "the TPM is making another quote; ask again in a moment");
        return COMMAND_FAILED;
    }
    output_section(session, &quote_section, quote_get()->number);
    return COMMAND_OK;
}
COMMAND(attest_quote, "attest quote", "NONCE", "PCRs and a nonce, signed by the TPM (docs/attestation.md)", run_quote,
        NULL);
