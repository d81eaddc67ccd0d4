/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/console_host.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/host_module.h"
#include <assert.h>
#include <bulkhead/management.h>
#include <devices/virtio/entropy.h>
#include <errno.h>
#include <fcntl.h>
#include <lwip/netif.h>
#include <lwip/tcp.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/session.h>
#include <net/vswitch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/state_partition.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct console_host *console_host;
extern const struct module module_lwip, module_console_server;

/* Tables */

const struct switch_config switches[] = {{.name = "lan",
                                          .kind = SWITCH_EXTERNAL,
                                          .mgmt_port = true,
                                          .mgmt_address = 0x0a090001,
                                          .mgmt_netmask = 0xffffff00,
                                          .mgmt_mac = {2, 0, 0, 0, 0, 1}}};
const uint32_t switch_count = 1;

/* The vSwitch: a cable to the other process. */

struct vswitch_port {
    const struct vswitch_port_operations *operations;
    void *owner;
};
static struct vswitch_port port;
static int cable = -1;

struct vswitch_port *vswitch_port_add(uint32_t switch_id, const char *name, const struct port_config *config,
                                      const struct vswitch_port_operations *operations, void *owner)
{
    (void)switch_id;
    (void)name;
    (void)config;
    port = (struct vswitch_port){operations, owner};
    return &port;
}

void vswitch_port_link(struct vswitch_port *of, bool up)
{
    (void)of;
    (void)up;
}

void vswitch_input(struct vswitch_port *from, const struct packet *packet)
{
    static uint32_t frames;
    uint8_t frame[2048];
    size_t length = 0;

    (void)from;
    for (uint32_t i = 0; i < packet->segments; i++) {
        assert(length + packet->segment[i].length <= sizeof(frame));
        memcpy(frame + length, packet->segment[i].base, packet->segment[i].length);
        length += packet->segment[i].length;
    }
    assert(length == packet->length);
    if (console_host->loss != 0 && ++frames % console_host->loss == 0)
        return;
    (void)!send(cable, frame, length, MSG_DONTWAIT);
}

void vswitch_flush(void) {}

/* What is kept on a disk. */

const char *console_kept;

void state_when_settled(void (*call)(struct state *store))
{
    static struct state store;

    call(console_kept != NULL ? &store : NULL);
}

bool state_get(const struct state *state, const char *name, struct state_value *value)
{
    bool is_key = strcmp(name, "tls.key") == 0, is_ca = strcmp(name, "tls.client-ca") == 0;

    (void)state;
    if (strncmp(name, "tls.", 4) != 0 || strstr(console_kept, name) == NULL)
        return false;
    value->data = is_key ? tls_server_key : is_ca ? tls_client_ca : tls_server_certificate;
    value->length = (uint16_t)((is_key  ? tls_server_key_size
                                : is_ca ? tls_client_ca_size
                                        : tls_server_certificate_size) -
                               1);
    return true;
}

static void cable_ready(int fd, void *owner)
{
    uint8_t frame[2048];
    ssize_t length;
    bool any = false;

    (void)owner;
    for (unsigned n = 0; n < 16 && (length = recv(fd, frame, sizeof(frame), MSG_DONTWAIT)) > 0; n++) {
        struct segment segment = {frame, (size_t)length};
        struct packet packet = {.length = (uint32_t)length, .segments = 1, .segment = &segment};

        memcpy(packet.head, frame, (size_t)length < sizeof(packet.head) ? (size_t)length : sizeof(packet.head));
        port.operations->deliver(port.owner, &packet);
        any = true;
    }
    if (any)
        port.operations->flush(port.owner);
}

/* Entropy, log, panic */

bool entropy_present(void)
{
    return console_host->entropy_present;
}

size_t entropy_take(void *buffer, size_t length)
{
    size_t taken = length < console_host->entropy_bytes ? length : console_host->entropy_bytes;

    console_host->entropy_bytes -= (uint32_t)taken;
    for (size_t i = 0; i < taken; i++)
        ((uint8_t *)buffer)[i] = (uint8_t)rand();
    return taken;
}

void entropy_when_ready(struct loop_source *source)
{
    (void)source;
}

void bulkhead_log(const char *format, ...)
{
    size_t used = strlen(console_host->log);
    va_list arguments;

    if (sizeof(console_host->log) - used < 512)
        return;
    va_start(arguments, format);
    vsnprintf(console_host->log + used, 480, format, arguments);
    va_end(arguments);
    strcat(console_host->log, "\n");
}

_Noreturn void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    abort();
}

/*
 * The toy session. Lines: "exit"; "flood N": N bytes of a known pattern; "count N": takes N bytes, slowly, says how
 * many matched the pattern; anything else comes back. A command session answers "did: LINE" and closes.
 */
struct session {
    const struct session_transport *operations;
    void *transport;
    bool command, closing;
    char line[128];
    size_t line_length;
    uint64_t to_send, sent;           /* flood */
    uint64_t to_count, counted, same; /* count */
    struct loop_timer rest;
    char out[512];
    size_t out_length;
};

static uint8_t pattern(uint64_t i)
{
    return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

static void session_push(struct session *session)
{
    size_t taken = session->operations->write(session->transport, session->out, session->out_length);

    memmove(session->out, session->out + taken, session->out_length - taken);
    session->out_length -= taken;
    while (session->out_length == 0 && session->sent < session->to_send) {
        uint8_t piece[700];
        size_t length = sizeof(piece);

        if (length > session->to_send - session->sent)
            length = session->to_send - session->sent;
        for (size_t i = 0; i < length; i++)
            piece[i] = pattern(session->sent + i);
        taken = session->operations->write(session->transport, piece, length);
        session->sent += taken;
        if (taken < length)
            return;
    }
    if (session->closing && session->out_length == 0 && session->sent == session->to_send) {
        session->closing = false;
        session->operations->close(session->transport);
    }
}

static void session_say(struct session *session, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    session->out_length += (size_t)vsnprintf(session->out + session->out_length,
                                             sizeof(session->out) - session->out_length, format, arguments);
    va_end(arguments);
    assert(session->out_length < sizeof(session->out));
    session_push(session);
}

static void session_line(struct session *session)
{
    session->line[session->line_length] = '\0';
    session->line_length = 0;
    if (session->command) {
        session->closing = true;
        session_say(session, "did: %s\n", session->line);
    } else if (strcmp(session->line, "exit") == 0) {
        session->closing = true;
        if (session->sent == session->to_send) /* else after the flood, without a word */
            session_say(session, "bye\n");
    } else if (sscanf(session->line, "flood %lu", &session->to_send) == 1) {
        session->sent = 0;
        session_push(session);
    } else if (sscanf(session->line, "count %lu", &session->to_count) == 1) {
        session->counted = session->same = 0;
    } else {
        session_say(session, "you said %s\n", session->line);
    }
}

static void rest_over(struct loop_timer *timer)
{
    struct session *session = timer->owner;

    session->operations->resume(session->transport);
}

size_t session_receive(struct session *session, const void *data, size_t length)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < length; i++) {
        if (session->counted < session->to_count) {
            session->same += bytes[i] == pattern(session->counted++);
            if (session->counted == session->to_count)
                session_say(session, "counted %lu same %lu\n", session->counted, session->same);
            /* Tired now and then: the transport keeps the rest. */
            if (session->counted % 50000 == 0) {
                loop_timer_set(&session->rest, 30000000);
                return i + 1;
            }
        } else if (bytes[i] == '\n') {
            session_line(session);
        } else if (bytes[i] != '\r' && session->line_length + 1 < sizeof(session->line)) {
            session->line[session->line_length++] = (char)bytes[i];
        }
    }
    return length;
}

struct session *session_open(const struct session_transport *operations, void *transport, enum session_mode mode)
{
    struct session *session = calloc(1, sizeof(*session));

    console_host->sessions++;
    session->operations = operations;
    session->transport = transport;
    session->command = mode == SESSION_COMMAND;
    session->rest = (struct loop_timer){.run = rest_over, .owner = session};
    if (!session->command)
        session_say(session, "welcome %s\n", operations->name);
    return session;
}

void session_writable(struct session *session)
{
    session_push(session);
}

void session_closed(struct session *session)
{
    console_host->sessions--;
    loop_timer_cancel(&session->rest);
    free(session);
}

void session_notice_all(const char *text)
{
    bulkhead_log("NOTICE %s", text);
}

/* The appliance's process */

static void publish(void)
{
    net_tls_status(&console_host->tls);
    console_host->turns++;
}

static void plug_in(int fd)
{
    cable = fd;
    fake_loop_watch(cable, cable_ready, NULL);
}

_Noreturn void console_host_appliance(int fd)
{
    fake_clock_skip_ns = &console_host->clock_skip_ns;
    fake_wall_skip_s = &console_host->wall_skip_s;
    console_tables_load(console_host->certificate, console_host->key, console_host->ca);
    plug_in(fd);
    module_lwip.start();
    module_console_server.start();
    fake_loop_run(&console_host->stop, publish);
    exit(0);
}

/* The gateway's process */

struct bridge {
    int fd;
    struct tcp_pcb *pcb;
    bool watched, client_finished, server_finished;
};

static void bridge_free(struct bridge *bridge)
{
    if (bridge->watched)
        fake_loop_unwatch(bridge->fd);
    close(bridge->fd);
    if (bridge->pcb != NULL)
        tcp_arg(bridge->pcb, NULL);
    free(bridge);
}

static void bridge_watch(struct bridge *bridge, bool on);

static void bridge_readable(int fd, void *owner)
{
    struct bridge *bridge = owner;
    uint8_t data[4096];
    size_t room = tcp_sndbuf(bridge->pcb) < sizeof(data) ? tcp_sndbuf(bridge->pcb) : sizeof(data);

    if (room == 0 || tcp_sndqueuelen(bridge->pcb) > TCP_SND_QUEUELEN / 2)
        return bridge_watch(bridge, false);
    ssize_t length = recv(fd, data, room, MSG_DONTWAIT);
    if (length > 0) {
        assert(tcp_write(bridge->pcb, data, (u16_t)length, TCP_WRITE_FLAG_COPY) == ERR_OK);
        tcp_output(bridge->pcb);
    } else if (length == 0) {
        bridge_watch(bridge, false);
        bridge->client_finished = true;
        if (!bridge->server_finished) {
            tcp_shutdown(bridge->pcb, 0, 1);
            return;
        }
        struct tcp_pcb *pcb = bridge->pcb;
        bridge_free(bridge);
        tcp_close(pcb);
    } else if (errno != EAGAIN) {
        struct tcp_pcb *pcb = bridge->pcb;

        bridge_free(bridge);
        tcp_abort(pcb);
    }
}

static void bridge_watch(struct bridge *bridge, bool on)
{
    if (on && !bridge->watched)
        fake_loop_watch(bridge->fd, bridge_readable, bridge);
    else if (!on && bridge->watched)
        fake_loop_unwatch(bridge->fd);
    bridge->watched = on;
}

static err_t bridge_sent(void *argument, struct tcp_pcb *pcb, u16_t length)
{
    (void)pcb;
    (void)length;
    struct bridge *bridge = argument;

    if (bridge != NULL && !bridge->client_finished)
        bridge_watch(bridge, true);
    return ERR_OK;
}

static err_t bridge_received(void *argument, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
    struct bridge *bridge = argument;

    (void)error;
    if (bridge == NULL) {
        if (data != NULL)
            pbuf_free(data);
        return ERR_OK;
    }
    if (data == NULL) {
        bridge->server_finished = true;
        shutdown(bridge->fd, SHUT_WR);
        if (bridge->client_finished) {
            bridge_free(bridge);
            tcp_close(pcb);
        }
        return ERR_OK;
    }
    ssize_t sent = send(bridge->fd, data->payload, data->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == data->len) {
        u16_t length = data->len;
        struct pbuf *rest = pbuf_free_header(data, data->len);

        tcp_recved(pcb, length);
        if (rest != NULL)
            return bridge_received(argument, pcb, rest, ERR_OK);
        return ERR_OK;
    }
    if (sent < 0 && errno != EAGAIN) { /* the client is gone */
        pbuf_free(data);
        bridge_free(bridge);
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    if (sent > 0) {
        struct pbuf *rest = pbuf_free_header(data, (u16_t)sent);

        tcp_recved(pcb, (u16_t)sent);
        assert(rest != NULL);
        while ((sent = send(bridge->fd, rest->payload, rest->len, MSG_NOSIGNAL)) > 0) { /* waits for the client */
            u16_t length = (u16_t)sent;

            rest = pbuf_free_header(rest, length);
            tcp_recved(pcb, length);
            if (rest == NULL)
                return ERR_OK;
        }
        pbuf_free(rest);
        return ERR_OK;
    }
    return ERR_MEM; /* lwIP offers it again */
}

static void bridge_error(void *argument, err_t error)
{
    struct bridge *bridge = argument;

    (void)error;
    if (bridge == NULL)
        return;
    /* A reset becomes a reset. */
    setsockopt(bridge->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    bridge->pcb = NULL;
    bridge_free(bridge);
}

static err_t bridge_connected(void *argument, struct tcp_pcb *pcb, err_t error)
{
    (void)pcb;
    (void)error;
    bridge_watch(argument, true);
    return ERR_OK;
}

static void bridge_accept(int listener, void *owner)
{
    struct bridge *bridge = calloc(1, sizeof(*bridge));
    ip_addr_t address = IPADDR4_INIT_BYTES(10, 9, 0, 1);

    (void)owner;
    bridge->fd = accept(listener, NULL, NULL);
    bridge->pcb = tcp_new();
    assert(bridge->fd >= 0 && bridge->pcb != NULL);
    tcp_arg(bridge->pcb, bridge);
    tcp_recv(bridge->pcb, bridge_received);
    tcp_sent(bridge->pcb, bridge_sent);
    tcp_err(bridge->pcb, bridge_error);
    tcp_nagle_disable(bridge->pcb);
    assert(tcp_connect(bridge->pcb, &address, 992, bridge_connected) == ERR_OK);
}

_Noreturn void console_host_gateway(int fd, int listener)
{
    plug_in(fd);
    module_lwip.start();
    netif_set_ipaddr(netif_list, &(ip4_addr_t){PP_HTONL(0x0a090002)});
    netif_list->hwaddr[5] = 2;
    fake_loop_watch(listener, bridge_accept, NULL);
    fake_loop_run(&console_host->stop, NULL);
    _exit(0);
}
