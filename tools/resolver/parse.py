# SPDX-License-Identifier: Apache-2.0
"""Parsers of the texts that options hold. Each raises ValueError with a text for people."""

import ipaddress
import re
from dataclasses import dataclass


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


@dataclass(frozen=True)
class PciSelector:
    """A PCI function by address (`address`: bus << 8 | device << 3 | function) or by ids and instance; `vf` is None, or a virtual function's number."""
    text: str  # without the virtual function
    address: object
    vendor: int
    device: int
    instance: int
    vf: object

    def __str__(self):
        return self.text if self.vf is None else f"{self.text}/vf{self.vf}"


def pci_selector(text):
    """'00:03.0', '8086:10d3', '8086:10d3#1', each also with '/vf0' as a PciSelector."""
    match = re.fullmatch(r"(.*?)(?:/vf(\d{1,3}))?", text.strip().lower())
    name, vf = match[1], None if match[2] is None else int(match[2])
    match = re.fullmatch(r"(?:0000:)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", name)
    if match:
        if int(match[2], 16) > 31:
            raise ValueError(f"a bus has the devices 00 to 1f, not {match[2]}; write bus:device.function, such as 00:03.0")
        address = int(match[1], 16) << 8 | int(match[2], 16) << 3 | int(match[3])
        return PciSelector(name.removeprefix("0000:"), address, 0, 0, 0, vf)
    match = re.fullmatch(r"([0-9a-f]{4}):([0-9a-f]{4})(?:#(\d{1,2}))?", name)
    if not match:
        raise ValueError("names no PCI function; write an address such as 00:03.0, or vendor:device such as 8086:10d3 or 8086:10d3#1; "
                         "a virtual function is 00:04.0/vf0")
    if match[1] == "ffff":
        raise ValueError("no vendor has the number ffff; `device list` shows what the machine has")
    instance = int(match[3] or 0)
    text = f"{match[1]}:{match[2]}" + (f"#{instance}" if instance else "")
    return PciSelector(text, None, int(match[1], 16), int(match[2], 16), instance, vf)


def address(text):
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        raise ValueError("is no IPv4 address; write it like 192.168.1.1") from None
