# SPDX-License-Identifier: Apache-2.0
"""Parsers of the texts that options hold. Each raises ValueError with a text for people."""

import ipaddress
import re


def cpu_list(text):
    """'1,2' or '1-3' as a sorted list of numbers, each once."""
    numbers = []
    for word in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        if not match:
            raise ValueError(f"'{word}' is no CPU; write a list such as 1,2 or 1-3")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last > 4095:
            raise ValueError(f"'{word}' is no range; write the smaller number first, such as 1-3")
        numbers += range(first, last + 1)
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice:
        raise ValueError(f"CPU {twice[0]} is named twice; name it once")
    return sorted(numbers)


def vlan_ranges(text):
    """'10,20-30' as a list of (first, last)."""
    ranges = []
    for word in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        if not match:
            raise ValueError(f"'{word}' is no VLAN; write a list such as 10,20-30")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= 4094:
            raise ValueError(f"'{word}' is out of range; VLANs are 1 to 4094, the smaller one first")
        ranges.append((first, last))
    ranges.sort()
    for (_, last), (first, _) in zip(ranges, ranges[1:]):
        if first <= last:
            raise ValueError(f"VLAN {first} is named twice; name it once")
    return ranges


def size(text):
    """'4096', '64M', '1G' as bytes."""
    match = re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)([KMGT]?)", text.strip())
    if not match:
        raise ValueError("is no size; write bytes, or a number with K, M or G, such as 64M")
    return int(match[1], 0) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[match[2]]


def mac(text):
    """'02:00:00:00:00:01' as six bytes; only addresses of one station."""
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", text):
        raise ValueError("is no MAC address; write six hex pairs, such as 02:12:34:56:78:9a")
    value = bytes.fromhex(text.replace(":", ""))
    if value[0] & 1:
        raise ValueError("is a multicast address; the first pair must be even, such as 02")
    if value == bytes(6):
        raise ValueError("is the zero address; choose another, such as 02:12:34:56:78:9a")
    return value


def interface(text):
    """'192.168.1.10/24' as an ipaddress.IPv4Interface that a host may have."""
    try:
        value = ipaddress.IPv4Interface(text)
    except ValueError:
        value = None
    if value is None or "/" not in text:
        raise ValueError("is no address with a prefix length; write it like 192.168.1.10/24")
    if value.ip.is_multicast or value.ip.is_unspecified or value.ip.is_loopback:
        raise ValueError("is no address that a host can have; write one like 192.168.1.10/24")
    if value.network.prefixlen < 31 and value.ip in (value.network.network_address, value.network.broadcast_address):
        raise ValueError(f"is the network's own or its broadcast address; choose another in {value.network}")
    return value


def address(text):
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        raise ValueError("is no IPv4 address; write it like 192.168.1.1") from None
