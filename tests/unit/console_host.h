/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS console as host processes: one runs the appliance's network side (lwIP, TLS, console server, a toy session),
 * another a gateway with an lwIP of its own, which carries each connection to a port of this machine through it. A
 * datagram socket between the two is the cable.
 */
#ifndef TESTS_UNIT_CONSOLE_HOST_H
#define TESTS_UNIT_CONSOLE_HOST_H

#include <net/status.h>
#include <stdbool.h>
#include <stdint.h>

/* Shared between the test and the two processes. */
struct console_host {
    /* The test's */
    volatile bool stop;
    volatile uint64_t clock_skip_ns; /* of the appliance */
    volatile int64_t wall_skip_s;
    volatile bool entropy_present;
    volatile uint32_t entropy_bytes;          /* still to be handed out */
    volatile uint32_t loss;                   /* 0: none, n: every nth frame of the cable is lost */
    char certificate[256], key[256], ca[256]; /* files; "": none */
    /* The appliance's */
    struct net_tls_status tls;
    volatile uint32_t turns; /* counts publications of the above */
    char log[4096];
    volatile uint32_t sessions; /* toy sessions open */
};

extern struct console_host *console_host;

/* Names of values that the state store keeps, each the same as the configuration's; NULL: there is no store. */
extern const char *console_kept;

/* console_tables.c */
void console_tables_load(const char *certificate, const char *key, const char *ca);

_Noreturn void console_host_appliance(int cable);
_Noreturn void console_host_gateway(int cable, int listener);

#endif
