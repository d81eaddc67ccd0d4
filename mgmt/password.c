/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/module.h>
#include <mgmt/output.h>
#include <mgmt/password.h>
#include <mgmt/worker.h>
#include <net/password_hash.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/state_partition.h>
#include <string.h>

#define FORMAT "pbkdf2-sha256"
#define ITERATIONS 100000u
#define ITERATIONS_MAX 10000000u
#define SETTLE_NS 30000000000ull /* so long a disk may keep the console from its prompt */
#define PAUSE_NS 1000000000ull   /* after a wrong one; it doubles */
#define PAUSE_NS_MAX 60000000000ull
#define CONTROL_C 3
#define CONTROL_U 21
#define BACKSPACE 8
#define DELETE 127
#define VALUE_MAX (sizeof FORMAT + 12 + 2 * PASSWORD_SALT_BYTES + 2 * PASSWORD_HASH_BYTES + 2)

struct secret {
    uint32_t iterations;
    uint8_t salt[PASSWORD_SALT_BYTES], hash[PASSWORD_HASH_BYTES];
};

/* What is typed, unseen. */
struct typing {
    char text[PASSWORD_MAX];
    uint32_t length;
    bool is_done, was_return;
};

enum step { IDLE, SETTLING, ASKING, AGAIN, READING, HASHING, PAUSING, OVER };

/* Of a session: the serial one at its beginning, or one that changes the password. */
static struct dialog {
    struct session *session; /* NULL: none */
    enum step step;
    struct typing typing;
    char first[PASSWORD_MAX];
    uint32_t first_length;
    bool confirming;
    const char *why; /* not changed */
} login, change;

/* In the worker, one at a time: whose it is may be gone when it is done. */
static struct job {
    struct work work;
    struct dialog *dialog; /* NULL: nobody's any more */
    bool busy, fresh, good;
    char text[PASSWORD_MAX];
    uint32_t length;
    struct secret secret;
} job;

static bool settled;
static uint64_t failures, pause_ns = PAUSE_NS;

static void over(struct loop_timer *timer);
static struct loop_timer timer = {.run = over};

uint64_t password_failures(void)
{
    return failures;
}

/* The value's text. */

static bool read_bytes(const char **text, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < 2 * count; i++, (*text)++) {
        const char *digit = **text ? strchr("0123456789abcdef", **text) : NULL;

        if (digit == NULL)
            return false;
        bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | (digit - "0123456789abcdef"));
    }
    return true;
}

/* False: there is none. A value that means nothing is one that no password has. */
static bool find(struct secret *secret)
{
    const struct state *store = state_store();
    struct state_value value;
    char text[VALUE_MAX + 1] = "";
    const char *at = text + sizeof FORMAT;
    char *end;

    memset(secret, 0, sizeof *secret);
    if (store == NULL || !state_get(store, PASSWORD_VALUE, &value))
        return false;
    if (value.length > VALUE_MAX)
        return true;
    memcpy(text, value.data, value.length);
    if (strncmp(text, FORMAT " ", sizeof FORMAT) != 0)
        return true;
    secret->iterations = (uint32_t)strtoul(at, &end, 10);
    at = end + 1;
    if (secret->iterations == 0 || secret->iterations > ITERATIONS_MAX || *end != ' ' ||
        !read_bytes(&at, secret->salt, sizeof secret->salt) || *at++ != ' ' ||
        !read_bytes(&at, secret->hash, sizeof secret->hash) || *at != 0)
        secret->iterations = 0;
    return true;
}

static size_t put_bytes(char *text, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return 2 * count;
}

static bool keep(const struct secret *secret)
{
    struct state *store = state_store();
    char text[VALUE_MAX + 1];
    size_t length = (size_t)snprintf(text, sizeof text, FORMAT " %" PRIu32 " ", secret->iterations);

    length += put_bytes(text + length, secret->salt, sizeof secret->salt);
    text[length++] = ' ';
    length += put_bytes(text + length, secret->hash, sizeof secret->hash);
    return store != NULL && state_set(store, PASSWORD_VALUE, 0, text, length) == STATE_SET && state_store_commit();
}

/* Typing. */

static void type(struct typing *typing, uint8_t byte)
{
    bool is_line_feed = byte == '\n' && typing->was_return;

    typing->was_return = byte == '\r';
    if (byte == '\r' || (byte == '\n' && !is_line_feed))
        typing->is_done = true;
    else if (byte == CONTROL_U || byte == CONTROL_C)
        typing->length = 0;
    else if ((byte == BACKSPACE || byte == DELETE) && typing->length > 0)
        typing->length--;
    else if (byte >= ' ' && byte != DELETE && typing->length < PASSWORD_MAX)
        typing->text[typing->length++] = (char)byte;
}

static void forget(struct typing *typing)
{
    memset(typing->text, 0, sizeof typing->text);
    typing->length = 0;
    typing->is_done = false;
}

static void say(struct session *session, const char *text)
{
    session_write(session, SESSION_OUT, text, strlen(text));
}

/* Hashing. */

static void hash_run(struct work *work)
{
    uint8_t hash[PASSWORD_HASH_BYTES];
    uint8_t differs = 0;

    (void)work;
    job.good = (!job.fresh || password_salt(job.secret.salt)) &&
               password_hash(job.text, job.length, job.secret.salt, job.secret.iterations, hash);
    for (uint32_t i = 0; i < sizeof hash; i++)
        differs |= hash[i] ^ job.secret.hash[i];
    if (job.fresh)
        memcpy(job.secret.hash, hash, sizeof hash);
    else
        job.good = job.good && differs == 0;
}

static void step_to(struct dialog *dialog, enum step step)
{
    dialog->step = step;
    session_wake(dialog->session);
}

static void wrong(struct dialog *dialog)
{
    failures++;
    bulkhead_log("console: a wrong password, %" PRIu64 " so far; the next may be tried in %" PRIu64 " s", failures,
                 pause_ns / 1000000000);
    say(dialog->session, "Wrong.\n");
    step_to(dialog, PAUSING);
    loop_timer_set(&timer, pause_ns);
    pause_ns = 2 * pause_ns < PAUSE_NS_MAX ? 2 * pause_ns : PAUSE_NS_MAX;
}

static void hash_done(struct work *work)
{
    struct dialog *dialog = job.dialog;

    (void)work;
    job.busy = false;
    job.dialog = NULL;
    memset(job.text, 0, sizeof job.text);
    if (dialog == &change) {
        dialog->why = !job.good ? "there is no entropy yet" : keep(&job.secret) ? NULL : "it cannot be stored";
        step_to(dialog, OVER);
    } else if (dialog != NULL && job.good) {
        pause_ns = PAUSE_NS;
        step_to(dialog, OVER);
    } else if (dialog != NULL) {
        wrong(dialog);
    }
    for (uint32_t i = 0; i < 2; i++) { /* who waited for this one */
        dialog = i ? &change : &login;
        if (dialog->session != NULL && dialog->step == READING && dialog->typing.is_done)
            session_wake(dialog->session);
    }
}

static void hash_begin(struct dialog *dialog, const struct secret *secret)
{
    dialog->step = HASHING;
    job.work = (struct work){.run = hash_run, .done = hash_done};
    job.dialog = dialog;
    job.busy = true;
    job.fresh = secret == NULL;
    job.secret = secret != NULL ? *secret : (struct secret){.iterations = ITERATIONS};
    memcpy(job.text, dialog->typing.text, sizeof job.text);
    job.length = dialog->typing.length;
    forget(&dialog->typing);
    worker_submit(&job.work);
}

/* Dialogs. */

static size_t take(struct dialog *dialog, const uint8_t *data, size_t length)
{
    size_t at = 0;

    while (at < length && dialog->step == READING && !dialog->typing.is_done)
        type(&dialog->typing, data[at++]);
    if (dialog->typing.is_done)
        session_wake(dialog->session);
    return dialog->step == READING ? at : length; /* nobody reads what is typed meanwhile */
}

static void finish(struct dialog *dialog)
{
    if (job.dialog == dialog)
        job.dialog = NULL;
    forget(&dialog->typing);
    memset(dialog->first, 0, sizeof dialog->first);
    dialog->session = NULL;
    dialog->step = IDLE;
}

static size_t login_input(struct session *session, const uint8_t *data, size_t length)
{
    (void)session;
    return take(&login, data, length);
}

static enum activity_progress login_produce(struct session *session)
{
    struct secret secret;

    switch (login.step) {
    case ASKING:
        if (!find(&secret))
            return ACTIVITY_DONE;
        say(session, "Password: ");
        login.step = READING;
        return ACTIVITY_WAIT;
    case READING:
        if (!login.typing.is_done || job.busy)
            return ACTIVITY_WAIT;
        say(session, "\n");
        if (!find(&secret))
            return ACTIVITY_DONE;
        if (secret.iterations == 0) {
            say(session, "The value '" PASSWORD_VALUE "' of the state store is damaged: remove it over TLS.\n");
            forget(&login.typing);
            login.step = ASKING;
            return ACTIVITY_MORE;
        }
        hash_begin(&login, &secret);
        return login.step == HASHING ? ACTIVITY_WAIT : ACTIVITY_MORE;
    case OVER:
        return ACTIVITY_DONE;
    default:
        return ACTIVITY_WAIT;
    }
}

static void login_end(struct session *session)
{
    (void)session;
    finish(&login);
}

static const struct activity login_activity = {
    .name = "login", .produce = login_produce, .input = login_input, .end = login_end};

/* The store was waited for, or a pause. */
static void over(struct loop_timer *self)
{
    (void)self;
    if (login.session != NULL && (login.step == SETTLING || login.step == PAUSING))
        step_to(&login, ASKING);
}

void password_ask(struct session *session)
{
    login = (struct dialog){.session = session, .step = ASKING};
    session_start_activity(session, &login_activity, NULL);
    if (!settled) {
        login.step = SETTLING;
        loop_timer_set(&timer, SETTLE_NS);
    } else if (pause_ns > PAUSE_NS) { /* a new session does not shorten a pause */
        login.step = PAUSING;
        loop_timer_set(&timer, pause_ns / 2);
    }
}

static size_t change_input(struct session *session, const uint8_t *data, size_t length)
{
    (void)session;
    return take(&change, data, length);
}

static enum activity_progress change_read(struct session *session)
{
    struct typing *typing = &change.typing;

    if (!typing->is_done || job.busy)
        return ACTIVITY_WAIT;
    say(session, "\n");
    if (!change.confirming && typing->length > 0) {
        memcpy(change.first, typing->text, sizeof change.first);
        change.first_length = typing->length;
        change.confirming = true;
        forget(typing);
        change.step = ASKING;
        return ACTIVITY_MORE;
    }
    if (typing->length == 0 || typing->length != change.first_length ||
        memcmp(typing->text, change.first, typing->length) != 0) {
        change.why =
            typing->length == 0 && !change.confirming ? "it is empty; 'passwd remove' removes it" : "the two differ";
        change.step = OVER;
        return ACTIVITY_MORE;
    }
    hash_begin(&change, NULL);
    return change.step == HASHING ? ACTIVITY_WAIT : ACTIVITY_MORE;
}

static enum activity_progress change_produce(struct session *session)
{
    switch (change.step) {
    case ASKING:
        say(session, change.confirming ? "Once more: " : "New password of the serial console: ");
        change.step = READING;
        return ACTIVITY_WAIT;
    case READING:
        return change_read(session);
    case OVER:
        session->status = change.why != NULL;
        if (change.why != NULL)
            output_error(session, "the password is not changed: %s", change.why);
        else
            output_print(session, "changed; it is stored when 'state' says so");
        return ACTIVITY_DONE;
    default:
        return ACTIVITY_WAIT;
    }
}

static void change_end(struct session *session)
{
    (void)session;
    finish(&change);
}

static const struct activity change_activity = {
    .name = "passwd", .produce = change_produce, .input = change_input, .end = change_end};

void password_change(struct session *session)
{
    if (session->mode != SESSION_INTERACTIVE || change.session != NULL || state_store() == NULL) {
        session->status = 1;
        output_error(session, session->mode != SESSION_INTERACTIVE ? "passwd asks for it: in a shell only"
                              : change.session != NULL             ? "another session changes it now"
                                                                   : "nothing can be kept: there is no state store");
        return;
    }
    change = (struct dialog){.session = session, .step = ASKING};
    session_start_activity(session, &change_activity, NULL);
}

static void state_settled(struct state *store)
{
    (void)store;
    settled = true;
    if (login.session != NULL && login.step == SETTLING)
        step_to(&login, ASKING);
}

static void password_start(void)
{
    state_when_settled(state_settled);
}
MODULE(MODULE_BACKEND, password, password_start);
