# SPDX-License-Identifier: Apache-2.0
"""A domain's device tree, as far as it is known when the bundle is built: the kernel adds memory, passed-through devices, the PCI
host, on arm64 the GIC, and what it shares with the management domain (core/domain_tree.c). Flattened as by the Devicetree
Specification 0.4, chapter 5. Bindings are Linux's."""

import struct

PHANDLE_INTERRUPTS = 1  # the GIC, which the kernel writes; the IOAPIC
PHANDLE_CLOCK = 2
PAGE = 4096
CLOCK_HZ = 24000000  # of the UART: it only shapes the baud rate that nobody sees
SEED_BYTES = 32
SPI, PPI, EDGE, LEVEL = 0, 1, 1, 4


class Node:
    def __init__(self, name, properties, children=()):
        self.name, self.properties, self.children = name, properties, list(children)


def cells(*values):
    return struct.pack(f">{len(values)}I", *values)


def wide(*values):
    return struct.pack(f">{len(values)}Q", *values)


def text(*strings):
    return b"".join(string.encode() + b"\0" for string in strings)


def flatten(root):
    strings, offsets = b"", {}

    def padded(data):
        return data + bytes(-len(data) % 4)

    def node(it):
        nonlocal strings
        out = cells(1) + padded(text(it.name))
        for name, value in it.properties.items():
            if name not in offsets:
                offsets[name] = len(strings)
                strings += text(name)
            out += cells(3, len(value), offsets[name]) + padded(value)
        return out + b"".join(map(node, it.children)) + cells(2)

    body = node(root) + cells(9)
    at = 40 + 16  # header, no reserved memory
    return cells(0xD00DFEED, at + len(body) + len(strings), at, at + len(body), 40, 17, 16, 0, len(strings), len(body)) + bytes(16) + body + strings


def chosen(partition, console, base, initrd, initrd_size):
    properties = {"bootargs": text(partition.command_line)}
    if partition.uart:
        properties["stdout-path"] = text(console)
    if initrd_size:
        properties |= {"linux,initrd-start": wide(base + initrd), "linux,initrd-end": wide(base + initrd + initrd_size)}
    if partition.uart_console != 0xFF:
        properties["bulkhead,console"] = cells(partition.uart_console)
    if partition.pci:
        properties["linux,pci-probe-only"] = cells(1)
    return Node("chosen", properties | {"rng-seed": bytes(SEED_BYTES), "kaslr-seed": bytes(8)})  # the kernel's, at each start


def cpus(count, properties):
    return Node("cpus", {"#address-cells": cells(1), "#size-cells": cells(0)},
                [Node(f"cpu@{index:x}", {"device_type": text("cpu")} | properties | {"reg": cells(index)}) for index in range(count)])


def device(name, base, size, *compatible, **properties):
    return Node(f"{name}@{base:x}", {"compatible": text(*compatible), "reg": wide(base, size)} | {key.replace("_", "-"): value for key, value in properties.items()})


def virtio(slots, limits, interrupts):
    return [device("virtio_mmio", limits.GUEST_VIRTIO_BASE + slot * PAGE, PAGE, "virtio,mmio", interrupts=interrupts(slot), dma_coherent=b"") for slot in slots]


def tree_x86(partition, slots, limits, slot_line):
    def line(number):
        """The EOI of a level-triggered one would exit."""
        return cells(number, EDGE)

    nodes = [cpus(len(partition.cpus), {}),
             device("interrupt-controller", limits.GUEST_IOAPIC_BASE, PAGE, "intel,ce4100-ioapic", phandle=cells(PHANDLE_INTERRUPTS), interrupt_controller=b"",
                    **{"#interrupt_cells": cells(2)})]
    if partition.uart:
        nodes.append(device("serial", limits.GUEST_PORT_UART, 8, "ns16550a", interrupts=line(limits.GUEST_LINE_UART)))
    if partition.rtc:
        nodes.append(device("rtc", limits.GUEST_PORT_RTC, 2, "motorola,mc146818"))
    if partition.watchdog:
        nodes.append(device("watchdog", limits.GUEST_WATCHDOG_BASE, PAGE, "bulkhead,wdat"))
    return nodes + virtio(slots, limits, lambda slot: line(slot_line(slot)))


def tree_arm64(partition, slots, limits):
    def line(number):
        return cells(SPI, number, LEVEL)

    # Interrupts: secure, physical, virtual, hypervisor. Only the virtual one is there.
    timer = {"compatible": text("arm,armv8-timer"), "interrupts": b"".join(cells(PPI, number, LEVEL) for number in (13, 14, 11, 10)), "always-on": b""}
    clock = {"compatible": text("fixed-clock"), "#clock-cells": cells(0), "clock-frequency": cells(CLOCK_HZ), "phandle": cells(PHANDLE_CLOCK)}
    nodes = [cpus(len(partition.cpus), {"compatible": text("arm,armv8"), "enable-method": text("psci")}),
             Node("psci", {"compatible": text("arm,psci-1.0", "arm,psci-0.2"), "method": text("hvc")}), Node("timer", timer), Node("apb-pclk", clock)]
    if partition.uart:
        nodes.append(device("pl011", limits.GUEST_UART_BASE, PAGE, "arm,pl011", "arm,primecell", interrupts=line(limits.GUEST_LINE_UART),
                            clocks=cells(PHANDLE_CLOCK, PHANDLE_CLOCK), clock_names=text("uartclk", "apb_pclk")))
    if partition.rtc:
        nodes.append(device("pl031", limits.GUEST_RTC_BASE, PAGE, "arm,pl031", "arm,primecell", interrupts=line(limits.GUEST_LINE_RTC),
                            clocks=cells(PHANDLE_CLOCK), clock_names=text("apb_pclk")))
    if partition.watchdog:
        watchdog = device("watchdog", limits.GUEST_WATCHDOG_CONTROL, PAGE, "arm,sbsa-gwdt", interrupts=line(limits.GUEST_LINE_WATCHDOG))
        watchdog.properties["reg"] += wide(limits.GUEST_WATCHDOG_REFRESH, PAGE)
        nodes.append(watchdog)
    return nodes + virtio(slots, limits, lambda slot: line(limits.GUEST_LINE_VIRTIO + slot))


def guest_tree(partition, placement, slots, arch, limits, slot_line):
    """`slots` are those of the partition's virtio devices."""
    if arch == "x86":
        console, nodes = "/serial@3f8", tree_x86(partition, slots, limits, slot_line)
    else:
        console, nodes = "/pl011@9000000", tree_arm64(partition, slots, limits)
    root = {"interrupt-parent": cells(PHANDLE_INTERRUPTS), "compatible": text("bulkhead,domain"), "model": text("Bulkhead domain"),
            "#address-cells": cells(2), "#size-cells": cells(2)}
    return flatten(Node("", root, [chosen(partition, console, limits.GUEST_MEMORY_BASE, placement.initrd, placement.initrd_size), *nodes]))
