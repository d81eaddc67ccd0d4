// SPDX-License-Identifier: Apache-2.0
/* A TPM that was sound until it is asked for a quote: then its answers are of any bytes. Each quote comes to an end,
 * twice in a row. */
#include <mgmt/attest.h>
#include <mgmt/module.h>
#include <mgmt/quote.h>
#include <stdlib.h>
#include <tests/unit/fake_tpm.h>

extern const struct module module_attest;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t ended;

static void count(void)
{
    ended++;
}

static void take_quote(const uint8_t *nonce, uint32_t bytes)
{
    const struct quote *quote = quote_get();

    ended = 0;
    if (!quote_start(nonce, bytes, count))
        abort();
    fake_tpm_run();
    if (ended != 1 || (quote->state != QUOTE_DONE && quote->state != QUOTE_FAILED))
        abort();
    if (quote->state == QUOTE_DONE ? quote->attest_bytes > QUOTE_ATTEST_MAX : quote->trouble == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fake_tpm_reset();
    fake_status.measured_count = 1;
    module_attest.start();
    fake_settle(NULL, 0);
    if (attest_tpm() != ATTEST_TPM_READ)
        abort();
    fake_tpm.raw = data;
    fake_tpm.raw_left = (uint32_t)size;
    take_quote(data, (uint32_t)(size < QUOTE_NONCE_MAX ? size : QUOTE_NONCE_MAX));
    take_quote(data, 0);
    return 0;
}
