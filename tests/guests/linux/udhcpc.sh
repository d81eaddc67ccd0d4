#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What udhcpc calls with a lease.
case $1 in
bound | renew)
    ip address flush dev "$interface"
    ip address add "$ip/${mask:-24}" dev "$interface"
    [ -n "$router" ] && ip route replace default via "${router%% *}"
    [ -n "$dns" ] && echo "nameserver ${dns%% *}" >/etc/resolv.conf
    [ "$1" = bound ] && echo "$interface: address $ip by DHCP" >/dev/console
    ;;
esac
