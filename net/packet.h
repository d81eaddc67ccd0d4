/* SPDX-License-Identifier: Apache-2.0 */
/* A frame on its way through the vSwitch. */
#ifndef NET_PACKET_H
#define NET_PACKET_H

#include <lib/segment.h>
#include <stdint.h>

enum virtio_net_header_flags {
    VIRTIO_NET_NEEDS_CSUM = 1,
    VIRTIO_NET_DATA_VALID = 2, /* receive only: the checksum was verified */
};
enum virtio_net_gso {
    VIRTIO_NET_GSO_NONE = 0,
    VIRTIO_NET_GSO_TCPV4 = 1,
    VIRTIO_NET_GSO_TCPV6 = 4,
    VIRTIO_NET_GSO_ECN = 0x80, /* beside one of TCP: the first segment alone carries CWR */
};

/* virtio 1.2, section 5.1.6: little-endian; says which checksum and segmentation work is still to be done. */
struct virtio_net_header {
    uint8_t flags;    /* enum virtio_net_header_flags */
    uint8_t gso_type; /* enum virtio_net_gso */
    uint16_t header_length;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t buffers;
};

/*
 * The segments may lie in another domain's memory and change at any time: whoever decides by their content copies that
 * content first. The first min(length, PACKET_HEAD) bytes are copied into `head` by whoever makes the packet, and where
 * the frame comes from another domain, segment 0 is `head` itself, so that what was checked is what is sent. A packet
 * is valid during the call that passes it: a receiver that wants the bytes longer copies them.
 */
#define PACKET_HEAD 64u
#define PACKET_SEGMENTS_MAX 64u
#define PACKET_LENGTH_MIN 14u
#define PACKET_LENGTH_MAX 65553u /* 64 KiB of IP with its Ethernet header and a VLAN tag */
struct packet {
    struct virtio_net_header offload; /* a private, checked copy; all zero: a complete frame */
    uint32_t length;                  /* bytes of the frame, without the offload header */
    uint32_t segments;                /* at most PACKET_SEGMENTS_MAX */
    const struct segment *segment;
    uint8_t head[PACKET_HEAD];
};

#endif
