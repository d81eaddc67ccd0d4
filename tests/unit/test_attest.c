// SPDX-License-Identifier: Apache-2.0
/* Attestation in the management domain over the driver of the TPM (issue 5, point 4). */
#include "fake_tpm.h"
#include <mbedtls/sha256.h>
#include <mgmt/attest.h>
#include <mgmt/certificate_name.h>
#include <mgmt/module.h>
#include <mgmt/quote.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <cmocka.h>
// clang-format on

extern const struct module module_attest;
static uint8_t *log; /* of the loader */
static uint32_t length;
static uint8_t digests[4][32];

static void extend(uint8_t pcr[32], const uint8_t *digest)
{
    uint8_t both[64];

    memcpy(both, pcr, 32);
    memcpy(both + 32, digest, 32);
    mbedtls_sha256(both, 64, pcr, 0);
}

/* A loader's measurement: in its log, and in the TPM. */
static void load(uint32_t pcr, const uint8_t *digest, const char *text)
{
    struct event event = {pcr, EV_IPL, digest, (const uint8_t *)text, (uint32_t)strlen(text) + 1};

    length += event_log_put(log + length, 4096 - length, &event);
    extend(fake_tpm.pcr[pcr], digest);
}

static int set_up(void **state)
{
    static const char *const names[] = {"bundle", "mgmt", "linux"};

    (void)state;
    fake_tpm_reset();
    for (uint32_t i = 0; i < 4; i++)
        memset(digests[i], (int)(i + 1), 32);
    fake_status.measured_count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        strcpy(fake_status.measured[i].name, names[i]);
        memcpy(fake_status.measured[i].sha256, digests[i], 32);
    }
    free(log);
    log = aligned_alloc(4096, 4096);
    memset(log, 0, 4096);
    length = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(log);
    log = NULL;
    return 0;
}

static void by_a_loader(void)
{
    length = event_log_begin(log, 4096);
    load(ATTEST_KERNEL, digests[3], "kernel");
    load(ATTEST_BUNDLE, digests[0], "bundle");
    load(ATTEST_STATE, digests[2], "state");
    fake_status.shared.boot_log = (uint64_t)(uintptr_t)log;
    fake_status.shared.boot_log_bytes = 4096;
}

static void start(void)
{
    fake_said[0] = 0;
    module_attest.start();
    fake_settle((const uint8_t *)"values", 6);
}

static enum attest_match match(uint32_t number)
{
    struct attest_pcr pcr;

    attest_pcr(number, &pcr);
    return pcr.match;
}

static void test_all_matches(void **state)
{
    struct attest_event event;

    (void)state;
    by_a_loader();
    start();
    assert_int_equal(attest_tpm(), ATTEST_TPM_READ);
    assert_non_null(strstr(fake_said, "4 PCRs match the log"));
    for (uint32_t i = 0; i < ATTEST_PCRS; i++)
        assert_int_equal(match(i), i == 8 || i == 9 || i == 11 || i == 12 ? ATTEST_MATCHES : ATTEST_UNUSED);
    assert_int_equal(fake_tpm.extends, 2); /* images; the state is the loader's */
    assert_true(attest_event(0, &event));
    assert_string_equal(event.text, "kernel");
    assert_true(attest_event(3, &event));
    assert_string_equal(event.text, "mgmt");
    assert_int_equal(event.pcr, ATTEST_IMAGES);
    assert_true(attest_event(4, &event));
    assert_false(attest_event(5, &event));
}

static void test_extends_once_over_restarts(void **state)
{
    (void)state;
    by_a_loader();
    fake_tpm.stops_after = 1; /* the first life ends in the middle */
    start();
    assert_int_equal(attest_tpm(), ATTEST_TPM_FAILED);
    fake_tpm.stops_after = UINT32_MAX;
    for (uint32_t i = 0; i < 3; i++) {
        start();
        assert_int_equal(fake_tpm.extends, 2);
        assert_int_equal(match(ATTEST_IMAGES), ATTEST_MATCHES);
    }
}

static void test_names_what_differs(void **state)
{
    (void)state;
    by_a_loader();
    extend(fake_tpm.pcr[ATTEST_KERNEL], digests[1]); /* what no log has */
    start();
    assert_non_null(strstr(fake_said, "PCR 8 (kernel) of the TPM is not what the log gives"));
    assert_non_null(strstr(fake_said, "3 PCRs match"));
    assert_int_equal(match(ATTEST_KERNEL), ATTEST_DIFFERS);
    assert_int_equal(match(ATTEST_BUNDLE), ATTEST_MATCHES);
}

static void test_no_loader_measures(void **state)
{
    (void)state;
    fake_tpm.started = false;
    start();
    assert_non_null(strstr(fake_said, "nobody has started the TPM"));
    assert_int_equal(match(ATTEST_BUNDLE), ATTEST_UNMEASURED);
    assert_int_equal(match(ATTEST_IMAGES), ATTEST_MATCHES);
    assert_int_equal(match(ATTEST_STATE), ATTEST_MATCHES);
    assert_int_equal(fake_tpm.extends, 3);
    start();
    assert_int_equal(fake_tpm.extends, 3);
}

/* U-Boot: no log, but the kernel's digest; the PCRs are extended. */
static void test_a_loader_without_a_log(void **state)
{
    struct attest_event event;

    (void)state;
    for (uint32_t i = 0; i < 64; i++)
        fake_status.kernel_sha256[i] = "04"[i & 1];
    extend(fake_tpm.pcr[ATTEST_KERNEL], digests[3]);
    extend(fake_tpm.pcr[ATTEST_BUNDLE], digests[0]);
    start();
    for (uint32_t i = ATTEST_KERNEL; i <= ATTEST_STATE; i++)
        assert_int_equal(match(i), i == 10 ? ATTEST_UNUSED : ATTEST_MATCHES);
    assert_int_equal(fake_tpm.extends, 3);
    assert_true(attest_event(0, &event));
    assert_string_equal(event.text, "kernel");
    fake_status.kernel_sha256[9] = 'x'; /* that is none */
    start();
    assert_int_equal(match(ATTEST_KERNEL), ATTEST_DIFFERS);
}

static void test_without_a_tpm(void **state)
{
    (void)state;
    by_a_loader();
    fake_tpm.there = false;
    start();
    assert_int_equal(attest_tpm(), ATTEST_TPM_NONE);
    assert_int_equal(match(ATTEST_KERNEL), ATTEST_LOG_ONLY);
    assert_non_null(strstr(fake_said, "no TPM"));
}

static void test_a_damaged_log(void **state)
{
    (void)state;
    by_a_loader();
    log[length - 7] = 0xff; /* the last event's length */
    start();
    assert_non_null(strstr(fake_said, "damaged behind event 2"));
    assert_false(attest_log_whole());
    assert_int_equal(match(ATTEST_KERNEL), ATTEST_MATCHES);
    assert_int_equal(match(ATTEST_STATE), ATTEST_DIFFERS);
}

static void fails(const char *why)
{
    start();
    assert_int_equal(attest_tpm(), ATTEST_TPM_FAILED);
    if (!strstr(fake_said, why))
        fail_msg("'%s' is not in:\n%s", why, fake_said);
    assert_int_equal(match(ATTEST_BUNDLE), ATTEST_LOG_ONLY);
}

static void test_a_hostile_tpm(void **state)
{
    static const uint32_t sizes[] = {1, 9, 1025, 0xffffffff};

    fake_tpm.never_ready = true;
    fails("does not become ready");
    set_up(state);
    fake_tpm.never_answers = true;
    fails("does not answer");
    set_up(state);
    fake_tpm.wants_more = true;
    fails("wants more");
    set_up(state);
    fake_tpm.no_bank = true;
    fails("no SHA-256");
    set_up(state);
    fake_tpm.code = 0x101;
    fails("error 0x101");
    for (uint32_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        set_up(state);
        fake_tpm.answer_size = sizes[i];
        fails("length that cannot be");
    }
    set_up(state);
    fake_tpm.answer_size = 100; /* more than it gives */
    fails("shorter than it says");
    set_up(state);
    fake_tpm.answer_size = 20;
    fails("no SHA-256");
}

/* UEFI_VARIABLE_DATA */
static struct event variable(uint8_t *to, const char *name, const uint8_t *data, uint32_t bytes, uint8_t *digest)
{
    static const uint8_t global[] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                     0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
    uint32_t letters = (uint32_t)strlen(name), at = 32 + 2 * letters;

    memset(to, 0, at);
    memcpy(to, global, sizeof global);
    to[16] = (uint8_t)letters;
    to[24] = (uint8_t)bytes;
    for (uint32_t i = 0; i < letters; i++)
        to[32 + 2 * i] = (uint8_t)name[i];
    memcpy(to + at, data, bytes);
    mbedtls_sha256(to, at + bytes, digest, 0);
    return (struct event){7, EV_EFI_VARIABLE_DRIVER_CONFIG, digest, to, at + bytes};
}

static void put_event(const struct event *event)
{
    length += event_log_put(log + length, 4096 - length, event);
    extend(fake_tpm.pcr[event->pcr], event->sha256);
}

static void test_secure_boot(void **state)
{
    static const struct {
        uint8_t value;
        const char *name;
        bool forged;
        enum attest_secure_boot expected;
    } cases[] = {{1, "SecureBoot", false, ATTEST_SECURE_BOOT_ON},
                 {0, "SecureBoot", false, ATTEST_SECURE_BOOT_OFF},
                 {1, "SecureBoot", true, ATTEST_SECURE_BOOT_UNKNOWN},
                 {1, "SecureBoos", false, ATTEST_SECURE_BOOT_UNKNOWN}};
    uint8_t data[64], later[64], digest[32], later_digest[32];
    struct event event;

    for (uint32_t i = 0; i < 4; i++) {
        tear_down(state);
        set_up(state);
        by_a_loader();
        event = variable(data, cases[i].name, &cases[i].value, 1, digest);
        data[52] ^= cases[i].forged;
        put_event(&event);
        if (i == 1) { /* somebody later says the opposite */
            event = variable(later, "SecureBoot", (const uint8_t *)"\1", 1, later_digest);
            put_event(&event);
        }
        start();
        assert_int_equal(attest_secure_boot(), cases[i].expected);
        assert_int_equal(match(7), ATTEST_MATCHES);
    }
}

/* The name of the first certificate of a list, cut anywhere. */
static void test_names_of_keys(void **state)
{
    static const uint8_t der[] = {0x30, 0x1f, 0x30, 0x1b, 0xa0, 0x00, 0x02, 0x00, 0x30, 0x00, 0x30,
                                  0x00, 0x30, 0x00, 0x30, 0x0f, 0x31, 0x0d, 0x30, 0x0b, 0x06, 0x03,
                                  0x55, 0x04, 0x03, 0x0c, 0x04, 'a',  0x1b, 'K',  'e',  0x30, 0x00};
    static const uint8_t x509[] = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                                   0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
    uint8_t list[28 + 16 + sizeof der] = {0}, data[160], digest[32];
    const uint32_t named = 28 + 16 + 31; /* bytes that a name needs */
    struct attest_event found;
    struct event event;

    for (uint32_t bytes = 0; bytes <= sizeof list; bytes++) {
        tear_down(state);
        set_up(state);
        by_a_loader();
        memcpy(list, x509, sizeof x509);
        list[16] = (uint8_t)bytes;
        memcpy(list + 44, der, sizeof der);
        list[45] = (uint8_t)(bytes >= named ? bytes - 46 : 0x1f); /* the certificate ends with the list */
        event = variable(data, "db", list, bytes, digest);
        put_event(&event);
        start();
        assert_true(attest_event(3, &found));
        assert_string_equal(found.text, bytes >= named ? "db: a?Ke" : "db");
    }
    memcpy(list, "another", 7); /* not a list of certificates */
    tear_down(state);
    set_up(state);
    by_a_loader();
    event = variable(data, "db", list, sizeof list, digest);
    put_event(&event);
    start();
    assert_true(attest_event(3, &found));
    assert_string_equal(found.text, "db");
}

/* A certificate in a buffer of exactly its size. */
static void assert_name(const uint8_t *der, uint32_t size, uint32_t room, const char *expected)
{
    uint8_t *exact = malloc(size);
    char *text = malloc(room);

    memcpy(exact, der, size);
    assert_int_equal(certificate_name(exact, size, text, room), expected[0] != 0);
    assert_string_equal(text, expected);
    free(exact);
    free(text);
}

/* Names of any place, length and kind of string; lengths that reach beyond what holds them. */
static void test_names_of_certificates(void **state)
{
    static const uint8_t first_version[] = {
        /* no version; an organisation, an e-mail and a name in one set */
        0x30, 0x81, 0x30, 0x30, 0x2e, 0x02, 0x01, 0x07, 0x30, 0x00, 0x30, 0x00, 0x30, 0x00, 0x30, 0x23, 0x31,
        0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x13, 0x02, 'H',  'P',  0x31, 0x14, 0x30, 0x07, 0x06,
        0x02, 0x55, 0x04, 0x0c, 0x01, 'x',  0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x16, 0x02, 'd',  'b'};
    uint8_t der[sizeof first_version];

    (void)state;
    for (uint32_t room = 1; room <= 4; room++)
        assert_name(first_version, sizeof der, room, room == 1 ? "" : room == 2 ? "d" : "db");
    for (uint32_t i = 0; i < sizeof der; i++) { /* each byte once the greatest length, once an endless one */
        static const uint8_t lengths[] = {0xff, 0x84, 0x80};

        for (uint32_t j = 0; j < sizeof lengths; j++) {
            char text[8];

            memcpy(der, first_version, sizeof der);
            der[i] = lengths[j];
            certificate_name(der, sizeof der, text, sizeof text);
            assert_true(strnlen(text, sizeof text) < sizeof text);
        }
    }
    memcpy(der, first_version, sizeof der);
    der[sizeof der - 3] = 3; /* its name, one byte beyond all */
    assert_name(der, sizeof der, 8, "");
    der[sizeof der - 3] = 0;
    assert_name(der, sizeof der, 8, "");
}

static uint32_t quotes;

static void quote_made(void)
{
    quotes++;
}

static enum quote_state take_quote(void)
{
    quotes = 0;
    assert_true(quote_start((const uint8_t *)"nonce", 5, quote_made));
    assert_false(quote_start((const uint8_t *)"nonce", 5, quote_made)); /* one at a time */
    fake_tpm_run();
    assert_int_equal(quotes, 1);
    return quote_get()->state;
}

static void test_a_quote(void **state)
{
    (void)state;
    by_a_loader();
    start();
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(take_quote(), QUOTE_DONE);
        assert_int_equal(quote_get()->attest_bytes, 129);
        assert_int_equal(quote_get()->signature[31], 0x33);
        assert_int_equal(quote_get()->signature[32], 0x44);
        assert_int_equal(quote_get()->key[0], 0x11);
        assert_int_equal(quote_get()->key[32], 0);
        assert_int_equal(quote_get()->key[33], 0x22);
    }
    assert_false(quote_start((const uint8_t *)"", QUOTE_NONCE_MAX + 1, quote_made));
}

/* Answers that are cut anywhere before what is needed of them. */
static void test_quotes_of_a_hostile_tpm(void **state)
{
    static const struct {
        uint32_t command, size, needed;
    } answers[] = {{0x131, 10 + 10 + 20 + 34 + 33 + 32, 10 + 10 + 20 + 34 + 33},
                   {0x158, 10 + 4 + 131 + 4 + 34 + 34 + 4, 10 + 4 + 131 + 4 + 34 + 34}};

    (void)state;
    start();
    for (uint32_t i = 0; i < 2; i++)
        for (fake_tpm.cut = 0; fake_tpm.cut <= answers[i].size - 10; fake_tpm.cut++) {
            fake_tpm.cut_command = answers[i].command;
            assert_int_equal(take_quote(),
                             answers[i].size - fake_tpm.cut >= answers[i].needed ? QUOTE_DONE : QUOTE_FAILED);
        }
    fake_tpm.cut_command = 0;
    fake_tpm.code = 0x922;
    assert_int_equal(take_quote(), QUOTE_FAILED);
    assert_string_equal(quote_get()->trouble, "it answers with error 0x922");
    fake_tpm.never_answers = true;
    assert_int_equal(take_quote(), QUOTE_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_matches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_extends_once_over_restarts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_what_differs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_loader_measures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_loader_without_a_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_tpm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_damaged_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_hostile_tpm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secure_boot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_of_keys, set_up, tear_down),
        cmocka_unit_test(test_names_of_certificates),
        cmocka_unit_test_setup_teardown(test_a_quote, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quotes_of_a_hostile_tpm, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
