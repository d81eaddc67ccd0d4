/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console server, the lwIP port and lwIP itself under hostile frames. TLS and the session are toys that follow the
 * input as well, so that every order of events between TCP, TLS and session comes up.
 *
 * The input is a list of steps: a raw frame, a TCP segment that fits a connection (almost), time passing, or an event
 * of TLS or session. Checksums are not checked in this build, or little would get through.
 */
#include <bulkhead/management.h>
#include <devices/virtio/entropy.h>
#include <lwip/etharp.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip4.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/session.h>
#include <net/random.h>
#include <net/status.h>
#include <net/tls.h>
#include <net/vswitch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/state_partition.h>
#include <string.h>

#include "tests/unit/host_module.h"

extern const struct module module_lwip, module_console_server;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The configuration */

const struct switch_config switches[] = {{.name = "lan",
                                          .kind = SWITCH_EXTERNAL,
                                          .mgmt_port = true,
                                          .mgmt_address = 0x0a090001,
                                          .mgmt_netmask = 0xffffff00,
                                          .mgmt_mac = {2, 0, 0, 0, 0, 1}}};
const uint32_t switch_count = 1;
const char hostname[] = "fuzz";
const uint16_t console_tls_port = 992;
const bool tls_development_certificates;
const unsigned char tls_server_certificate[2], tls_server_key[2], tls_client_ca[2];
const uint32_t tls_server_certificate_size = 2, tls_server_key_size = 2, tls_client_ca_size = 2;

/* Loop, clock, log, random numbers */

static uint64_t now_ns = 1000000000;
static struct loop_source *first, **last = &first;
static struct loop_timer *timers;

uint64_t time_ns(void)
{
    return now_ns;
}
uint64_t time_wall_s(void)
{
    return 1800000000;
}

void loop_signal(struct loop_source *source)
{
    if (source->pending)
        return;
    source->pending = true;
    source->next = NULL;
    *last = source;
    last = &source->next;
}

void loop_timer_cancel(struct loop_timer *timer)
{
    for (struct loop_timer **at = &timers; *at != NULL; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            return;
        }
}

void loop_timer_set(struct loop_timer *timer, uint64_t after_ns)
{
    loop_timer_cancel(timer);
    timer->deadline_ns = now_ns + after_ns;
    timer->next = timers;
    timers = timer;
}

static void run_loop(void)
{
    for (unsigned turn = 0; turn < 1000 && first != NULL; turn++) {
        struct loop_source *source = first;

        first = source->next;
        if (first == NULL)
            last = &first;
        source->pending = false;
        source->run(source);
    }
    for (struct loop_timer *timer = timers; timer != NULL;)
        if (timer->deadline_ns <= now_ns) {
            loop_timer_cancel(timer);
            timer->run(timer);
            timer = timers;
        } else {
            timer = timer->next;
        }
}

void bulkhead_log(const char *format, ...)
{
    (void)format;
}
void session_notice_all(const char *text)
{
    (void)text;
}
_Noreturn void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    abort();
}
void entropy_when_ready(struct loop_source *source)
{
    (void)source;
}
enum random_state random_poll(void)
{
    return RANDOM_READY;
}
uint32_t random_u32(void)
{
    return 4;
}
uint32_t random_keyed(const void *data, size_t length)
{
    (void)data;
    (void)length;
    return 0;
}

/* The switch: what is sent to it only has to be readable. */

static const struct vswitch_port_operations *port;
static void *port_owner;

struct vswitch_port *vswitch_port_add(uint32_t switch_id, const char *name, const struct port_config *config,
                                      const struct vswitch_port_operations *operations, void *owner)
{
    (void)switch_id;
    (void)name;
    (void)config;
    port = operations;
    port_owner = owner;
    return (struct vswitch_port *)&port;
}
void vswitch_port_link(struct vswitch_port *of, bool up)
{
    (void)of;
    (void)up;
}
void vswitch_input(struct vswitch_port *from, const struct packet *packet)
{
    static volatile uint8_t byte __attribute__((unused));
    size_t length = 0;

    (void)from;
    for (uint32_t i = 0; i < packet->segments; i++)
        for (size_t b = 0; b < packet->segment[i].length; b++, length++)
            byte = ((const uint8_t *)packet->segment[i].base)[b];
    if (length != packet->length || length > 1514)
        abort();
}
void vswitch_flush(void) {}
void state_when_settled(void (*call)(struct state *store))
{
    call(NULL);
}
bool state_get(const struct state *state, const char *name, struct state_value *value)
{
    (void)state;
    (void)name;
    (void)value;
    return false;
}

/* Toy TLS: what is received comes out again as plain bytes; the state changes as the input says. */

struct tls_connection {
    void (*progress)(void *owner);
    void *owner;
    enum tls_state state;
    uint8_t in[TLS_TRANSPORT_WINDOW], out[4096];
    uint32_t in_length, out_length, consumed;
    bool close;
    struct tls_connection *next;
};
static struct tls_connection *engines;
static struct tls_identity identity = {.usable = true, .valid_to_s = UINT64_MAX};

void tls_load(const struct tls_material *material, void (*loaded)(const struct tls_identity *identity))
{
    (void)material;
    loaded(&identity);
}
struct tls_connection *tls_accept(void (*progress)(void *owner), void *owner)
{
    struct tls_connection *tls = calloc(1, sizeof(*tls));

    tls->progress = progress;
    tls->owner = owner;
    tls->next = engines;
    engines = tls;
    return tls;
}
void tls_free(struct tls_connection *tls)
{
    for (struct tls_connection **at = &engines; *at != NULL; at = &(*at)->next)
        if (*at == tls) {
            *at = tls->next;
            free(tls);
            return;
        }
    abort();
}
enum tls_state tls_state(const struct tls_connection *tls)
{
    return tls->state;
}
const char *tls_failure(const struct tls_connection *tls)
{
    return tls->state == TLS_CLOSED && !tls->close ? "toy" : NULL;
}
const char *tls_peer(const struct tls_connection *tls)
{
    return tls->state == TLS_HANDSHAKE ? "" : "CN=toy";
}
const char *tls_version(const struct tls_connection *tls)
{
    return tls->state == TLS_HANDSHAKE ? "" : "toy";
}
const char *tls_protocol(const struct tls_connection *tls)
{
    return tls->in_length % 2 ? TLS_ALPN_COMMAND : "";
}
size_t tls_transport_receive(struct tls_connection *tls, const void *data, size_t length)
{
    if (length > sizeof(tls->in) - tls->in_length)
        abort(); /* TCP's window must not let that happen */
    memcpy(tls->in + tls->in_length, data, length);
    tls->in_length += (uint32_t)length;
    return length;
}
void tls_transport_ended(struct tls_connection *tls)
{
    tls->progress(tls->owner);
}
uint32_t tls_transport_consumed(struct tls_connection *tls)
{
    uint32_t consumed = tls->consumed;

    tls->consumed = 0;
    return consumed;
}
uint32_t tls_transport_peek(struct tls_connection *tls, const uint8_t **data)
{
    *data = tls->out;
    return tls->out_length;
}
void tls_transport_sent(struct tls_connection *tls, uint32_t length)
{
    if (length > tls->out_length)
        abort();
    memmove(tls->out, tls->out + length, tls->out_length - length);
    tls->out_length -= length;
}
uint32_t tls_peek(struct tls_connection *tls, const uint8_t **data)
{
    *data = tls->in;
    return tls->in_length;
}
void tls_consume(struct tls_connection *tls, uint32_t length)
{
    if (length > tls->in_length)
        abort();
    memmove(tls->in, tls->in + length, tls->in_length - length);
    tls->in_length -= length;
    tls->consumed += length;
}
size_t tls_write(struct tls_connection *tls, const void *data, size_t length)
{
    size_t room = sizeof(tls->out) - tls->out_length;

    length = length < room ? length : room;
    memcpy(tls->out + tls->out_length, data, length);
    tls->out_length += (uint32_t)length;
    return length;
}
bool tls_has_room(const struct tls_connection *tls)
{
    return tls->out_length < sizeof(tls->out);
}
void tls_close(struct tls_connection *tls)
{
    tls->close = true;
}

static void tls_event(uint8_t event)
{
    struct tls_connection *tls = engines;

    for (unsigned skip = event >> 4 & 3; skip > 0 && tls != NULL && tls->next != NULL; skip--)
        tls = tls->next;
    if (tls == NULL)
        return;
    if (tls->state < TLS_CLOSED)
        tls->state = event % 4 > tls->state ? event % 4 : tls->close ? TLS_CLOSED : tls->state;
    tls->progress(tls->owner);
}

/* Toy sessions */

struct session {
    const struct session_transport *operations;
    void *transport;
    bool closing, tired;
    struct session *next;
};
static struct session *sessions;

struct session *session_open(const struct session_transport *operations, void *transport, enum session_mode mode)
{
    struct session *session;

    (void)mode;
    if (now_ns / 1000000 % 7 == 3)
        return NULL;
    session = calloc(1, sizeof(*session));
    *session = (struct session){.operations = operations, .transport = transport, .next = sessions};
    sessions = session;
    operations->write(transport, "hello", 5);
    return session;
}
size_t session_receive(struct session *session, const void *data, size_t length)
{
    const uint8_t *bytes = data;

    if (session->closing || session->tired)
        abort(); /* neither after close() nor before resume() */
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == 'q') {
            session->closing = true;
            session->operations->close(session->transport);
            return i + 1;
        }
        if (bytes[i] == 't') {
            session->tired = i + 1 < length;
            return i + 1;
        }
        session->operations->write(session->transport, bytes + i, 1);
    }
    return length;
}
void session_writable(struct session *session)
{
    session->operations->write(session->transport, "again", 5);
}
void session_closed(struct session *session)
{
    for (struct session **at = &sessions; *at != NULL; at = &(*at)->next)
        if (*at == session) {
            *at = session->next;
            free(session);
            return;
        }
    abort();
}

static void session_event(uint8_t event)
{
    char text[600];

    if (sessions == NULL || sessions->closing)
        return;
    memset(text, event, sizeof(text));
    if (event % 3 == 0) {
        sessions->operations->write(sessions->transport, text, sizeof(text));
    } else if (event % 3 == 1 && sessions->tired) {
        sessions->tired = false;
        sessions->operations->resume(sessions->transport);
    } else if (event % 16 == 2) {
        sessions->closing = true;
        sessions->operations->close(sessions->transport);
    }
}

/* Frames */

static void deliver(const uint8_t *frame, size_t length)
{
    struct segment segment = {(void *)frame, length};
    struct packet packet = {.length = (uint32_t)length, .segments = 1, .segment = &segment};

    memcpy(packet.head, frame, length < sizeof(packet.head) ? length : sizeof(packet.head));
    port->deliver(port_owner, &packet);
    port->flush(port_owner);
}

static void raw_frame(const uint8_t *data, size_t length)
{
    uint8_t frame[1600] = {0};

    if (length > 1514)
        length = 1514;
    memcpy(frame, data, length);
    if (length > 0 && (data[0] & 1) == 0)
        memcpy(frame, switches[0].mgmt_mac, 6);
    deliver(frame, length < 14 ? 14 : length);
}

/* A segment from client port 1000 + n: with the numbers of its connection, if it has one, off by a little. */
static void tcp_segment(const uint8_t *step, const uint8_t *payload, size_t length)
{
    struct __attribute__((packed)) {
        struct eth_hdr ethernet;
        struct ip_hdr ip;
        struct tcp_hdr tcp;
        uint8_t payload[300];
    } frame = {0};
    uint16_t client = (uint16_t)(1000 + (step[0] & 15));
    uint32_t sequence = 1, acknowledged = 0;

    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
        if (pcb->remote_port == client) {
            sequence = pcb->rcv_nxt;
            acknowledged = pcb->snd_nxt;
        }
    memcpy(&frame.ethernet.dest, switches[0].mgmt_mac, 6);
    frame.ethernet.src.addr[0] = 2;
    frame.ethernet.src.addr[5] = 9;
    frame.ethernet.type = PP_HTONS(ETHTYPE_IP);
    IPH_VHL_SET(&frame.ip, 4, 5);
    IPH_LEN_SET(&frame.ip, lwip_htons((u16_t)(40 + length)));
    IPH_TTL_SET(&frame.ip, 64);
    IPH_PROTO_SET(&frame.ip, IP_PROTO_TCP);
    frame.ip.src.addr = PP_HTONL(0x0a090009);
    frame.ip.dest.addr = PP_HTONL(0x0a090001);
    frame.tcp.src = lwip_htons(client);
    frame.tcp.dest = PP_HTONS(992);
    frame.tcp.seqno = lwip_htonl(sequence + (uint32_t)(int8_t)step[2]);
    frame.tcp.ackno = lwip_htonl(acknowledged + (uint32_t)(int8_t)step[3]);
    TCPH_HDRLEN_FLAGS_SET(&frame.tcp, 5, step[1] & 0x3f);
    frame.tcp.wnd = lwip_htons((u16_t)(step[0] << 6));
    memcpy(frame.payload, payload, length);
    deliver((const uint8_t *)&frame, 54 + length);
}

static void clean_up(void)
{
    while (tcp_active_pcbs != NULL)
        tcp_abort(tcp_active_pcbs);
    while (tcp_tw_pcbs != NULL)
        tcp_abort(tcp_tw_pcbs);
    for (unsigned i = 0; i < 4; i++)
        run_loop();
    if (engines != NULL || sessions != NULL)
        abort(); /* somebody is left behind */
    etharp_cleanup_netif(netif_list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;

    if (!started) {
        started = true;
        module_lwip.start();
        module_console_server.start();
        run_loop();
    }
    for (unsigned steps = 0; size >= 5 && steps < 200; steps++) {
        uint8_t kind = data[0];
        size_t length = data[4];

        const uint8_t *step = data + 1;
        data += 5;
        size -= 5;
        if (length > size)
            length = size;
        switch (kind % 8) {
        case 0:
            raw_frame(data, length);
            break;
        case 1:
        case 2:
        case 3:
            tcp_segment(step, data, length);
            break;
        case 4:
            tls_event(step[0]);
            length = 0;
            break;
        case 5:
            session_event(step[0]);
            length = 0;
            break;
        case 6:
            now_ns += (uint64_t)step[0] * 1000000;
            length = 0;
            break;
        default:
            now_ns += (uint64_t)step[0] * 1000000000;
            length = 0;
        }
        run_loop();
        data += length;
        size -= length;
    }
    clean_up();
    return 0;
}
