/* SPDX-License-Identifier: Apache-2.0 */
/* Where lwIP asks us. Bodies in net/lwip_port.c. */
#ifndef NET_LWIP_HOOKS_H
#define NET_LWIP_HOOKS_H

#include <lwip/ip_addr.h>

struct netif;

/* RFC 6528: initial sequence numbers that another host cannot predict. */
u32_t lwip_initial_sequence(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port);
#define LWIP_HOOK_TCP_ISN lwip_initial_sequence

/* An answer leaves through the interface whose address it comes from. NULL: lwIP decides. (lwipopts.h) */
struct netif *lwip_route(const ip4_addr_t *source, const ip4_addr_t *destination);

#endif
