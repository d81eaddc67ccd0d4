# SPDX-License-Identifier: Apache-2.0
"""What the build knows of the board: figures from .config and the list of its devices (board/NAME/devices.txt)."""

import os
from dataclasses import dataclass, field

from .parse import pci_selector


@dataclass
class Device:
    path: str
    compatibles: list
    base: int
    size: int
    interrupts: list  # SPI numbers, IOAPIC pins
    dma: bool  # reaches memory by itself
    kernel: bool  # the kernel's own: never passed through
    ports: bool  # base is an I/O port

    @property
    def pci_host(self):
        return "pci-host-ecam-generic" in self.compatibles


@dataclass
class PciFunction:
    """A function that is part of the machine itself (board/NAME/pci.txt)."""
    address: int
    vendor: int
    device: int
    group: int  # address that all of its isolation group have
    reset: bool
    fixed: bool  # a bridge, or the kernel's: never passed through
    what: str


@dataclass
class Board:
    name: str
    arch: str
    cpus: int
    ram_base: int
    ram_size: int
    log_base: int
    log_size: int
    iommu: str  # none, vtd, amdvi, smmuv3
    iommu_drivers: list  # that the kernel is built with
    gic: str  # gic_v2, gic_v3; empty: none
    devices: list = field(default_factory=list)
    pci: list = field(default_factory=list)

    @property
    def identity(self):
        """What an update names."""
        return f"{self.arch} {self.name}"

    def has(self, compatible):
        return any(compatible in device.compatibles for device in self.devices)

    def function(self, selector):
        """What is known of a selected PCI function, or None."""
        if selector.address is not None:
            found = [function for function in self.pci if function.address == selector.address]
        else:
            found = [function for function in self.pci if (function.vendor, function.device) == (selector.vendor, selector.device)]
            found = found[selector.instance:] if not selector.instance or len(found) > selector.instance else []
        return found[0] if found else None

    def find(self, name):
        """Devices of a device-tree path or a compatible string."""
        if name.startswith("/"):
            return [device for device in self.devices if device.path == name]
        return [device for device in self.devices if name in device.compatibles]


def read_board(config, root):
    board = Board(config.text("BOARD"), config.text("ARCH"), config.number("BOARD_CPUS"), config.number("BOARD_RAM_BASE"),
                  config.number("BOARD_RAM_MIB") << 20, config.number("LOG_BASE"), config.number("LOG_SIZE"), config.text("BOARD_IOMMU"),
                  [name for name in ("vtd", "amdvi", "smmuv3") if config.on(f"{name.upper()}_DRIVER")],
                  "gic_v2" if config.on("GIC_V2") else "gic_v3" if config.on("GIC_V3") else "")
    with open(os.path.join(root, "board", board.name, "devices.txt"), encoding="utf-8") as handle:
        for line in handle:
            if not line.strip() or line.startswith("#"):
                continue
            path, compatibles, base, length, interrupts, flags = line.split()
            board.devices.append(Device(
                path, compatibles.split(";"), int(base, 0), int(length, 0),
                [] if interrupts == "-" else [int(number) for number in interrupts.split(",")],
                "dma" in flags, "kernel" in flags, "ports" in flags))
    read_pci(board, os.path.join(root, "board", board.name, "pci.txt"))
    return board


def read_pci(board, path):
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as handle:
        for line in handle:
            if line.strip() and not line.startswith("#"):
                address, ids, group, flags, what = line.split(None, 4)
                function, its_group = pci_selector(address), pci_selector(group)
                ids = pci_selector(ids)
                board.pci.append(PciFunction(function.address, ids.vendor, ids.device, its_group.address, "reset" in flags.split(","),
                                             "fixed" in flags.split(","), what.strip()))
