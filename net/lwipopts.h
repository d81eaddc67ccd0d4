/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lwIP for the management domain: TCP over IPv4 with ARP, ICMP echo and DHCP, called from the event loop alone.
 * Everything whose number the network could drive comes from a pool of fixed size.
 */
#ifndef NET_LWIPOPTS_H
#define NET_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_STATS 0

#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 0
#define MEM_ALIGNMENT 8
#define MEMP_OVERFLOW_CHECK 0

#define PBUF_POOL_SIZE 96
#define PBUF_POOL_BUFSIZE 1536
#define MEMP_NUM_PBUF 64

#define LWIP_ARP 1
#define ARP_TABLE_SIZE 32
#define ARP_QUEUEING 0
#define ETHARP_SUPPORT_VLAN 0 /* the vSwitch's work */
#define ETHARP_TRUST_IP_MAC 0
#define LWIP_ACD 0
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define IP_FORWARD 0
#define IP_REASSEMBLY 0 /* nothing that is served here is ever fragmented */
#define IP_FRAG 0
#define IP_OPTIONS_ALLOWED 0
#define LWIP_ICMP 1
#define LWIP_BROADCAST_PING 0
#define LWIP_MULTICAST_PING 0
#define LWIP_RAW 0
#define LWIP_IGMP 0
#define LWIP_DNS 0
#define LWIP_UDP 1
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_TX_SINGLE_PBUF 0

#define LWIP_TCP 1
#define TCP_MSS 1460
#define TCP_WND (8 * TCP_MSS) /* below TLS_TRANSPORT_WINDOW */
#define TCP_SND_BUF (8 * TCP_MSS)
#define TCP_SND_QUEUELEN 48
#define MEMP_NUM_TCP_SEG 256
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 4
#define LWIP_TCP_KEEPALIVE 1
#define LWIP_TCP_TIMESTAMPS 0
#define LWIP_ALTCP 0
#define TCP_LISTEN_BACKLOG 1
/* Connections that wait for their handshake's last segment have the lowest priority (net/console_server.c): a flood of
 * them displaces the oldest of them, not a session. */
#define MEMP_NUM_TCP_PCB 32
#define MEMP_NUM_TCP_PCB_LISTEN 2
#define TCP_DEFAULT_LISTEN_BACKLOG 0xff
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1
#define MEMP_NUM_UDP_PCB 2

#define LWIP_HOOK_IP4_ROUTE_SRC lwip_route /* here, because headers ask whether there is one */
#define LWIP_HOOK_FILENAME "net/lwip/hooks.h"

#endif
