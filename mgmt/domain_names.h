/* SPDX-License-Identifier: Apache-2.0 */
/* Domains as people call them. */
#ifndef MGMT_DOMAIN_NAMES_H
#define MGMT_DOMAIN_NAMES_H

#include <stdint.h>

struct session;

/* Domain `n`, or NULL. */
const char *domain_name(int n);
/* A command's completion function: the first argument is a domain. */
const char *domain_complete(int index, int n);
/* The partition of that name; -1: there is none, which was said, with the names that there are. */
int domain_find(struct session *session, const char *name);
/* The partition of the first `length` bytes, or -1. */
int domain_lookup(const char *name, uint32_t length);
void domain_unknown(struct session *session, const char *name);

#endif
