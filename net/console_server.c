/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS console: sessions of the shell for clients with a certificate of the configured authority.
 *
 * TCP's callbacks, the TLS engine and the session only leave a note and signal the connection's source; pump() alone
 * moves bytes and changes state, in a turn of its own. So nothing here is re-entered, and each part may be gone at any
 * turn: `pcb` when the peer resets, `session` when it logs out, `tls` at the end.
 *
 * A connection that has not shown a certificate costs one of HANDSHAKES_MAX places for HANDSHAKE_LIMIT at most;
 * sessions have places of their own. Who finds no place is told so by a TLS alert, and counted.
 */
#include <bulkhead/management.h>
#include <devices/virtio/entropy.h>
#include <lwip/ip_addr.h>
#include <lwip/tcp.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <mgmt/session.h>
#include <net/random.h>
#include <net/status.h>
#include <net/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/state_partition.h>
#include <string.h>

#define SECOND 1000000000ull
#define SESSIONS_MAX 8u
#define HANDSHAKES_MAX 4u
#define HANDSHAKE_LIMIT (30 * SECOND)
#define HANDSHAKE_GRACE (5 * SECOND) /* after that it gives way to another, when all places are taken */
#define CLOSE_LIMIT (10 * SECOND)    /* to take what is still to be sent, and to close its own side */
#define REFUSED_POLLS 8              /* of TCP's slow timer: 4 s */
#define CHECK_INTERVAL (60 * SECOND) /* of the certificates' dates */
#define PASSING_CHECKS 10u           /* seconds to wait for entropy before saying so */
#define KEEPALIVE_IDLE_MS 60000u
#define KEEPALIVE_INTERVAL_MS 15000u
#define KEEPALIVE_PROBES 4u

_Static_assert(TCP_WND <= TLS_TRANSPORT_WINDOW, "what TCP's window lets in must fit into the TLS engine");

enum stage {
    STAGE_FREE,
    STAGE_SHAKING, /* no session yet */
    STAGE_SERVING,
    STAGE_CLOSING,   /* what was written, then close_notify or an alert */
    STAGE_LINGERING, /* all is sent, our FIN too: wait for the peer's, so that a reset does not take our last words from
                        it */
};

struct connection {
    /* For good: the loop may still hold them when a connection is over. */
    struct loop_source source;
    struct loop_timer timer;

    enum stage stage;
    struct tcp_pcb *pcb;
    struct tls_connection *tls;
    struct session *session;
    struct session_transport transport;
    uint32_t window_owed; /* bytes received that TCP's window was not opened for again */
    bool peer_finished;   /* TCP's FIN came */
    bool expired;         /* the stage's time is over */
    bool close_wanted;    /* by the session */
    bool write_short;     /* the session waits for session_writable() */
    bool receive_short;   /* the session took less than it was offered, and did not call resume() yet */
    uint32_t address;
    uint16_t port;
    bool command;
    uint64_t opened_ns, received_bytes, sent_bytes;
    char name[160];
};

static struct connection connections[SESSIONS_MAX + HANDSHAKES_MAX];
static struct tcp_pcb *listener;
static u8_t tcp_extension;
static struct tls_material configured, kept; /* `kept`: what the state store has of it, the rest as configured */
static bool settled, has_kept;
static const struct tls_identity *identity; /* NULL: not read yet */
static struct net_tls_status status;
static char told[sizeof(status.why)]; /* what the log and the people were told last */

static void evaluate(struct loop_timer *timer);
static struct loop_timer evaluation = {.run = evaluate};

static uint32_t count_stage(bool shaking)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < SESSIONS_MAX + HANDSHAKES_MAX; i++)
        count += connections[i].stage != STAGE_FREE && (connections[i].stage == STAGE_SHAKING) == shaking;
    return count;
}

static void signal_pump(void *owner)
{
    struct connection *connection = owner;

    loop_signal(&connection->source);
}

/* The session's side */

static size_t transport_write(void *transport, const void *data, size_t length)
{
    struct connection *connection = transport;

    if (connection->stage != STAGE_SERVING)
        return length; /* nobody reads it any more */
    size_t taken = tls_write(connection->tls, data, length);
    connection->sent_bytes += taken;
    connection->write_short |= taken < length;
    return taken;
}

static void transport_close(void *transport)
{
    struct connection *connection = transport;

    connection->close_wanted = true;
    loop_signal(&connection->source);
}

static void transport_resume(void *transport)
{
    struct connection *connection = transport;

    connection->receive_short = false;
    loop_signal(&connection->source);
}

static void session_begin(struct connection *connection)
{
    connection->command = strcmp(tls_protocol(connection->tls), TLS_ALPN_COMMAND) == 0;
    snprintf(connection->name, sizeof(connection->name), "tls %s:%u %s",
             ip4addr_ntoa(&(ip4_addr_t){lwip_htonl(connection->address)}), connection->port, tls_peer(connection->tls));
    connection->transport = (struct session_transport){
        .name = connection->name, .write = transport_write, .close = transport_close, .resume = transport_resume};
    connection->stage = STAGE_SERVING;
    connection->opened_ns = time_ns();
    connection->session =
        session_open(&connection->transport, connection, connection->command ? SESSION_COMMAND : SESSION_INTERACTIVE);
    if (connection->session != NULL)
        status.opened++;
    else
        status.refused++;
}

static void session_feed(struct connection *connection)
{
    const uint8_t *data;
    uint32_t length;

    while (!connection->receive_short && !connection->close_wanted && (length = tls_peek(connection->tls, &data)) > 0) {
        size_t taken = session_receive(connection->session, data, length);

        connection->receive_short = taken < length;
        connection->received_bytes += taken;
        tls_consume(connection->tls, (uint32_t)taken);
    }
}

static void session_end(struct connection *connection)
{
    if (connection->session != NULL)
        session_closed(connection->session);
    connection->session = NULL;
}

/* The transport's side */

static void stage_timer(struct loop_timer *timer)
{
    struct connection *connection = timer->owner;

    connection->expired = true;
    loop_signal(&connection->source);
}

static void open_window(struct connection *connection, uint32_t length)
{
    connection->window_owed -= length;
    if (length > 0)
        tcp_recved(connection->pcb, (u16_t)length);
}

static void move_transport(struct connection *connection)
{
    const uint8_t *data;
    uint32_t length;
    bool moved = false;

    while ((length = tls_transport_peek(connection->tls, &data)) > 0) {
        if (length > tcp_sndbuf(connection->pcb))
            length = tcp_sndbuf(connection->pcb);
        if (length == 0 || tcp_write(connection->pcb, data, (u16_t)length, TCP_WRITE_FLAG_COPY) != ERR_OK)
            break; /* tcp_sent or tcp_poll says when there is room again */
        tls_transport_sent(connection->tls, length);
        moved = true;
    }
    if (moved)
        tcp_output(connection->pcb);
    open_window(connection, tls_transport_consumed(connection->tls));
}

static void pcb_forget(struct tcp_pcb *pcb)
{
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_poll(pcb, NULL, 0);
}

static void pcb_end(struct connection *connection, bool abort)
{
    struct tcp_pcb *pcb = connection->pcb;

    if (pcb == NULL)
        return;
    connection->pcb = NULL;
    pcb_forget(pcb);
    if (abort || tcp_close(pcb) != ERR_OK)
        tcp_abort(pcb);
}

static void finish(struct connection *connection, bool abort)
{
    session_end(connection);
    pcb_end(connection, abort);
    tls_free(connection->tls);
    loop_timer_cancel(&connection->timer);
    connection->stage = STAGE_FREE;
}

static void enter(struct connection *connection, enum stage stage, uint64_t limit)
{
    connection->stage = stage;
    connection->expired = false;
    loop_timer_set(&connection->timer, limit);
}

static void note_failure(const struct connection *connection, const char *why)
{
    snprintf(status.last_failure, sizeof(status.last_failure), "%s: %s",
             ip4addr_ntoa(&(ip4_addr_t){lwip_htonl(connection->address)}), why);
}

static void give_up_handshake(struct connection *connection)
{
    status.timed_out++;
    note_failure(connection, "no handshake in time");
    finish(connection, true);
}

static void shake(struct connection *connection)
{
    switch (tls_state(connection->tls)) {
    case TLS_HANDSHAKE:
        if (connection->expired)
            give_up_handshake(connection);
        break;
    case TLS_CLOSED:
        status.failed++;
        note_failure(connection, tls_failure(connection->tls));
        enter(connection, STAGE_CLOSING, CLOSE_LIMIT);
        break;
    case TLS_OPEN:
    case TLS_PEER_CLOSED:
        if (count_stage(false) < SESSIONS_MAX) {
            loop_timer_cancel(&connection->timer);
            tcp_setprio(connection->pcb, TCP_PRIO_MAX);
            session_begin(connection);
        } else {
            status.refused++;
        }
        if (connection->session == NULL) {
            tls_close(connection->tls);
            enter(connection, STAGE_CLOSING, CLOSE_LIMIT);
        }
    }
}

static void serve(struct connection *connection)
{
    enum tls_state state = tls_state(connection->tls);
    const uint8_t *data;

    session_feed(connection);
    if (connection->write_short && tls_has_room(connection->tls)) {
        connection->write_short = false;
        session_writable(connection->session);
    }
    bool drained = tls_peek(connection->tls, &data) == 0;
    /* A peer that closed its side cannot type any more, but one that sent a command still reads the answer. */
    bool gone = state == TLS_CLOSED || (state == TLS_PEER_CLOSED && drained && !connection->command);
    if (!gone && !connection->close_wanted)
        return;
    if (tls_failure(connection->tls) != NULL)
        status.broken++;
    session_end(connection);
    tls_close(connection->tls);
    enter(connection, STAGE_CLOSING, CLOSE_LIMIT);
}

static void close_in_order(struct connection *connection)
{
    const uint8_t *data;

    if (connection->expired) {
        finish(connection, true);
    } else if (tls_state(connection->tls) == TLS_CLOSED && tls_transport_peek(connection->tls, &data) == 0) {
        /* What came and will not be read must not make the end a reset. */
        open_window(connection, connection->window_owed);
        if (!connection->peer_finished && tcp_shutdown(connection->pcb, 0, 1) == ERR_OK)
            enter(connection, STAGE_LINGERING, CLOSE_LIMIT);
        else
            finish(connection, false);
    }
}

static void pump(struct loop_source *source)
{
    struct connection *connection = source->owner;

    if (connection->stage == STAGE_FREE)
        return;
    if (connection->pcb == NULL) {
        status.failed += connection->stage == STAGE_SHAKING;
        status.broken += connection->stage == STAGE_SERVING;
        finish(connection, true);
        return;
    }
    move_transport(connection);
    if (connection->stage == STAGE_SHAKING)
        shake(connection);
    if (connection->stage == STAGE_SERVING)
        serve(connection);
    if (connection->stage == STAGE_CLOSING)
        close_in_order(connection);
    if (connection->stage == STAGE_LINGERING && (connection->peer_finished || connection->expired))
        finish(connection, false);
}

/* TCP's callbacks */

static err_t on_receive(void *argument, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
    struct connection *connection = argument;

    (void)pcb;
    (void)error;
    if (data == NULL) {
        connection->peer_finished = true;
        tls_transport_ended(connection->tls);
    } else {
        connection->window_owed += data->tot_len;
        if (connection->stage == STAGE_SHAKING || connection->stage == STAGE_SERVING)
            for (const struct pbuf *part = data; part != NULL; part = part->next)
                tls_transport_receive(connection->tls, part->payload, part->len);
        else
            open_window(connection, data->tot_len); /* too late to be of interest */
        pbuf_free(data);
    }
    loop_signal(&connection->source);
    return ERR_OK;
}

static err_t on_sent(void *argument, struct tcp_pcb *pcb, u16_t length)
{
    (void)pcb;
    (void)length;
    signal_pump(argument);
    return ERR_OK;
}

static err_t on_poll(void *argument, struct tcp_pcb *pcb)
{
    (void)pcb;
    signal_pump(argument);
    return ERR_OK;
}

static void on_error(void *argument, err_t error)
{
    struct connection *connection = argument;

    (void)error;
    connection->pcb = NULL; /* lwIP has freed it */
    loop_signal(&connection->source);
}

/* Refused connections have no state here: TCP's alone, until the peer has read the alert and closes. */

static err_t refused_receive(void *argument, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
    (void)argument;
    (void)error;
    if (data == NULL) {
        pcb_forget(pcb);
        if (tcp_close(pcb) == ERR_OK)
            return ERR_OK;
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    tcp_recved(pcb, data->tot_len);
    pbuf_free(data);
    return ERR_OK;
}

static err_t refused_poll(void *argument, struct tcp_pcb *pcb)
{
    (void)argument;
    pcb_forget(pcb);
    tcp_abort(pcb);
    return ERR_ABRT;
}

static err_t refuse(struct tcp_pcb *pcb)
{
    /* A record of TLS 1.2 and 1.3 alike: alert, fatal, internal_error (RFC 8446, section 6). */
    static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 80};

    status.refused++;
    tcp_recv(pcb, refused_receive);
    tcp_poll(pcb, refused_poll, REFUSED_POLLS);
    tcp_write(pcb, alert, sizeof(alert), 0);
    tcp_shutdown(pcb, 0, 1);
    return ERR_OK;
}

/* Where a new connection goes; NULL: nowhere. */
static struct connection *find_place(void)
{
    struct connection *oldest = NULL;

    if (count_stage(true) >= HANDSHAKES_MAX) {
        for (uint32_t i = 0; i < SESSIONS_MAX + HANDSHAKES_MAX; i++)
            if (connections[i].stage == STAGE_SHAKING &&
                (oldest == NULL || connections[i].opened_ns < oldest->opened_ns))
                oldest = &connections[i];
        if (time_ns() - oldest->opened_ns < HANDSHAKE_GRACE)
            return NULL;
        give_up_handshake(oldest);
        return oldest;
    }
    for (uint32_t i = 0; i < SESSIONS_MAX + HANDSHAKES_MAX; i++)
        if (connections[i].stage == STAGE_FREE)
            return &connections[i];
    return NULL;
}

static err_t on_accept(void *argument, struct tcp_pcb *pcb, err_t error)
{
    (void)argument;
    if (pcb == NULL || error != ERR_OK)
        return ERR_VAL;
    status.accepted++;
    struct connection *connection = find_place();
    if (connection == NULL)
        return refuse(pcb);
    connection->tls = tls_accept(signal_pump, connection);
    if (connection->tls == NULL)
        return refuse(pcb);
    connection->pcb = pcb;
    connection->session = NULL;
    connection->window_owed = 0;
    connection->peer_finished = connection->close_wanted = false;
    connection->write_short = connection->receive_short = false;
    connection->address = lwip_ntohl(ip4_addr_get_u32(ip_2_ip4(&pcb->remote_ip)));
    connection->port = pcb->remote_port;
    connection->opened_ns = time_ns();
    connection->received_bytes = connection->sent_bytes = 0;
    enter(connection, STAGE_SHAKING, HANDSHAKE_LIMIT);
    tcp_arg(pcb, connection);
    tcp_recv(pcb, on_receive);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_poll(pcb, on_poll, 2);
    tcp_nagle_disable(pcb);
    tcp_setprio(pcb, TCP_PRIO_NORMAL);
    ip_set_option(pcb, SOF_KEEPALIVE);
    pcb->keep_idle = KEEPALIVE_IDLE_MS;
    pcb->keep_intvl = KEEPALIVE_INTERVAL_MS;
    pcb->keep_cnt = KEEPALIVE_PROBES;
    return ERR_OK;
}

/* A SYN came: lwIP displaces such half-open connections for others when its pool is empty. */
static err_t on_half_open(u8_t id, struct tcp_pcb_listen *listening, struct tcp_pcb *pcb)
{
    (void)id;
    (void)listening;
    tcp_setprio(pcb, TCP_PRIO_MIN);
    return ERR_OK;
}
static const struct tcp_ext_arg_callbacks half_open_callbacks = {.passive_open = on_half_open};

/* Whoever has the build's keys can log in, or pass for the appliance: until all three are the operator's own. */
static bool is_development(void)
{
    return tls_development_certificates && (!has_kept || kept.certificate == configured.certificate ||
                                            kept.key == configured.key || kept.client_ca == configured.client_ca);
}

/* Whether TLS can be offered at all */

static bool off(const char *why)
{
    snprintf(status.why, sizeof(status.why), "%s", why);
    return false;
}

static bool identity_usable(void)
{
    uint64_t now = time_wall_s();

    if (!identity->usable)
        return off(identity->problem);
    if (now == 0)
        return off("the board has no clock, so no certificate's dates can be checked");
    if (now < identity->valid_from_s)
        return off("the server's or the authority's certificate is not valid yet (or the clock is wrong)");
    if (now > identity->valid_to_s)
        return off("the server's or the authority's certificate has expired");
    return true;
}

static void identity_loaded(const struct tls_identity *loaded)
{
    if (!loaded->usable && has_kept) {
        bulkhead_log("TLS console: the certificates of the state store are not used: %s", loaded->problem);
        has_kept = false;
        tls_load(&configured, identity_loaded);
        return;
    }
    identity = loaded;
    snprintf(status.subject, sizeof(status.subject), "%s", loaded->subject);
    status.valid_to_s = loaded->usable ? loaded->valid_to_s : 0;
    loop_timer_set(&evaluation, 0);
}

/* false: and status.why says why. `passing`: it will be otherwise in a moment. */
static bool usable(bool *passing)
{
    static bool loading;
    enum random_state random = random_poll();

    *passing = false;
    if (identity != NULL)
        return identity_usable();
    if (random == RANDOM_ABSENT)
        return off("the machine has no source of entropy");
    if (settled && (kept.certificate_size <= 1 || kept.key_size <= 1 || kept.client_ca_size <= 1))
        return off("the configuration names no certificates");
    *passing = true;
    if (!settled)
        return off("waiting for the state store");
    if (random == RANDOM_WAITING)
        return off("waiting for entropy");
    if (!loading)
        tls_load(&kept, identity_loaded);
    loading = true;
    return off("reading the certificates");
}

static void entropy_came(struct loop_source *source)
{
    (void)source;
    loop_timer_set(&evaluation, 0);
}
static struct loop_source entropy_ready = {.run = entropy_came};

static void listen_begin(void)
{
    struct tcp_pcb *pcb = tcp_new(), *listening = NULL;

    if (pcb != NULL && tcp_bind(pcb, IP_ANY_TYPE, console_tls_port) == ERR_OK)
        listening = tcp_listen(pcb);
    if (listening == NULL) {
        if (pcb != NULL)
            tcp_close(pcb);
        off("its TCP port cannot be opened");
        return;
    }
    tcp_accept(listening, on_accept);
    tcp_ext_arg_set_callbacks(listening, tcp_extension, &half_open_callbacks);
    listener = listening;
    status.why[0] = '\0';
    bulkhead_log("TLS console: port %u, certificate %s", console_tls_port, status.subject);
    if (is_development())
        bulkhead_log("TLS console: DEVELOPMENT certificates, made by the build: not for use in the field");
}

static void listen_end(void)
{
    told[0] = '\0';
    tcp_close(listener);
    listener = NULL;
}

static void tell_off(bool passing)
{
    static uint32_t waited;

    if (strcmp(told, status.why) == 0 || (passing && waited++ < PASSING_CHECKS))
        return;
    waited = 0;
    memcpy(told, status.why, sizeof(told));
    bulkhead_log("TLS console is off: %s", status.why);
    session_notice_all("The TLS console is off; `net` says why.");
}

static void evaluate(struct loop_timer *timer)
{
    bool passing;
    bool can = usable(&passing);

    if (can && listener == NULL)
        listen_begin();
    else if (!can && listener != NULL)
        listen_end();
    if (listener == NULL)
        tell_off(passing);
    loop_timer_set(timer, passing ? SECOND : CHECK_INTERVAL);
}

/* A PEM file of the state store, with the NUL that the parsers want. */
static void take_kept(const struct state *store, const char *name, const unsigned char **pem, uint32_t *size)
{
    struct state_value value;
    unsigned char *copy;

    if (!state_get(store, name, &value) || (copy = malloc(value.length + 1u)) == NULL)
        return;
    memcpy(copy, value.data, value.length);
    copy[value.length] = 0;
    *pem = copy;
    *size = value.length + 1u;
    has_kept = true;
}

static void state_settled(struct state *store)
{
    settled = true;
    kept = configured;
    if (store != NULL) {
        take_kept(store, "tls.certificate", &kept.certificate, &kept.certificate_size);
        take_kept(store, "tls.key", &kept.key, &kept.key_size);
        take_kept(store, "tls.client-ca", &kept.client_ca, &kept.client_ca_size);
    }
    loop_timer_set(&evaluation, 0);
}

static void console_server_start(void)
{
    configured = (struct tls_material){
        .certificate = tls_server_certificate,
        .key = tls_server_key,
        .client_ca = tls_client_ca,
        .certificate_size = tls_server_certificate_size,
        .key_size = tls_server_key_size,
        .client_ca_size = tls_client_ca_size,
    };
    tcp_extension = tcp_ext_arg_alloc_id();
    for (uint32_t i = 0; i < SESSIONS_MAX + HANDSHAKES_MAX; i++) {
        connections[i].source = (struct loop_source){.run = pump, .owner = &connections[i]};
        connections[i].timer = (struct loop_timer){.run = stage_timer, .owner = &connections[i]};
    }
    entropy_when_ready(&entropy_ready);
    state_when_settled(state_settled);
    evaluate(&evaluation);
}
MODULE(MODULE_USER, console_server, console_server_start);

/* Status */

void net_tls_status(struct net_tls_status *result)
{
    *result = status;
    result->on = listener != NULL;
    result->port = console_tls_port;
    result->development = is_development();
    result->sessions = count_stage(false);
    result->sessions_max = SESSIONS_MAX;
    result->handshakes = count_stage(true);
    result->handshakes_max = HANDSHAKES_MAX;
}

bool net_session_status(uint32_t index, struct net_session_status *result)
{
    for (uint32_t i = 0; i < SESSIONS_MAX + HANDSHAKES_MAX; i++) {
        const struct connection *connection = &connections[i];

        if (connection->stage != STAGE_SERVING || index-- > 0)
            continue;
        *result = (struct net_session_status){
            .address = connection->address,
            .port = connection->port,
            .subject = tls_peer(connection->tls),
            .version = tls_version(connection->tls),
            .command = connection->command,
            .opened_ns = connection->opened_ns,
            .received_bytes = connection->received_bytes,
            .sent_bytes = connection->sent_bytes,
        };
        return true;
    }
    return false;
}
