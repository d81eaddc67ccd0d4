/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checksums and segmentation in software, for receivers that cannot do them. Pure logic; the payload is not copied: the
 * frames that come out are a private header each and slices of the packet's own segments.
 */
#ifndef NET_OFFLOAD_H
#define NET_OFFLOAD_H

#include <net/packet.h>
#include <stdbool.h>

/* Bytes of Ethernet, VLAN, IP and TCP headers that a packet to be segmented may have. */
#define OFFLOAD_HEADER_MAX 192u

/*
 * Whether the offload header of a frame of `length` bytes, as a sender of `accepted` (mask of enum vswitch_offload)
 * wrote it, makes sense. Fields that do not matter are cleared.
 */
bool offload_check(struct virtio_net_header *header, uint32_t length, uint32_t accepted);

/* Where the headers of a packet to be segmented begin. ip == 0: it is not what its offload header says. */
struct offload_layout {
    uint32_t ip, tcp, payload;
    bool ipv6;
};
/* `header`: a private copy of the packet's first `length` bytes, at least all of its headers. */
struct offload_layout offload_layout(const struct virtio_net_header *offload, const uint8_t *header, uint32_t length);
/*
 * Makes the copied headers what NICs that segment want them to be, which put into each frame what differs: no lengths, no
 * IPv4 checksum, and in TCP's the pseudo header's sum without a length.
 */
void offload_hand_over(uint8_t *header, const struct offload_layout *layout);

/* Whether a receiver that takes `can` (mask of enum vswitch_offload) takes this packet as it is. */
bool offload_fits(const struct virtio_net_header *header, uint32_t can);

/*
 * Does the checksum and, if need be, the segmentation, and hands over the complete frames one by one. False when the
 * headers do not say what the offload header says, or when the receiver refused a frame.
 */
bool offload_deliver(const struct packet *packet, bool (*deliver)(void *owner, const struct packet *packet),
                     void *owner);

#endif
