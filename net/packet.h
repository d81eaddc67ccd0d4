/* SPDX-License-Identifier: Apache-2.0 */
/* A frame on its way through the vSwitch, and what a port is. */
#ifndef NET_PACKET_H
#define NET_PACKET_H

#include <lib/segment.h>
#include <stdint.h>

/* virtio 1.2, section 5.1.6: little-endian; says which checksum and segmentation work is still to be done. */
struct virtio_net_header {
    uint8_t flags;    /* 1 NEEDS_CSUM, 2 DATA_VALID */
    uint8_t gso_type; /* 0 none, 1 TCPv4, 3 UDP, 4 TCPv6, 0x80 ECN */
    uint16_t header_length;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t buffers;
};

/*
 * The segments may lie in another domain's memory and change at any time: whoever decides by their content copies that
 * content first. Ethernet and VLAN headers are copied into `head` by whoever makes the packet (the first min(length,
 * 64) bytes); segments still begin at byte 0 of the frame. A packet is valid during the call that passes it: a receiver
 * that wants the bytes longer copies them.
 */
#define PACKET_HEAD 64u
#define PACKET_SEGMENTS_MAX 64u
struct packet {
    struct virtio_net_header offload; /* a private, checked copy; all zero: a complete frame */
    uint32_t length;                  /* bytes of the frame, without the offload header: 14..65550 */
    uint32_t segments;
    const struct segment *segment;
    uint8_t head[PACKET_HEAD];
};

#endif
