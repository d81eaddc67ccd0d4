/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The password of the serial console. The state store keeps its hash as the value "console.password"; without that
 * value there is none to be asked for. Loop context.
 */
#ifndef MGMT_PASSWORD_H
#define MGMT_PASSWORD_H

#include <mgmt/session_internal.h>
#include <stdbool.h>
#include <stdint.h>

#define PASSWORD_VALUE "console.password"
#define PASSWORD_MAX 128u

/* Of a session that just began: it gets its prompt once somebody has typed the password, or there is none. One session
 * at a time. */
void password_ask(struct session *session);
/* An interactive session sets a new one, typed twice. */
void password_change(struct session *session);
/* Wrong ones, since the start of this program. */
uint64_t password_failures(void);

#endif
