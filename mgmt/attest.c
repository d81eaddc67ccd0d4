// SPDX-License-Identifier: Apache-2.0
#include <devices/tpm/command.h>
#include <lib/native.h>
#include <mbedtls/sha256.h>
#include <mgmt/attest.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/certificate_name.h>
#include <mgmt/module.h>
#include <mgmt/platform.h>
#include <stdio.h>
#include <storage/state_partition.h>
#include <string.h>

#define LOG_MAX (1u << 20)
#define EVENTS_MAX 1024u /* of the loader's log: what is behind is not read */

#define PCR_READ_ANSWER (TPM_HEADER_BYTES + 4 + 4 + 6 + 4 + 2 + EVENT_DIGEST_BYTES)

static const uint8_t zero[EVENT_DIGEST_BYTES];
static const char *const meanings[ATTEST_PCRS] = {
    "the firmware's code",
    "the firmware's configuration",
    "option ROMs",
    "option ROMs' configuration",
    "boot loader and kernel, as the firmware loaded them",
    "partition table, and the end of the firmware's services",
    "the machine's maker",
    "Secure Boot: its keys, and whether it is on",
    [ATTEST_KERNEL] = "kernel",
    [ATTEST_BUNDLE] = "bundle",
    [ATTEST_IMAGES] = "the bundle's images",
    [ATTEST_STATE] = "state store, as it was at the start",
};

static const uint8_t *loader_log; /* NULL: there is none */
static uint32_t loader_log_bytes, loader_events;
static bool loader_log_whole = true, loader_has[ATTEST_PCRS], state_known;
static enum attest_secure_boot secure_boot;
static uint8_t state_digest[EVENT_DIGEST_BYTES];
static uint8_t log_pcr[ATTEST_PCRS][EVENT_DIGEST_BYTES], tpm_pcr[ATTEST_PCRS][EVENT_DIGEST_BYTES];
static bool log_used[ATTEST_PCRS];
static enum attest_tpm tpm;
static const char *trouble = "none is known of";
static uint32_t identity, next, number; /* PCR that is being read; own event that is looked at */
static bool started, waits_for_state;

enum attest_tpm attest_tpm(void)
{
    return tpm;
}
const char *attest_trouble(void)
{
    return trouble;
}
uint32_t attest_identity(void)
{
    return identity;
}
enum attest_secure_boot attest_secure_boot(void)
{
    return secure_boot;
}
bool attest_log_whole(void)
{
    return loader_log_whole;
}
const char *attest_meaning(uint32_t index)
{
    return meanings[index] != NULL ? meanings[index] : "-";
}

/* --- Events --- */

/* Whether an event's digest is that of the bytes in the log: then its PCR vouches for them. */
static bool is_of_its_data(const struct event *event)
{
    uint8_t digest[EVENT_DIGEST_BYTES];

    if (event->sha256 == NULL)
        return false;
    mbedtls_sha256(event->data, event->length, digest, 0);
    return memcmp(digest, event->sha256, sizeof digest) == 0;
}

/* Whose certificate a variable holds: EFI_SIGNATURE_DATA of a signer, or the first of EFI_SIGNATURE_LISTs
 * (UEFI 2.10, 32.4.1). */
static void put_signer(struct attest_event *event, const struct event *from, const uint8_t *data, uint32_t length)
{
    static const uint8_t x509[] = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                                   0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
    uint32_t at = 16, end = length, header, list, text = (uint32_t)strlen(event->text);
    char name[sizeof event->text];

    if (from->type != EV_EFI_VARIABLE_AUTHORITY) {
        if (length < 28 || memcmp(data, x509, sizeof x509) != 0)
            return;
        memcpy(&list, data + 16, sizeof list);
        memcpy(&header, data + 20, sizeof header);
        if (list > length || header > length - 28)
            return;
        at = 28 + header + 16;
        end = list;
    }
    if (at < end && is_of_its_data(from) && certificate_name(data + at, end - at, name, sizeof name))
        snprintf(event->text + text, sizeof event->text - text, ": %s%s", name, end < length ? ", ..." : "");
}

/* UEFI_VARIABLE_DATA: a GUID, two lengths, a name in UTF-16, what it holds. */
static bool put_variable(struct attest_event *event, const struct event *from)
{
    uint64_t letters, held;
    uint32_t at = 0;

    if (from->length < 32)
        return false;
    memcpy(&letters, from->data + 16, sizeof letters);
    memcpy(&held, from->data + 24, sizeof held);
    if (letters == 0 || letters > (from->length - 32) / 2 || letters >= sizeof event->text)
        return false;
    for (; at < letters; at++) {
        uint8_t low = from->data[32 + 2 * at], high = from->data[33 + 2 * at];

        event->text[at] = (char)(high == 0 && low >= 0x20 && low < 0x7f ? low : '?');
    }
    event->text[at] = 0;
    if (held == from->length - 32 - 2 * letters)
        put_signer(event, from, from->data + 32 + 2 * at, (uint32_t)held);
    return true;
}

static bool put_text(struct attest_event *event, const struct event *from)
{
    uint32_t length = from->length;

    while (length > 0 && from->data[length - 1] == 0)
        length--;
    if (length == 0)
        return false;
    if (length >= sizeof event->text)
        length = sizeof event->text - 1;
    for (uint32_t i = 0; i < length; i++)
        if (from->data[i] < 0x20 || from->data[i] >= 0x7f)
            return false;
    memcpy(event->text, from->data, length);
    event->text[length] = 0;
    return true;
}

/* What the data of a type are (TCG PC Client Platform Firmware Profile, table 27). */
static void describe(struct attest_event *event, const struct event *from)
{
    static const struct {
        uint32_t type;
        const char *text;
    } kinds[] = {
        {EV_SEPARATOR, "separator"},
        {0x8, "version of the firmware's first code"},
        {0x7, "first code of the firmware"},
        {0xa, "the firmware's configuration"},
        {EV_EFI_VARIABLE_DRIVER_CONFIG, "variable"},
        {0x80000002, "boot variable"},
        {0x80000003, "boot application"},
        {0x80000004, "boot services driver"},
        {0x80000005, "runtime driver"},
        {0x80000006, "partition table"},
        {0x80000008, "firmware volume"},
        {0x8000000a, "firmware volume"},
        {0x80000009, "tables handed over"},
        {0x8000000b, "tables handed over"},
        {0x8000000c, "boot variable"},
        {EV_EFI_VARIABLE_AUTHORITY, "signer's certificate"},
    };

    if (((from->type == EV_EFI_VARIABLE_DRIVER_CONFIG || from->type == 0x80000002 || from->type == 0x8000000c ||
          from->type == EV_EFI_VARIABLE_AUTHORITY) &&
         put_variable(event, from)) ||
        (from->type != EV_SEPARATOR && put_text(event, from)))
        return;
    for (uint32_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == from->type) {
            snprintf(event->text, sizeof event->text, "%s", kinds[i].text);
            return;
        }
    snprintf(event->text, sizeof event->text, "event of type 0x%x", (unsigned)from->type);
}

static void own_event(struct attest_event *event, uint32_t pcr, const char *source, const char *name,
                      const uint8_t *digest)
{
    *event = (struct attest_event){.pcr = pcr, .type = EV_IPL, .digested = true, .source = source};
    memcpy(event->sha256, digest, EVENT_DIGEST_BYTES);
    for (uint32_t i = 0; i < sizeof event->text - 1 && i < sizeof((struct measured *)0)->name && name[i] != 0; i++)
        event->text[i] = name[i];
}

/* The kernel's digest, as a loader without an event log of its own told it. */
static bool kernel_told(uint8_t digest[EVENT_DIGEST_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    const char *text = platform_status()->kernel_sha256;

    for (uint32_t i = 0; i < 2 * EVENT_DIGEST_BYTES; i++) {
        const char *at = text[i] != 0 ? strchr(digits, text[i]) : NULL;

        if (at == NULL)
            return false;
        digest[i / 2] = (uint8_t)(digest[i / 2] << 4 | (at - digits));
    }
    return !loader_has[ATTEST_KERNEL];
}

/* Behind the loader's log: kernel and bundle, unless that has them; the images; the state. The images are counted by
 * the kernel, which is believed. */
static bool own(uint32_t index, struct attest_event *event)
{
    const struct status_page *page = platform_status();
    uint32_t first = loader_has[ATTEST_BUNDLE] ? 1 : 0;
    uint8_t digest[EVENT_DIGEST_BYTES] = {0};

    if (kernel_told(digest)) {
        if (index == 0) {
            own_event(event, ATTEST_KERNEL, "loader", "kernel", digest);
            return true;
        }
        index--;
    }
    if (index < page->measured_count - first) {
        const struct measured *measured = &page->measured[index + first];

        own_event(event, index + first == 0 ? ATTEST_BUNDLE : ATTEST_IMAGES, "kernel", measured->name,
                  measured->sha256);
        return true;
    }
    if (index > page->measured_count - first || !state_known || loader_has[ATTEST_STATE])
        return false;
    own_event(event, ATTEST_STATE, "management domain", "state", state_digest);
    return true;
}

bool attest_event(uint32_t index, struct attest_event *event)
{
    struct event_reader reader;
    struct event from;

    if (index >= loader_events)
        return own(index - loader_events, event);
    if (!event_reader_open(&reader, loader_log, loader_log_bytes))
        return false;
    for (uint32_t i = 0; i <= index; i++)
        if (!event_next(&reader, &from))
            return false;
    *event = (struct attest_event){.pcr = from.pcr, .type = from.type, .source = from.pcr >= 8 ? "loader" : "firmware"};
    event->digested = from.type != EV_NO_ACTION && from.sha256 != NULL;
    if (from.sha256 != NULL)
        memcpy(event->sha256, from.sha256, EVENT_DIGEST_BYTES);
    describe(event, &from);
    return true;
}

static void extend(uint8_t pcr[EVENT_DIGEST_BYTES], const uint8_t *digest)
{
    uint8_t both[2 * EVENT_DIGEST_BYTES];

    memcpy(both, pcr, EVENT_DIGEST_BYTES);
    memcpy(both + EVENT_DIGEST_BYTES, digest, EVENT_DIGEST_BYTES);
    mbedtls_sha256(both, sizeof both, pcr, 0);
}

static void replay(uint32_t pcr, const uint8_t *digest)
{
    extend(log_pcr[pcr], digest);
    log_used[pcr] = true;
}

/* The variable SecureBoot, of EFI_GLOBAL_VARIABLE and of one byte, as UEFI_VARIABLE_DATA has it; the event's digest,
 * and with it PCR 7, is that of these bytes. */
static enum attest_secure_boot secure_boot_of(const struct event *event)
{
    static const uint8_t head[] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98,
                                   0x03, 0x2b, 0x8c, 10,   0,    0,    0,    0,    0,    0,    0,    1,    0,
                                   0,    0,    0,    0,    0,    0,    'S',  0,    'e',  0,    'c',  0,    'u',
                                   0,    'r',  0,    'e',  0,    'B',  0,    'o',  0,    'o',  0,    't',  0};

    if (event->pcr != ATTEST_SECURE_BOOT_PCR || event->type != EV_EFI_VARIABLE_DRIVER_CONFIG ||
        event->length != sizeof head + 1 || memcmp(event->data, head, sizeof head) != 0 || !is_of_its_data(event))
        return ATTEST_SECURE_BOOT_UNKNOWN;
    return event->data[sizeof head] == 1 ? ATTEST_SECURE_BOOT_ON : ATTEST_SECURE_BOOT_OFF;
}

static void read_loader_log(void)
{
    const struct status_shared *shared = &platform_status()->shared;
    struct event_reader reader;
    struct event event;

    if (shared->boot_log == 0 || shared->boot_log_bytes == 0)
        return;
    loader_log_bytes = shared->boot_log_bytes < LOG_MAX ? (uint32_t)shared->boot_log_bytes : LOG_MAX;
    memory_map(shared->boot_log, loader_log_bytes, MEMORY_READ_ONLY);
    loader_log = (const uint8_t *)shared->boot_log;
    if (!event_reader_open(&reader, loader_log, loader_log_bytes))
        return;
    while (loader_events < EVENTS_MAX && event_next(&reader, &event)) {
        uint8_t locality = event_startup_locality(&event);

        loader_events++;
        if (locality != 0 && !log_used[0])
            log_pcr[0][EVENT_DIGEST_BYTES - 1] = locality;
        if (event.type == EV_NO_ACTION || event.sha256 == NULL || event.pcr >= ATTEST_PCRS)
            continue;
        if (secure_boot == ATTEST_SECURE_BOOT_UNKNOWN) /* the first one: what comes later, anybody may have measured */
            secure_boot = secure_boot_of(&event);
        replay(event.pcr, event.sha256);
        loader_has[event.pcr] = true;
    }
    loader_log_whole = reader.sound && loader_events < EVENTS_MAX;
}

static void replay_own(void)
{
    struct attest_event event;

    for (uint32_t i = 0; own(i, &event); i++)
        replay(event.pcr, event.sha256);
}

void attest_pcr(uint32_t index, struct attest_pcr *pcr)
{
    bool empty = memcmp(tpm_pcr[index], zero, sizeof zero) == 0;

    memcpy(pcr->log, log_pcr[index], sizeof pcr->log);
    memcpy(pcr->tpm, tpm_pcr[index], sizeof pcr->tpm);
    if (tpm != ATTEST_TPM_READ)
        pcr->match = log_used[index] ? ATTEST_LOG_ONLY : ATTEST_UNUSED;
    else if (memcmp(pcr->log, pcr->tpm, sizeof pcr->log) == 0)
        pcr->match = log_used[index] ? ATTEST_MATCHES : ATTEST_UNUSED;
    else
        pcr->match = empty ? ATTEST_UNMEASURED : ATTEST_DIFFERS;
}

/* --- The TPM --- */

static void fail(const char *why)
{
    tpm = ATTEST_TPM_FAILED;
    trouble = why;
    bulkhead_log("attest: the TPM cannot be used: %s. What was measured is in the log only", why);
}

/* The answer is what it has to be, or it is a failure that was told. */
static bool is_good(uint32_t code, const uint8_t *response)
{
    static char text[48];

    if (response == NULL) {
        fail(tpm_trouble());
        return false;
    }
    if (code != 0) {
        snprintf(text, sizeof text, "it answers with error 0x%x", (unsigned)code);
        fail(text);
    }
    return code == 0;
}

static void conclude(void)
{
    struct attest_pcr pcr;
    uint32_t matching = 0;

    tpm = ATTEST_TPM_READ;
    for (uint32_t i = 0; i < ATTEST_PCRS; i++) {
        attest_pcr(i, &pcr);
        matching += pcr.match == ATTEST_MATCHES;
        if (pcr.match == ATTEST_DIFFERS)
            bulkhead_log("attest: PCR %u (%s) of the TPM is not what the log gives", (unsigned)i, attest_meaning(i));
        if (pcr.match == ATTEST_UNMEASURED)
            bulkhead_log("attest: PCR %u (%s) was not extended by what started this kernel", (unsigned)i,
                         attest_meaning(i));
    }
    bulkhead_log("attest: TPM 2.0: %u PCRs match the log", (unsigned)matching);
}

static void read_next(void);
static void extend_next(void);

static void extended(uint32_t code, const uint8_t *response, uint32_t size)
{
    struct attest_event event;

    (void)size;
    if (!is_good(code, response))
        return;
    own(number, &event);
    extend(tpm_pcr[event.pcr], event.sha256);
    number++;
    extend_next();
}

/* Whether the TPM's PCR is what the own events of that PCR before number `count` give: what an earlier life of this
 * domain has extended, and where it stopped. */
static bool stands_at(uint32_t pcr, uint32_t count)
{
    uint8_t value[EVENT_DIGEST_BYTES] = {0};
    struct attest_event event;

    for (uint32_t i = 0; i < count && own(i, &event); i++)
        if (event.pcr == pcr)
            extend(value, event.sha256);
    return memcmp(value, tpm_pcr[pcr], sizeof value) == 0;
}

/* An event is extended only where the TPM stands right before it: never twice. */
static void extend_next(void)
{
    struct attest_event event;
    struct tpm_command command;

    for (; own(number, &event); number++) {
        if ((event.pcr != ATTEST_IMAGES && event.pcr != ATTEST_STATE) || !stands_at(event.pcr, number))
            continue;
        command = tpm_begin(TPM_ST_SESSIONS, TPM_CC_PCR_EXTEND);
        tpm_put(&command, 4, event.pcr);
        tpm_put_password(&command);
        tpm_put(&command, 4, 1);
        tpm_put(&command, 2, TPM_ALG_SHA256);
        tpm_put_bytes(&command, event.sha256, EVENT_DIGEST_BYTES);
        tpm_run(&command, extended);
        return;
    }
    conclude();
}

static void got(uint32_t code, const uint8_t *response, uint32_t size)
{
    static const uint8_t one_digest[] = {0, 0, 0, 1, 0, EVENT_DIGEST_BYTES};

    if (code == TPM_RC_INITIALIZE && !started) {
        struct tpm_command command = tpm_begin(TPM_ST_NO_SESSIONS, TPM_CC_STARTUP);

        started = true;
        bulkhead_log("attest: nobody has started the TPM: what is in front of the kernel measures nothing");
        tpm_put(&command, 2, 0); /* TPM_SU_CLEAR */
        tpm_run(&command, got);
        return;
    }
    if (!is_good(code, response))
        return;
    if (size == TPM_HEADER_BYTES && started && next == 0) { /* it is started */
        read_next();
        return;
    }
    if (size != PCR_READ_ANSWER ||
        memcmp(response + size - EVENT_DIGEST_BYTES - sizeof one_digest, one_digest, sizeof one_digest) != 0) {
        fail("it keeps no SHA-256 of what was measured");
        return;
    }
    memcpy(tpm_pcr[next++], response + size - EVENT_DIGEST_BYTES, EVENT_DIGEST_BYTES);
    read_next();
}

static void read_next(void)
{
    struct tpm_command command = tpm_begin(TPM_ST_NO_SESSIONS, TPM_CC_PCR_READ);

    if (next == ATTEST_PCRS) {
        extend_next();
        return;
    }
    tpm_put_pcrs(&command, 1u << next);
    tpm_run(&command, got);
}

/* The values of the state store, unless the loader has measured them. */
static void settled(struct state *store)
{
    if (!waits_for_state)
        return;
    waits_for_state = false;
    if (store != NULL && !loader_has[ATTEST_STATE]) {
        mbedtls_sha256(store->values, store->length, state_digest, 0);
        state_known = true;
        replay(ATTEST_STATE, state_digest);
    }
    if (tpm == ATTEST_TPM_BUSY)
        read_next();
}

static void attest_start(void)
{
    uint64_t registers = tpm_find();

    loader_log = NULL;
    loader_events = next = number = 0;
    loader_log_whole = true;
    secure_boot = ATTEST_SECURE_BOOT_UNKNOWN;
    state_known = started = false;
    tpm = ATTEST_TPM_NONE;
    trouble = "the machine tells of none, or this configuration leaves it out (TPM in menu Board)";
    memset(loader_has, 0, sizeof loader_has);
    memset(log_used, 0, sizeof log_used);
    memset(log_pcr, 0, sizeof log_pcr);
    memset(tpm_pcr, 0, sizeof tpm_pcr);
    read_loader_log();
    replay_own();
    if (!loader_log_whole)
        bulkhead_log("attest: the boot loader's event log is damaged behind event %u", (unsigned)loader_events);
    if (registers != 0 && tpm_open(registers, &trouble)) {
        tpm = ATTEST_TPM_BUSY;
        identity = tpm_identity();
    } else if (registers != 0 || loader_events > 0) {
        bulkhead_log("attest: no TPM: %s. What was measured is in the log only", trouble);
    }
    waits_for_state = true;
    state_when_settled(settled);
}
MODULE(MODULE_USER, attest, attest_start);
