/* SPDX-License-Identifier: Apache-2.0 */
/* A physical NIC as the vSwitch sees it. All calls from the event loop. */
#ifndef DEVICES_NIC_NIC_H
#define DEVICES_NIC_NIC_H

#include <net/packet.h>
#include <stdbool.h>

struct nic {
    const char *name;
    uint8_t mac[6];
    bool has_checksum, has_tso4, has_tso6; /* transmit offloads the device takes */
    bool link_up;
    uint64_t rx_packets, rx_bytes, rx_dropped, tx_packets, tx_bytes, tx_dropped; /* counters */
    uint64_t resets; /* because the device did not go on sending */
    /* Copies the packet into the device's queue; false: queue full, dropped and counted. */
    bool (*transmit)(struct nic *nic, const struct packet *packet);
    /* After a burst of transmit(): rings the device once. */
    void (*kick)(struct nic *nic);
    /* Set by the user of the NIC; called for every received frame. */
    void (*receive)(void *user, const struct packet *packet);
    /* Called once after a burst of receive(). */
    void (*receive_end)(void *user);
    void (*link_changed)(void *user);
    void *user;
};

struct nic *nic_get(uint32_t index); /* in discovery order; NULL: no such NIC */
/* For drivers: gives the NIC its name and its place in that order; false: there are too many. */
bool nic_add(struct nic *nic);

#endif
