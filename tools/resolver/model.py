# SPDX-License-Identifier: Apache-2.0
"""The configuration as objects. Reading checks only form (a text that is no number list, no size, no MAC address)."""

from dataclasses import dataclass, field

from . import parse

PARTITIONS = 8
SWITCHES = 4
DEVICES_OF_A_KIND = 4  # virtual NICs, virtual disks, PCI functions, SR-IOV devices


@dataclass
class Switch:
    index: int
    name: str
    kind: str  # private, internal, external
    uplink: int
    mgmt: bool
    dhcp: bool
    interface: object  # ipaddress.IPv4Interface or None
    gateway: object
    vlan: int
    mac: object  # bytes, or None: made from the host name

    @property
    def subject(self):
        return f"switch {self.index} '{self.name}'"


@dataclass
class Nic:
    index: int
    switch: str
    trunk: bool
    vlan: int
    allowed: list
    mac: object


@dataclass
class Disk:
    index: int
    device: int
    source: str  # whole, gpt, region
    label: str
    offset: int
    size: int
    read_only: bool
    serial: str


@dataclass
class PciFunction:
    index: int
    function: object  # parse.PciSelector, or None: reported when it was read
    mac: object
    vlan: int
    without_reset: bool


@dataclass
class Sriov:
    index: int
    function: object
    vfs: int

    @property
    def subject(self):
        return f"SR-IOV device {self.index}"


@dataclass
class Image:
    source: str  # management, debian, busybox, file, plan
    path: str = ""
    kind: str = "auto"  # image, elf, multiboot, raw, auto; initrd; plan
    node: str = ""  # name in the bundle


@dataclass
class Partition:
    index: int
    name: str
    cpus: list
    memory: int
    memory_base: int
    kernel: Image
    initrd: object
    command_line: str
    autostart: bool
    native: bool
    uart: bool
    virtio_console: bool
    rtc: bool
    entropy: bool
    watchdog: bool
    heartbeat_ms: int
    progress_ms: int
    action: str  # restart, stop, reset
    limit: int
    window_s: int
    backoff_ms: int
    backoff_max_ms: int
    critical: bool
    devices: list
    nics: list = field(default_factory=list)
    disks: list = field(default_factory=list)
    pci: list = field(default_factory=list)
    uart_console: int = 0xFF  # given by layout.py
    plan: object = None  # likewise: an Image

    @property
    def subject(self):
        return f"partition {self.index} '{self.name}'"


@dataclass
class Appliance:
    hostname: str
    console_port: int
    bench: bool
    board: object
    switches: list
    partitions: list
    sriov: list
    without_iommu: bool
    dma_fault_limit: int
    version: int
    trial_s: int
    trial_settle_s: int
    watchdog_s: int
    channels: list = field(default_factory=list)  # given by layout.py
    console_owner: list = field(default_factory=list)
    images: list = field(default_factory=list)


class Reader:
    """Reads .config; a text that cannot be parsed is reported and replaced by something harmless."""

    def __init__(self, config, errors):
        self.config = config
        self.errors = errors

    def parsed(self, name, parser, fallback):
        text = self.config.text(name)
        try:
            return parser(text)
        except ValueError as error:
            self.errors.add(self.config.subject(name), self.config.option(name), text, str(error))
            return fallback

    def optional(self, name, parser):
        return self.parsed(name, parser, None) if self.config.text(name) else None

    def switch(self, index):
        c, p = self.config, f"SWITCH{index}"
        kind = c.first(f"{p}_PRIVATE", f"{p}_INTERNAL", f"{p}_EXTERNAL")
        mgmt = kind != "private" and c.on(f"{p}_MGMT")
        dhcp = c.on(f"{p}_MGMT_DHCP")
        static = mgmt and not dhcp
        return Switch(index, c.text(f"{p}_NAME"), kind, c.number(f"{p}_UPLINK") if kind == "external" else 0xFF, mgmt, dhcp,
                      self.parsed(f"{p}_MGMT_ADDRESS", parse.interface, None) if static else None,
                      self.optional(f"{p}_MGMT_GATEWAY", parse.address) if static else None,
                      c.number(f"{p}_MGMT_VLAN") if mgmt else 0,
                      self.optional(f"{p}_MGMT_MAC", parse.mac) if mgmt else None)

    def nic(self, prefix, index):
        c, p = self.config, f"{prefix}_NIC{index}"
        trunk = c.on(f"{p}_TRUNK")
        return Nic(index, c.text(f"{p}_SWITCH"), trunk, c.number(f"{p}_VLAN"),
                   self.parsed(f"{p}_ALLOWED", parse.vlan_ranges, []) if trunk else [], self.optional(f"{p}_MAC", parse.mac))

    def disk(self, prefix, index):
        c, p = self.config, f"{prefix}_DISK{index}"
        source = c.first(f"{p}_WHOLE", f"{p}_GPT", f"{p}_REGION")
        region = source == "region"
        return Disk(index, c.number(f"{p}_DEVICE"), source, c.text(f"{p}_LABEL") if source != "whole" else "",
                    self.parsed(f"{p}_OFFSET", parse.size, 0) if region else 0,
                    self.parsed(f"{p}_SIZE", parse.size, 0) if region else 0, c.on(f"{p}_READONLY"),
                    c.text(f"{p}_SERIAL") or f"{c.text(prefix + '_NAME')[:15]}-{index}")

    def pci_function(self, prefix, index):
        c, p = self.config, f"{prefix}_PCI{index}"
        return PciFunction(index, self.parsed(f"{p}_FUNCTION", parse.pci_selector, None), self.optional(f"{p}_MAC", parse.mac),
                           c.number(f"{p}_VLAN"), c.on(f"{p}_WITHOUT_RESET"))

    def sriov(self, index):
        return Sriov(index, self.parsed(f"SRIOV{index}_FUNCTION", parse.pci_selector, None), self.config.number(f"SRIOV{index}_VFS"))

    def partition(self, index):
        c, p = self.config, f"P{index}"
        source = c.first(f"{p}_KERNEL_MANAGEMENT", f"{p}_KERNEL_DEBIAN", f"{p}_KERNEL_FILE")
        kernel = Image(source)
        if source == "file":
            kernel.path = c.text(f"{p}_KERNEL_PATH")
            kernel.kind = c.first(f"{p}_KERNEL_AUTO", f"{p}_KERNEL_IMAGE", f"{p}_KERNEL_ELF",
                                  f"{p}_KERNEL_MULTIBOOT", f"{p}_KERNEL_RAW")
        source = c.first(f"{p}_INITRD_NONE", f"{p}_INITRD_BUSYBOX", f"{p}_INITRD_FILE")
        pci = [self.pci_function(p, i) for i in range(DEVICES_OF_A_KIND) if c.on(f"{p}_PCI{i}")]
        if source == "busybox" and pci:
            source = "busybox-pci"
        initrd = None if source == "none" else Image(source, c.text(f"{p}_INITRD_PATH"), "initrd")
        return Partition(
            index, c.text(f"{p}_NAME"), self.parsed(f"{p}_CPUS", parse.cpu_list, None) if c.text(f"{p}_CPUS") else [],
            c.number(f"{p}_MEMORY") << 20, c.number(f"{p}_MEMORY_BASE"), kernel, initrd, c.text(f"{p}_CMDLINE"),
            c.on(f"{p}_AUTOSTART"), index == 0 or c.on(f"{p}_NATIVE"), c.on(f"{p}_UART"), c.on(f"{p}_VIRTIO_CONSOLE"),
            c.on(f"{p}_RTC"), c.on(f"{p}_ENTROPY"), c.on(f"{p}_WATCHDOG"), c.number(f"{p}_HEARTBEAT_MS"),
            c.number(f"{p}_PROGRESS_MS"), c.first(f"{p}_POLICY_RESTART", f"{p}_POLICY_STOP", f"{p}_POLICY_RESET"),
            c.number(f"{p}_RESTART_LIMIT"), c.number(f"{p}_RESTART_WINDOW"), c.number(f"{p}_BACKOFF_MS"),
            c.number(f"{p}_BACKOFF_MAX_MS"), c.on(f"{p}_CRITICAL"),
            c.text(f"{p}_DEVICES").split() + [c.text(f"{name}_DEVICE") for name in ("TPM", "SD_CARD") if index == 0 and c.on(name)],
            [self.nic(p, i) for i in range(DEVICES_OF_A_KIND) if index and c.on(f"{p}_NIC{i}")],
            [self.disk(p, i) for i in range(DEVICES_OF_A_KIND) if index and c.on(f"{p}_DISK{i}")],
            pci)

    def appliance(self, board):
        c = self.config
        return Appliance(c.text("HOSTNAME"), c.number("CONSOLE_PORT"), c.on("BENCH"), board,
                         [self.switch(i) for i in range(SWITCHES) if c.on(f"SWITCH{i}")],
                         [self.partition(i) for i in range(PARTITIONS) if c.on(f"P{i}")],
                         [self.sriov(i) for i in range(DEVICES_OF_A_KIND) if c.on(f"SRIOV{i}")],
                         c.on("PASSTHROUGH_WITHOUT_IOMMU"), c.number("DMA_FAULT_LIMIT"), c.number("BUNDLE_VERSION"),
                         c.number("TRIAL_SECONDS"), c.number("TRIAL_SETTLE_SECONDS"),
                         c.number("HARDWARE_WATCHDOG_SECONDS"))
