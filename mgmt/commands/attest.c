/* SPDX-License-Identifier: Apache-2.0 */
/* attest. docs/attestation.md. */
#include <mgmt/attest.h>
#include <mgmt/command.h>
#include <mgmt/output.h>
#include <mgmt/session_internal.h>
#include <stdio.h>

static void hex(char text[2 * EVENT_DIGEST_BYTES + 1], const uint8_t *digest)
{
    for (uint32_t i = 0; i < EVENT_DIGEST_BYTES; i++)
        snprintf(text + (size_t)2 * i, 3, "%02x", digest[i]);
}

static void row_digest(struct output_row *row, const uint8_t *digest)
{
    char text[2 * EVENT_DIGEST_BYTES + 1];

    hex(text, digest);
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
    return OUTPUT_ROW;
}

static const struct output_column tpm_columns[] = {
    {"tpm", "TPM 2.0"}, {"trouble", "why"}, {"identity", "vendor, device"}, {"log_whole", "log is whole"}};
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
        hex(tpm, pcr.tpm);
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
