/* SPDX-License-Identifier: Apache-2.0 */
/* The vSwitch: learning bridges with VLANs. Pure logic: no device, no allocation; all calls from the event loop. */
#ifndef NET_VSWITCH_H
#define NET_VSWITCH_H

#include <bulkhead/management.h>
#include <net/packet.h>

struct vswitch;
struct vswitch_port;

struct vswitch_port_counters {
    uint64_t rx_packets, rx_bytes; /* from the port's owner into the switch */
    uint64_t tx_packets, tx_bytes; /* from the switch to the port's owner */
    uint64_t rx_dropped, tx_dropped, vlan_dropped, malformed;
};

struct vswitch_port_operations {
    /* Hand a frame to the port's owner, who copies it; false: no room, counted as tx_dropped. */
    bool (*deliver)(void *owner, const struct packet *packet);
    /* After a burst: tell the owner's other side (one interrupt or doorbell for all of it). */
    void (*flush)(void *owner);
};

/* Ports are made at start-up from management.h's tables; net/vswitch_setup.c joins NICs, channels and lwIP to them. */
struct vswitch_port *vswitch_port_add(uint32_t switch_id, const char *name, const struct port_config *config,
                                      const struct vswitch_port_operations *operations, void *owner);
/* A frame from the port's owner. Learns, filters, delivers. */
void vswitch_input(struct vswitch_port *port, const struct packet *packet);
/* End of a burst of vswitch_input(): calls flush() once for every port that something was delivered to. */
void vswitch_flush(struct vswitch_port *port);
/* Link state: a port that is down gets nothing, and what was learned on it is forgotten. */
void vswitch_port_link(struct vswitch_port *port, bool up);

#endif
