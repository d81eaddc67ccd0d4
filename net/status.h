/* SPDX-License-Identifier: Apache-2.0 */
/* What the management domain's own network side has to tell: the shell's `net`. Loop context. */
#ifndef NET_STATUS_H
#define NET_STATUS_H

#include <stdbool.h>
#include <stdint.h>

/* The management domain's interfaces, one a switch on which it has a port. */
struct net_interface_status {
    const char *switch_name;
    uint32_t switch_id;
    uint8_t mac[6];
    uint32_t address, netmask, gateway; /* IPv4, host byte order; 0: none (yet) */
    bool dhcp;
    const char *dhcp_state; /* "bound", "asking", ...; "" without DHCP */
    uint32_t dhcp_server;   /* host byte order; 0: none yet */
    uint32_t dhcp_lease_s;  /* length of the lease; 0: none */
    uint64_t dropped;       /* frames for us that found no room */
};
/* false: there are no more. */
bool net_interface_status(uint32_t index, struct net_interface_status *status);

/* The TLS console. */
struct net_tls_status {
    bool on;
    char why[128]; /* when off: why, in words for the operator; else "" */
    uint16_t port;
    bool development;    /* the certificates are the build's, not the operator's */
    char subject[96];    /* of the server's certificate; "" when there is none that can be read */
    uint64_t valid_to_s; /* UNIX time at which it ends; 0: no certificate */
    uint32_t sessions, sessions_max;
    uint32_t handshakes, handshakes_max; /* connections that have not shown a certificate yet */
    /* Counters since the management domain's start */
    uint64_t accepted;     /* TCP connections */
    uint64_t opened;       /* sessions */
    uint64_t refused;      /* too many at once */
    uint64_t failed;       /* handshakes: no or bad certificate, not TLS, ... */
    uint64_t timed_out;    /* handshakes not finished in time */
    uint64_t broken;       /* sessions that ended in an error or without a word */
    char last_failure[96]; /* of a handshake: the peer and why; "" when there was none */
};
void net_tls_status(struct net_tls_status *status);

/* TLS sessions. false: there are no more. */
struct net_session_status {
    uint32_t address; /* of the client, IPv4, host byte order */
    uint16_t port;
    const char *subject;                 /* of its certificate; valid until the loop goes on */
    const char *version;                 /* "TLSv1.3" */
    bool command;                        /* bhctl's, not an interactive one */
    uint64_t opened_ns;                  /* time_ns() */
    uint64_t received_bytes, sent_bytes; /* plain */
};
bool net_session_status(uint32_t index, struct net_session_status *status);

#endif
