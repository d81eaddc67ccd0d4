// SPDX-License-Identifier: Apache-2.0
/* A TPM whose registers read as any bytes, and a boot loader's log of any bytes behind a sound beginning: attestation
 * comes to an end and says something. */
#include <mgmt/attest.h>
#include <mgmt/module.h>
#include <stdlib.h>
#include <string.h>
#include <tests/unit/fake_tpm.h>

#define LOG_BYTES 1024u

extern const struct module module_attest;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *log = aligned_alloc(4096, 4096);
    size_t of_log = size < LOG_BYTES ? size / 2 : LOG_BYTES;
    struct attest_event event;
    struct attest_pcr pcr;
    uint32_t begun = event_log_begin(log, 4096);

    memset(log + begun, 0, 4096 - begun);
    memcpy(log + begun, data, of_log);
    fake_tpm_reset();
    fake_status.measured_count = 1;
    fake_status.shared.boot_log = (uint64_t)(uintptr_t)log;
    fake_status.shared.boot_log_bytes = 4096;
    fake_tpm.script = data + of_log;
    fake_tpm.script_left = (uint32_t)(size - of_log);
    module_attest.start();
    fake_settle(data, (uint32_t)(size < 32 ? size : 32));
    for (uint32_t i = 0; attest_event(i, &event); i++)
        if (strnlen(event.text, sizeof(event.text)) == sizeof(event.text))
            abort();
    for (uint32_t i = 0; i < ATTEST_PCRS; i++)
        attest_pcr(i, &pcr);
    free(log);
    return 0;
}
