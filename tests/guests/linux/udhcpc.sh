#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What udhcpc calls with a lease.
case $1 in
bound | renew)
    ip address flush dev "$interface"
    ip address add "$ip/${mask:-24}" dev "$interface"
    [ -n "$router" ] && ip route replace default via "${router%% *}"
    [ -n "$dns" ] && echo "nameserver ${dns%% *}" >/etc/resolv.conf
    # To the kernel's log, not into whatever the console shows just then.
    [ "$1" = bound ] && echo "<7>$interface: address $ip by DHCP" >/dev/kmsg
    ;;
esac
