# SPDX-License-Identifier: Apache-2.0
# The network side of the management domain: TCP/IP, TLS, the console server.

mgmt-y += net/vswitch.o net/vswitch_setup.o net/offload.o net/checksum.o
mgmt-y += net/lwip_port.o net/random.o net/tls.o net/tls_identity.o net/tls_platform.o net/console_server.o

lwip-y += core/def.o core/inet_chksum.o core/init.o core/ip.o core/mem.o core/memp.o core/netif.o core/pbuf.o core/tcp.o \
	core/tcp_in.o core/tcp_out.o core/timeouts.o core/udp.o core/ipv4/dhcp.o core/ipv4/etharp.o core/ipv4/icmp.o \
	core/ipv4/ip4.o core/ipv4/ip4_addr.o netif/ethernet.o
