/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vSwitch: learning bridges with VLANs. Pure logic: no device, no allocation; all calls from the event loop.
 *
 * A unicast frame goes to the port that has its address: the one that is configured with it, else the one that it was
 * last seen from, else (unknown) to every port of its VLAN. What a port's configuration says is its own address cannot
 * be claimed by another port. The address table is bounded, and so is a port's share of it.
 */
#ifndef NET_VSWITCH_H
#define NET_VSWITCH_H

#include <bulkhead/management.h>
#include <net/packet.h>

#define VSWITCH_PORTS_MAX 96u
#define VSWITCH_SWITCHES_MAX 16u

struct vswitch_port;

struct vswitch_port_counters {
    uint64_t rx_packets, rx_bytes; /* from the port's owner into the switch */
    uint64_t tx_packets, tx_bytes; /* from the switch to the port's owner */
    uint64_t rx_dropped;           /* from the owner: spoofed or reserved address, port down */
    uint64_t tx_dropped;           /* no room at the owner */
    uint64_t vlan_dropped;         /* from the owner, of a VLAN that is not the port's */
    uint64_t malformed;            /* from the owner, no frame */
};

struct vswitch_port_operations {
    /* Hand a frame to the port's owner, who copies it; false: no room, counted as tx_dropped. May call vswitch_input().
     */
    bool (*deliver)(void *owner, const struct packet *packet);
    /* After a burst: tell the owner's other side (one interrupt or doorbell for all of it). */
    void (*flush)(void *owner);
};

/*
 * Adds a port; it is down. `config` says mode, VLAN and address, and is kept; NULL: an uplink, which passes every VLAN
 * tagged and the switch's untagged traffic untagged. No frame goes from one uplink to another. NULL: no room.
 */
struct vswitch_port *vswitch_port_add(uint32_t switch_id, const char *name, const struct port_config *config,
                                      const struct vswitch_port_operations *operations, void *owner);

/* Link state: a port that is down gets and gives nothing, and what was learned on it is forgotten. */
void vswitch_port_link(struct vswitch_port *port, bool up);

/* What the port's owner takes in packet->offload; at first nothing. The rest is done for it in software. */
enum vswitch_offload {
    VSWITCH_CHECKSUM = 1,
    VSWITCH_TSO4 = 2,
    VSWITCH_TSO6 = 4,
    VSWITCH_TSO_ECN = 8,
};
void vswitch_port_offloads(struct vswitch_port *port, uint32_t offloads);

/* A frame from the port's owner. Learns, filters, delivers. */
void vswitch_input(struct vswitch_port *port, const struct packet *packet);
/* The owner found something that is no frame: only counted. */
void vswitch_malformed(struct vswitch_port *port);
/* End of a burst of vswitch_input(): calls flush() once for every port that something was delivered to. */
void vswitch_flush(void);

/* Called once every VSWITCH_TICK_S seconds: forgets addresses not seen for VSWITCH_AGE_TICKS. */
#define VSWITCH_TICK_S 60u
#define VSWITCH_AGE_TICKS 5u
void vswitch_tick(void);

/* For listings: the ports in the order in which they were added; false: no such port. */
struct vswitch_port_view {
    const char *name;
    uint32_t switch_id;
    bool up, uplink;
    uint8_t mode; /* enum port_mode */
    uint16_t vlan;
    uint8_t mac[6];     /* zero: none configured */
    uint32_t addresses; /* learned */
    struct vswitch_port_counters counters;
};
bool vswitch_port_view(uint32_t index, struct vswitch_port_view *view);

/* Learned addresses: `index` counts table places up to VSWITCH_ADDRESSES_MAX; false: this place is empty. */
#define VSWITCH_ADDRESSES_MAX 1024u
struct vswitch_address_view {
    uint8_t mac[6];
    uint16_t vlan;
    uint32_t switch_id;
    const char *port;
    uint32_t age_s;
};
bool vswitch_address_view(uint32_t index, struct vswitch_address_view *view);

#endif
