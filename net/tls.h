/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.2 and 1.3, the server's side, between two pairs of byte queues: records to and from a transport, plain bytes to
 * and from a session. Handshakes and record protection run in the worker (mgmt/worker.h); the event loop only moves
 * bytes. A client without a certificate of the configured authority gets no further than the handshake.
 *
 * All calls are made in the loop. Memory a connection: TLS_CONNECTION_BYTES at most, allocated at tls_accept() and in
 * its handshake.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_CONNECTION_BYTES (128u << 10)
/* Bytes from the transport that are always taken while they are not consumed yet: at least TCP's receive window. */
#define TLS_TRANSPORT_WINDOW 16384u

/* Who we are and whom we believe. */
struct tls_material {
    const unsigned char *certificate, *key, *client_ca; /* PEM with its NUL; size 1 or less: none */
    uint32_t certificate_size, key_size, client_ca_size;
};

struct tls_identity {
    bool usable;           /* all of it is there, fits together and can be used */
    char problem[96];      /* why it is not usable */
    char subject[96];      /* of the server's certificate */
    uint64_t valid_from_s; /* UNIX times between which every certificate of ours and the authority are valid */
    uint64_t valid_to_s;
};

/* Reads the material in the worker, after random_poll() said RANDOM_READY; `loaded` is called in the loop. Again, with
 * other material, only where what it found is not usable. */
void tls_load(const struct tls_material *material, void (*loaded)(const struct tls_identity *identity));

enum tls_state {
    TLS_HANDSHAKE,
    TLS_OPEN,
    TLS_PEER_CLOSED, /* close_notify came: nothing more to read, but to write */
    TLS_CLOSED,      /* finished; our last alert is in the transport's queue */
};

struct tls_connection;

/* After tls_load(). `progress` is called in the loop, never from within a call into this module, whenever something
 * changed: state, bytes to move. NULL: no memory. */
struct tls_connection *tls_accept(void (*progress)(void *owner), void *owner);
/* Ends it at once without a word to the peer; `progress` is not called any more. */
void tls_free(struct tls_connection *tls);

enum tls_state tls_state(const struct tls_connection *tls);
/* How it ended, for TLS_CLOSED: NULL when it was closed in order, else a few words. */
const char *tls_failure(const struct tls_connection *tls);
/* From TLS_OPEN on. */
const char *tls_peer(const struct tls_connection *tls);     /* the client certificate's subject, printable */
const char *tls_version(const struct tls_connection *tls);  /* "TLSv1.3" */
const char *tls_protocol(const struct tls_connection *tls); /* what ALPN selected, or "" */

/* The transport's side. */
size_t tls_transport_receive(struct tls_connection *tls, const void *data, size_t length);
void tls_transport_ended(struct tls_connection *tls);        /* the peer sends no more */
uint32_t tls_transport_consumed(struct tls_connection *tls); /* received bytes consumed since the last call */
uint32_t tls_transport_peek(struct tls_connection *tls, const uint8_t **data); /* records to be sent */
void tls_transport_sent(struct tls_connection *tls, uint32_t length);

/* The session's side. */
uint32_t tls_peek(struct tls_connection *tls, const uint8_t **data);
void tls_consume(struct tls_connection *tls, uint32_t length);
size_t tls_write(struct tls_connection *tls, const void *data, size_t length); /* how many were taken */
bool tls_has_room(const struct tls_connection *tls);
/* Sends what was written and close_notify; then TLS_CLOSED. */
void tls_close(struct tls_connection *tls);

/* The protocols that ALPN may select. */
#define TLS_ALPN_COMMAND "bulkhead-command/1"

#endif
