/* SPDX-License-Identifier: Apache-2.0 */
#include <mgmt/worker.h>
#include <net/byte_queue.h>
#include <net/tls.h>
#include <net/tls_identity.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORDS_OUT 16384u
#define PLAIN_IN 4096u
#define PLAIN_OUT 8192u
/* What a record of ours adds to its bytes, at most: header, nonce, tag, content type. */
#define RECORD_OVERHEAD 64u
/* Reads of one step, so that no connection keeps the worker from the others. */
#define READS_A_STEP 32u

struct tls_connection {
    struct work work;
    void (*progress)(void *owner);
    void *owner;

    /* The loop's */
    enum tls_state state;
    bool busy;         /* the worker has it */
    bool again;        /* something came while the worker had it */
    bool abandoned;    /* tls_free() was called */
    uint32_t credited; /* of records_in.got, what tls_transport_consumed() reported */

    /* From the loop to the worker */
    _Atomic bool transport_ended, close_wanted;

    /* The worker's while busy, the loop reads them in between */
    enum tls_state reached;
    bool set_up, more;
    mbedtls_ssl_context ssl;
    char failure[64], peer[96], version[12];
    const char *protocol;

    struct byte_queue records_in, records_out, plain_in, plain_out;
    uint8_t records_in_bytes[TLS_TRANSPORT_WINDOW], records_out_bytes[RECORDS_OUT];
    uint8_t plain_in_bytes[PLAIN_IN], plain_out_bytes[PLAIN_OUT];
};

/* Worker */

static int transport_send(void *context, const unsigned char *data, size_t length)
{
    struct tls_connection *tls = context;
    size_t taken = byte_queue_put(&tls->records_out, data, length);

    return taken > 0 ? (int)taken : MBEDTLS_ERR_SSL_WANT_WRITE;
}

static int transport_receive(void *context, unsigned char *data, size_t length)
{
    struct tls_connection *tls = context;
    /* In this order: the end is set after the last byte was put in. */
    bool ended = atomic_load(&tls->transport_ended);
    size_t got = byte_queue_get(&tls->records_in, data, length);

    if (got > 0)
        return (int)got;
    return ended ? 0 : MBEDTLS_ERR_SSL_WANT_READ;
}

static const char *error_text(const mbedtls_ssl_context *ssl, int error)
{
    switch (error) {
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED: {
        uint32_t flags = mbedtls_ssl_get_verify_result(ssl);

        if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
            return "client certificate expired";
        if (flags & MBEDTLS_X509_BADCERT_FUTURE)
            return "client certificate not yet valid";
        if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
            return "client certificate not from our authority";
        return "client certificate not acceptable";
    }
    case MBEDTLS_ERR_SSL_BAD_CERTIFICATE:
        return "client certificate not acceptable";
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
        return "no client certificate";
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
        return "the client gave up with an alert";
    case 0:
    case MBEDTLS_ERR_SSL_CONN_EOF:
        return "cut off by the client";
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
        return "no memory";
    case MBEDTLS_ERR_SSL_INVALID_RECORD:
    case MBEDTLS_ERR_SSL_INVALID_MAC:
        return "not a TLS record";
    case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
        return "no protocol in common";
    case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
        return "nothing in common";
    case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
        return "TLS version not offered";
    default:
        return NULL;
    }
}

static void fail(struct tls_connection *tls, int error)
{
    const char *text = error_text(&tls->ssl, error);

    if (text != NULL)
        snprintf(tls->failure, sizeof(tls->failure), "%s", text);
    else
        snprintf(tls->failure, sizeof(tls->failure), "protocol error -0x%04x", (unsigned)-error);
    tls->reached = TLS_CLOSED;
}

static bool wants(int result)
{
    return result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE;
}

static void set_up(struct tls_connection *tls)
{
    const mbedtls_ssl_config *config = tls_identity_config();
    int error = config == NULL ? MBEDTLS_ERR_SSL_BAD_CONFIG : mbedtls_ssl_setup(&tls->ssl, config);

    if (error != 0)
        return fail(tls, error);
    mbedtls_ssl_set_bio(&tls->ssl, tls, transport_send, transport_receive, NULL);
    tls->set_up = true;
}

static void shake_hands(struct tls_connection *tls)
{
    int result = mbedtls_ssl_handshake(&tls->ssl);

    if (wants(result))
        return;
    const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(&tls->ssl);
    /* The one failure that mbedTLS' TLS 1.2 keeps to itself. */
    if (result == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE &&
        mbedtls_ssl_get_version_number(&tls->ssl) == MBEDTLS_SSL_VERSION_TLS1_2)
        mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                       MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
    if (result != 0)
        return fail(tls, result);
    /* The configuration asks for both; it must not hang on one line of it. */
    if (peer == NULL || mbedtls_ssl_get_verify_result(&tls->ssl) != 0)
        return fail(tls, MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE);
    tls_subject_text(peer, tls->peer, sizeof(tls->peer));
    snprintf(tls->version, sizeof(tls->version), "%s", mbedtls_ssl_get_version(&tls->ssl));
    tls->protocol = mbedtls_ssl_get_alpn_protocol(&tls->ssl);
    tls->reached = TLS_OPEN;
}

static void write_plain(struct tls_connection *tls)
{
    const uint8_t *data;
    uint32_t length;

    /* Only whole records, so that a write never has to be repeated with the same bytes. */
    while ((length = byte_queue_peek(&tls->plain_out, &data)) > 0) {
        if (length > MBEDTLS_SSL_OUT_CONTENT_LEN)
            length = MBEDTLS_SSL_OUT_CONTENT_LEN;
        if (byte_queue_space(&tls->records_out) < length + RECORD_OVERHEAD)
            return;
        int result = mbedtls_ssl_write(&tls->ssl, data, length);
        if (result <= 0)
            return wants(result) ? (void)0 : fail(tls, result);
        byte_queue_consume(&tls->plain_out, (uint32_t)result);
    }
}

static void read_plain(struct tls_connection *tls)
{
    for (unsigned reads = 0; reads < READS_A_STEP; reads++) {
        uint8_t *room;
        uint32_t space = byte_queue_reserve(&tls->plain_in, &room);

        if (space == 0)
            return;
        int result = mbedtls_ssl_read(&tls->ssl, room, space);
        if (wants(result))
            return;
        if (result == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            tls->reached = TLS_PEER_CLOSED;
            return;
        }
        if (result <= 0)
            return fail(tls, result);
        byte_queue_commit(&tls->plain_in, (uint32_t)result);
    }
    tls->more = true;
}

static void close_in_order(struct tls_connection *tls)
{
    /* Before the handshake is done there are no keys to say anything with. */
    int result = tls->reached == TLS_HANDSHAKE ? 0 : mbedtls_ssl_close_notify(&tls->ssl);

    if (wants(result))
        return;
    tls->reached = TLS_CLOSED;
}

static void step(struct work *work)
{
    struct tls_connection *tls = work->owner;

    tls->more = false;
    if (!tls->set_up && tls->reached != TLS_CLOSED)
        set_up(tls);
    if (tls->reached == TLS_HANDSHAKE)
        shake_hands(tls);
    /* From here on: is a close wanted, then everything that was written before is in plain_out already. */
    bool close = atomic_load(&tls->close_wanted);
    if (tls->reached == TLS_OPEN && !close)
        read_plain(tls);
    if (tls->reached == TLS_OPEN || tls->reached == TLS_PEER_CLOSED)
        write_plain(tls);
    if (close && tls->reached != TLS_CLOSED && byte_queue_length(&tls->plain_out) == 0)
        close_in_order(tls);
}

static void release(struct work *work)
{
    struct tls_connection *tls = work->owner;

    mbedtls_ssl_free(&tls->ssl);
}

/* Loop */

static void released(struct work *work)
{
    free(work->owner);
}

static void submit_release(struct tls_connection *tls)
{
    tls->work.run = release;
    tls->work.done = released;
    worker_submit(&tls->work);
}

static void kick(struct tls_connection *tls)
{
    if (tls->state == TLS_CLOSED || tls->abandoned)
        return;
    if (tls->busy) {
        tls->again = true;
        return;
    }
    tls->busy = true;
    tls->again = false;
    worker_submit(&tls->work);
}

static void stepped(struct work *work)
{
    struct tls_connection *tls = work->owner;

    tls->busy = false;
    tls->state = tls->reached;
    if (tls->abandoned)
        return submit_release(tls);
    if (tls->again || tls->more)
        kick(tls);
    tls->progress(tls->owner);
}

struct tls_connection *tls_accept(void (*progress)(void *owner), void *owner)
{
    struct tls_connection *tls = calloc(1, sizeof(*tls));

    if (tls == NULL)
        return NULL;
    tls->work = (struct work){.run = step, .done = stepped, .owner = tls};
    tls->progress = progress;
    tls->owner = owner;
    tls->state = tls->reached = TLS_HANDSHAKE;
    mbedtls_ssl_init(&tls->ssl);
    byte_queue_init(&tls->records_in, tls->records_in_bytes, sizeof(tls->records_in_bytes));
    byte_queue_init(&tls->records_out, tls->records_out_bytes, sizeof(tls->records_out_bytes));
    byte_queue_init(&tls->plain_in, tls->plain_in_bytes, sizeof(tls->plain_in_bytes));
    byte_queue_init(&tls->plain_out, tls->plain_out_bytes, sizeof(tls->plain_out_bytes));
    kick(tls);
    return tls;
}

void tls_free(struct tls_connection *tls)
{
    tls->abandoned = true;
    if (!tls->busy)
        submit_release(tls);
}

enum tls_state tls_state(const struct tls_connection *tls)
{
    return tls->state;
}

const char *tls_failure(const struct tls_connection *tls)
{
    return tls->state == TLS_CLOSED && tls->failure[0] != '\0' ? tls->failure : NULL;
}

const char *tls_peer(const struct tls_connection *tls)
{
    return tls->peer;
}

const char *tls_version(const struct tls_connection *tls)
{
    return tls->version;
}

const char *tls_protocol(const struct tls_connection *tls)
{
    return tls->protocol != NULL ? tls->protocol : "";
}

size_t tls_transport_receive(struct tls_connection *tls, const void *data, size_t length)
{
    size_t taken = byte_queue_put(&tls->records_in, data, length);

    kick(tls);
    return taken;
}

void tls_transport_ended(struct tls_connection *tls)
{
    atomic_store(&tls->transport_ended, true);
    kick(tls);
}

uint32_t tls_transport_consumed(struct tls_connection *tls)
{
    uint32_t got = atomic_load(&tls->records_in.got), news = got - tls->credited;

    tls->credited = got;
    return news;
}

uint32_t tls_transport_peek(struct tls_connection *tls, const uint8_t **data)
{
    return byte_queue_peek(&tls->records_out, data);
}

void tls_transport_sent(struct tls_connection *tls, uint32_t length)
{
    byte_queue_consume(&tls->records_out, length);
    kick(tls);
}

uint32_t tls_peek(struct tls_connection *tls, const uint8_t **data)
{
    return byte_queue_peek(&tls->plain_in, data);
}

void tls_consume(struct tls_connection *tls, uint32_t length)
{
    byte_queue_consume(&tls->plain_in, length);
    kick(tls);
}

size_t tls_write(struct tls_connection *tls, const void *data, size_t length)
{
    if (tls->state == TLS_CLOSED || atomic_load(&tls->close_wanted))
        return length; /* nobody will read it */
    size_t taken = byte_queue_put(&tls->plain_out, data, length);
    kick(tls);
    return taken;
}

bool tls_has_room(const struct tls_connection *tls)
{
    return byte_queue_space(&tls->plain_out) > 0;
}

void tls_close(struct tls_connection *tls)
{
    atomic_store(&tls->close_wanted, true);
    kick(tls);
}
