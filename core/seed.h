/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeds for the domains' own generators: a pool that starts from the machine's entropy and steps forward by SHA-256
 * with every seed it gives, so that a seed tells nothing of those before it, nor of another domain's.
 */
#ifndef CORE_SEED_H
#define CORE_SEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEED_SIZE 32

/* Boot CPU, before a domain is described: adds what firmware or the CPU had to offer. */
void seed_add(const void *entropy, size_t length);
/* True once seed_add() got at least SEED_SIZE bytes: without, domains get no seeds rather than bad ones. */
bool seed_available(void);
/* Any CPU whose FP registers hold nobody's state (digest_sha256()): a fresh seed. Takes its own lock. */
void seed_take(uint8_t seed[SEED_SIZE]);

#endif
