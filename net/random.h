/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers of the network side, all from the machine's entropy (devices/virtio/entropy.h).
 *
 * Two users in two contexts, so two generators: TLS has a CTR_DRBG of its own, used by the worker alone; the event loop
 * has a hash of a secret and a counter for what lwIP wants to be unpredictable (ports, DHCP and TCP sequence numbers).
 */
#ifndef NET_RANDOM_H
#define NET_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum random_state {
    RANDOM_READY,
    RANDOM_WAITING, /* there is a source, but it has not given enough yet */
    RANDOM_ABSENT,  /* there is no source */
};

/* Loop. Moves entropy from the source to where the generators find it. */
enum random_state random_poll(void);
/* Loop. Unpredictable once random_poll() said RANDOM_READY; before that only different from boot to boot. */
uint32_t random_u32(void);
/* Loop. A hash of `data` that nobody else can compute: the same for the same data until the next boot. */
uint32_t random_keyed(const void *data, size_t length);

/* Worker. Seeds the TLS generator; false: not enough entropy. Again after that: adds to it. */
bool random_seed_tls(void);
/* Worker, as mbedTLS wants it (f_rng). */
int random_tls(void *context, unsigned char *output, size_t length);

#endif
