# SPDX-License-Identifier: Apache-2.0
"""What tests have to know of a board and its architecture: how QEMU makes it, and what a Linux guest sees on it."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    arch: str
    configuration: str  # configs/NAME_defconfig
    emulator: str
    machine: tuple  # QEMU's options that make the board
    cpu: str
    models: tuple  # of CPUs that the kernel is to start on
    virtio: str  # QEMU's virtio device NAME is virtio-NAME followed by this
    virtio_options: str
    tools: str  # binutils' prefix
    timer: str  # of a Linux guest, in /proc/interrupts
    ipi: str
    interrupts: str
    uart: str  # in /proc/iomem or /proc/ioports
    rtc: str  # its interrupt; empty: it has none
    watchdog: str  # identity of watchdog0
    undefined: bytes  # an instruction that is none
    itself: bytes  # a branch to itself
    poor: str  # a CPU model without an instruction for random numbers
    kernel: int  # where it lies in memory, by its image_head
    extra: tuple = field(default=())
    hardware: tuple = field(default=())  # NICs and disks that the management domain has drivers for, beside virtio's
    ahci: str = "ide.0"  # a port of an AHCI controller
    ahci_options: tuple = field(default=())  # what makes that
    own_iommu: bool = False  # QEMU has no option for it
    nics: tuple = field(default=())  # of a bare board: QEMU's options for its own, the last joined to the netdev n0
    bare: bool = False  # nothing can be plugged in; QEMU is given the device tree that the build made

    def nic(self, kind, netdev):
        """QEMU's options for the machine's NIC: virtio, e1000e or igb."""
        return self.device("net", f"netdev={netdev}") if kind == "virtio" else ["-device", f"{kind},netdev={netdev}"]

    def disk(self, kind, drive):
        """... for its disk: virtio, nvme or ahci."""
        if kind == "virtio":
            return self.device("blk", f"drive={drive}")
        if kind == "nvme":
            return ["-device", f"nvme,serial=bh0,drive={drive}"]
        return [*self.ahci_options, "-device", f"ide-hd,bus={self.ahci},drive={drive}"]

    def device(self, name, options=""):
        return ["-device", f"virtio-{name}{self.virtio}" + (f",{options}" if options else "") + self.virtio_options]


MACHINES = {
    "qemu-virt": Machine(
        "arm64", "qemu_virt", "qemu-system-aarch64", ("-M", "virt,virtualization=on,gic-version=3"), "neoverse-n1",
        ("cortex-a53", "cortex-a72", "neoverse-n1", "max"), "-device", "", "aarch64-linux-gnu-", "arch_timer", "IPI0", "GICv3", "pl011",
        "rtc-pl031", "sbsa|SBSA", bytes(4), (0x14000000).to_bytes(4, "little"), "cortex-a53", 0x40200000,
        ("-global", "virtio-mmio.force-legacy=false"), hardware=(("e1000e", "nvme"), ("igb", "ahci")),
        ahci="ahci0.0", ahci_options=("-device", "ich9-ahci,id=ahci0")),
    "q35": Machine(
        "x86", "q35", "qemu-system-x86_64", ("-M", "q35"), "max", ("max", "EPYC,+x2apic,-sha-ni"), "-pci", ",disable-legacy=on", "x86_64-linux-gnu-",
        "LOC", "RES|CAL", "IO-APIC", "serial", "", "wdat|WDAT", b"\x0f\x0b\x0f\x0b", b"\xeb\xfe", "max,-rdrand,-rdseed", 0x1200000,
        hardware=(("e1000e", "nvme"), ("igb", "ahci"))),
}
BY_ARCH = {machine.arch: machine for machine in MACHINES.values()}
# Boards that differ from their architecture's default one.
ARM64 = replace(MACHINES["qemu-virt"], models=(), extra=(), interrupts="GIC-0", poor="", kernel=0x200000, hardware=(), bare=True)
MACHINES |= {
    "zcu102": replace(ARM64, configuration="zcu102", cpu="cortex-a53",
                      machine=("-M", "xlnx-zcu102,virtualization=on,secure=off", "-audio", "none"),
                      nics=(*("-net", "nic") * 3, "-net", "nic,netdev=n0")),
    "rpi4": replace(ARM64, configuration="rpi4", cpu="cortex-a72", machine=("-M", "raspi4b")),
    "sbsa-ref": replace(MACHINES["qemu-virt"], configuration="sbsa_ref", machine=("-M", "sbsa-ref"), models=(), extra=(), own_iommu=True),
}
# What CONFIG_BOARD_IOMMU adds: devices, which stand before those that they confine; or the board's own option.
IOMMUS = {"vtd": ("-device", "intel-iommu,intremap=on"), "amdvi": ("-device", "amd-iommu,intremap=on,pt=off"), "smmuv3": ("-M", "iommu=smmuv3")}


def machine_of(out):
    """The machine that an output directory was configured for."""
    text = (Path(out) / "generated/config.h").read_text()
    machine = MACHINES[re.search(r'CONFIG_BOARD "(.*)"', text)[1]]
    if "pci-host" in (Path(out) / "partitions.txt").read_text():  # the management domain's: virtio's own slots are nobody's then
        machine = replace(machine, virtio="-pci", virtio_options=",disable-legacy=on")
    if "CONFIG_GIC_V2 1" in text and not machine.bare:
        machine = replace(machine, interrupts="GIC-0", machine=tuple(part.replace("gic-version=3", "gic-version=2") for part in machine.machine))
    iommu = re.search(r'CONFIG_BOARD_IOMMU "(.*)"', text)[1]
    if iommu == "none":
        return machine
    return replace(machine, machine=(*machine.machine, *(() if machine.own_iommu else IOMMUS[iommu])),
                   virtio_options=machine.virtio_options + (",iommu_platform=on" if machine.virtio == "-pci" else ""))
