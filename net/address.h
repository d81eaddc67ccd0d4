/* SPDX-License-Identifier: Apache-2.0 */
/* The management domain's address on a switch, as an operator keeps it in the state store: "dhcp", "10.0.0.5/24", or
 * "10.0.0.5/24 10.0.0.1" with a gateway. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_address {
    bool dhcp;
    uint32_t address, netmask, gateway; /* IPv4, host byte order; gateway 0: none */
};

/* Any bytes. False: they are no address of a host, or its gateway is not in its network. */
bool net_address_parse(const char *text, size_t length, struct net_address *result);

#endif
