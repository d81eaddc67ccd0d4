/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker: one context below the event loop, with its own stack. It runs only while the loop would sleep, and any
 * interrupt takes the CPU back to the loop, so a long computation (a TLS handshake) delays no packet. Work given to it
 * shares nothing with the loop but what it is given and malloc (which is safe in both).
 */
#ifndef MGMT_WORKER_H
#define MGMT_WORKER_H

struct work {
    void (*run)(struct work *work);  /* in the worker */
    void (*done)(struct work *work); /* in the loop, after run() returned */
    void *owner;
    struct work *next; /* the worker's */
};
/* Loop context. Queued in order. */
void worker_submit(struct work *work);

#endif
