# SPDX-License-Identifier: Apache-2.0
"""A guest's ACPI tables on x86-64: hardware-reduced; RSDP first, for the address where they will lie. ACPI 6.5, the
PCI Firmware specification 3.3, WDAT by Microsoft's specification. All of it is known when the bundle is built; only the VM
generation ID, which the tables point to, is the kernel's."""

import struct

MIB = 1 << 20
PAGE = 4096
SPACE_MEMORY, SPACE_IO = 0, 1


def slot_line(slot):
    """As guest_virtio_line() of guest_map.h."""
    return slot + (5 if slot < 3 else 7)


def checksummed(data, at, size=None):
    total = sum(data[:size]) - data[at]
    return data[:at] + bytes([-total & 0xFF]) + data[at + 1:]


def table(signature, revision, body):
    """5.2.6"""
    header = struct.pack("<4sIBB14sI4sI", signature, 36 + len(body), revision, 0, b"BLKHD BULKHEAD", 1, b"BLKH", 1)
    return checksummed(header + body, 9)


def address_structure(space, bits, access, address):
    """5.2.3.2; access size 1: byte, 3: 32 bits."""
    return struct.pack("<BBBBQ", space, bits, 0, access, address)


# --- AML: chapter 20 ---

def package_length(body):
    """Of two bytes, counting itself and what follows it."""
    length = len(body) + 2
    assert length < 1 << 12
    return bytes([0x40 | length & 15, length >> 4]) + body


def integer(value):
    if value <= 1:
        return bytes([value])
    return struct.pack("<BB", 0x0A, value) if value < 256 else struct.pack("<BI", 0x0C, value)


def string(text):
    return b"\x0d" + text.encode() + b"\0"


def name(name_, value):
    return b"\x08" + name_ + value


def package(*elements):
    return b"\x12" + package_length(bytes([len(elements)]) + b"".join(elements))


def device(name_, *parts):
    return b"\x5b\x82" + package_length(name_ + b"".join(parts))


def pnp(number):
    """6.1.5 and 19.3.4: "PNP" and four digits."""
    return integer(0xD041 | (number >> 8 | (number & 0xFF) << 8) << 16)


def resources(*descriptors):
    """_CRS: a buffer, whose length is an integer of one byte."""
    data = b"".join(descriptors) + b"\x79\0"  # end tag, no checksum
    assert len(data) < 256
    return name(b"_CRS", b"\x11" + package_length(b"\x0a" + bytes([len(data)]) + data))


def ports(base, count):
    """6.4.2.5: 16-bit decoding"""
    return struct.pack("<BBHHBB", 0x47, 1, base, base, 1, count)


def memory(base, size):
    """6.4.3.4: read and write"""
    return struct.pack("<BHBII", 0x86, 9, 1, base, size)


def window(base, size):
    """6.4.3.5.2: memory that a bridge hands on; fixed, read and write"""
    return struct.pack("<BHBHIIIII", 0x87, 23, 0, 0x010C, 0, base, base + size - 1, 0, size)


def buses(count):
    """6.4.3.5.3"""
    return struct.pack("<BHBHHHHHH", 0x88, 13, 2, 0x000C, 0, 0, count - 1, 0, count)


def line(number):
    """6.4.3.6: edge-triggered, active high, not shared"""
    return struct.pack("<BHBBI", 0x89, 6, 3, 1, number)


def pci_line(slot, limits):
    """As guest_pci_line() of guest_map.h."""
    return slot if slot < 4 else limits.GUEST_LINE_DOORBELL


def pci_routing(limits):
    """_PRT, 6.2.13: every pin of a device is its one line."""
    return name(b"_PRT", package(*(package(integer(slot << 16 | 0xFFFF), integer(pin), integer(0), integer(pci_line(slot, limits)))
                                   for slot in range(1, 5) for pin in range(4))))


def pci_host(limits):
    """4.1.2 and 4.2.1 of the firmware specification: ECAM is a motherboard resource."""
    return [device(b"PCI0", name(b"_HID", pnp(0x0A08)), name(b"_CID", pnp(0x0A03)), name(b"_UID", integer(0)), name(b"_SEG", integer(0)),
                   name(b"_BBN", integer(0)), pci_routing(limits),
                   resources(buses(1), window(limits.GUEST_PCI_WINDOW, limits.GUEST_PCI_WINDOW_SIZE))),
            device(b"RES0", name(b"_HID", pnp(0x0C02)), resources(memory(limits.GUEST_PCI_ECAM, MIB)))]


def virtio(slot, limits):
    return device(b"VR0%X" % slot, name(b"_HID", string("LNRO0005")), name(b"_UID", integer(slot)), name(b"_CCA", integer(1)),
                  resources(memory(limits.GUEST_VIRTIO_BASE + slot * PAGE, PAGE), line(slot_line(slot))))


def generation_id(address):
    """Microsoft's "Virtual Machine Generation ID". It changes while the guest does not run, so nothing is notified."""
    return device(b"VGEN", name(b"_HID", string("BLKH0001")), name(b"_CID", package(string("VM_Gen_Counter"), string("VMGENCTR"))),
                  name(b"_DDN", string("VM_Gen_Counter")), name(b"ADDR", package(integer(address & 0xFFFFFFFF), integer(address >> 32))))


def dsdt(partition, slots, id_address, limits):
    devices = []
    if partition.uart:
        devices.append(device(b"COM1", name(b"_HID", pnp(0x0501)), name(b"_UID", integer(0)),
                              resources(ports(limits.GUEST_PORT_UART, 8), line(limits.GUEST_LINE_UART))))
    if partition.rtc:
        devices.append(device(b"RTC_", name(b"_HID", pnp(0x0B00)), resources(ports(limits.GUEST_PORT_RTC, 2))))
    devices.append(generation_id(id_address))
    if partition.pci:
        devices += pci_host(limits)
    devices += [virtio(slot, limits) for slot in slots]
    sleep = package(integer(limits.GUEST_SLEEP_OFF), integer(0), integer(0), integer(0))
    return table(b"DSDT", 2, b"\x10" + package_length(b"_SB_" + b"".join(devices)) + name(b"_S5_", sleep))


# --- The other tables ---

def fadt(partition, dsdt_address, limits):
    """5.2.9: hardware-reduced, so that what describes fixed hardware is zero"""
    flags = sum(1 << bit for bit in (0, 4, 5, 10, 12, 20))  # WBINVD, no fixed buttons, reset register, headless, reduced
    boot = 1 << 2 | (0 if partition.pci else 1 << 3) | (1 if partition.uart else 0) | (0 if partition.rtc else 1 << 5)
    body = struct.pack("<4xI", dsdt_address) + bytes(109 - 44) + struct.pack("<HBI", boot, 0, flags)
    body += address_structure(SPACE_IO, 8, 1, limits.GUEST_PORT_RESET) + struct.pack("<BHBQQ", limits.GUEST_RESET_VALUE, 0, 5, 0, dsdt_address)
    body += bytes(244 - 148) + address_structure(SPACE_IO, 8, 1, limits.GUEST_PORT_SLEEP_CONTROL)
    body += address_structure(SPACE_IO, 8, 1, limits.GUEST_PORT_SLEEP_STATUS) + b"BULKHEAD"
    assert len(body) == 276 - 36
    return table(b"FACP", 6, body)


def madt(cpus, limits):
    """5.2.12: local APICs, since x2APIC's entries are for IDs above 254; the IOAPIC; no PC-AT interrupt controllers"""
    entries = b"".join(struct.pack("<BBBBI", 0, 8, cpu, cpu, 1) for cpu in range(cpus))
    entries += struct.pack("<BBBBII", 1, 12, cpus, 0, limits.GUEST_IOAPIC_BASE, 0)
    return table(b"APIC", 5, struct.pack("<II", limits.GUEST_APIC_BASE, 0) + entries)


def mcfg(limits):
    return table(b"MCFG", 1, struct.pack("<8xQHBB4x", limits.GUEST_PCI_ECAM, 0, 0, 0))


WDAT_TICK_MS, WDAT_COUNT_MAX = 100, 36000
READ_VALUE, READ_COUNT, WRITE_VALUE, WRITE_COUNT = range(4)
CONTROL, COUNT, PING, STATUS, REMAINING = range(0, 20, 4)
ALL = 0xFFFFFFFF
WDAT_ENTRIES = (  # action, instruction, register, value, mask
    (1, WRITE_VALUE, PING, 1, ALL),     # reset: count again from the start
    (4, READ_COUNT, REMAINING, 0, ALL),  # get the current count
    (5, READ_COUNT, COUNT, 0, ALL),     # get,
    (6, WRITE_COUNT, COUNT, 0, ALL),    # set the count that it starts from
    (8, READ_VALUE, CONTROL, 1, 1),     # does it run?
    (9, WRITE_VALUE, CONTROL, 1, ALL),  # start
    (10, READ_VALUE, CONTROL, 0, 1),    # is it stopped?
    (11, WRITE_VALUE, CONTROL, 0, ALL),  # stop
    (32, READ_VALUE, STATUS, 1, 1),     # was it the cause of the last restart?
    (33, WRITE_VALUE, STATUS, 1, ALL),  # forget that
)


def wdat(limits):
    body = struct.pack("<IHBBIIIIII", 32, 0xFF, 0xFF, 0xFF, 0xFF, WDAT_TICK_MS, WDAT_COUNT_MAX, 1000 // WDAT_TICK_MS, 1, len(WDAT_ENTRIES))
    for action, instruction, register, value, mask in WDAT_ENTRIES:
        body += struct.pack("<BBH", action, instruction, 0)
        body += address_structure(SPACE_MEMORY, 32, 3, limits.GUEST_WATCHDOG_BASE + register) + struct.pack("<II", value, mask)
    return table(b"WDAT", 1, body)


def acpi_tables(partition, slots, base, limits):
    """All of them, at address `base`: 5.2.5, 5.2.8. `slots` are those of the partition's virtio devices."""
    generation = partition.memory - limits.LOAD_DESCRIPTION_SIZE + limits.GUEST_DESCRIPTION_GENERATION_ID
    out = bytes(36)
    addresses = []

    def add(data):
        nonlocal out
        out += bytes(-len(out) % 16)
        addresses.append(base + len(out))
        out += data

    add(dsdt(partition, slots, generation, limits))
    add(fadt(partition, addresses.pop(), limits))
    add(madt(len(partition.cpus), limits))
    if partition.watchdog:
        add(wdat(limits))
    if partition.pci:
        add(mcfg(limits))
    add(table(b"XSDT", 1, b"".join(struct.pack("<Q", address) for address in addresses)))
    root = struct.pack("<8sB6sBIIQ4x", b"RSD PTR ", 0, b"BLKHD ", 2, 0, 36, addresses[-1])
    return checksummed(checksummed(root, 8, 20), 32) + out[36:]
