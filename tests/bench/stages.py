# SPDX-License-Identifier: Apache-2.0
"""Reset to the management shell, and to the first guest's first instruction, by stages: what the boot CPU, and all CPUs, have executed
when each is reached. A stage is found by the first block of a function: at its address in the kernel, by its bytes where a program may
lie anywhere.

The clock is the host's, so that a wait takes as many instructions as the host has time for: with the other one QEMU 10.0 counts all CPUs'
instructions as one CPU's."""

import os
import struct
import subprocess
import time
from collections import namedtuple
from pathlib import Path

import builds
from appliance import PATIENCE, Appliance
from machines import MACHINES
from symbols import Symbols

OVMF, EDK2 = "/usr/share/ovmf/OVMF.fd", "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
IMAGE = "{out}/bulkhead.img"
# What is in the machine's flash or memory before reset, of which the kernel is not a part; `products` are made beside the appliance.
Way = namedtuple("Way", "board title products extra card", defaults=((), (), None))
WAYS = {
    "virt": Way("qemu-virt", "QEMU virt, QEMU's own loader"),
    "virt-uboot": Way("qemu-virt", "QEMU virt, U-Boot", (IMAGE,), ("-bios", "{out}/u-boot.bin")),
    "virt-edk2": Way("qemu-virt", "QEMU virt, UEFI (edk2)", (IMAGE,), ("-bios", EDK2)),
    "zcu102": Way("zcu102", "ZCU102, U-Boot", (IMAGE,), ("-kernel", "{out}/u-boot.bin"), 1),
    "rpi4": Way("rpi4", "Raspberry Pi 4, U-Boot", (IMAGE,), ("-kernel", "{out}/u-boot.bin"), 0),
    "sbsa-ref": Way("sbsa-ref", "sbsa-ref, TF-A and U-Boot", (IMAGE, "firmware"),
                    ("-drive", "if=pflash,format=raw,file={out}/flash0.fd", "-drive", "if=pflash,format=raw,file={out}/flash1.fd")),
    "q35": Way("q35", "q35, QEMU's Multiboot loader"),
    "q35-ovmf": Way("q35", "q35, UEFI (OVMF)", (IMAGE,), ("-bios", OVMF)),
    "q35-uboot": Way("q35", "q35, U-Boot", (IMAGE, "{out}/u-boot.rom"), ("-bios", "{out}/u-boot.rom")),
}
# In their order: what is done when the next one is reached.
STAGES = {"kernel": "firmware and loaders", "bundle": "the machine's tables, CPUs started", "signed": "the bundle's signature",
          "checked": "the bundle's images hashed", "management": "domains built", "shell": "the management domain, to its shell"}


def code(elf, symbol, tools, length=48):
    """The first bytes of a function, from an ELF file."""
    lines = subprocess.run([tools + "nm", "--defined-only", str(elf)], check=True, capture_output=True, text=True).stdout.splitlines()
    value = next(int(words[0], 16) for words in (line.split() for line in lines) if words[2] == symbol and words[1] in "tT")
    data = Path(elf).read_bytes()
    table, entry, count = struct.unpack_from("<Q14xHH", data, 32)
    for at in range(table, table + entry * count, entry):
        kind, _, offset, start, _, size = struct.unpack_from("<IIQQQQ", data, at)
        if kind == 1 and start <= value < start + size:
            return data[offset + value - start:][:length].hex()
    raise SystemExit(f"bench: {elf}: {symbol} lies in no segment")


def stage_options(out, machine, loader):
    kernel = Symbols(out / "bulkhead.elf", machine.tools)
    address = {name: value for value, name in kernel.sorted}
    stages = [f"loader:{code(out / 'boot.efi.elf', 'efi_main', machine.tools)}"] if loader else []
    stages += [f"kernel@{address['kernel_main']:x}", f"bundle/kernel@{address['bundle_open']:x}", f"signed/bundle@{address['status_measured']:x}",
               f"checked/signed@{address['cpus_await']:x}"]
    for name, symbol, after in (("management", "native_start", "checked"), ("shell", "line_editor_start", "management")):
        stages.append(f"{name}/{after}:{code(out / 'mgmt.elf', symbol, machine.tools)}")
    if machine.arch == "arm64":
        stages.append(f"guest/checked:{(out / 'guest-linux/Image').read_bytes()[:8].hex()}")
    else:
        stages.append("guest/checked")
    return [f"stage={stage}" for stage in stages]


def measure(name):
    """{stage: (instructions of CPU 0, of all CPUs, milliseconds of the host's)}"""
    way = WAYS[name]
    machine = MACHINES[way.board]
    out = builds.default_configuration(machine, "default" if way.board in ("qemu-virt", "q35") else way.board)
    if way.products:
        builds.run("make", "-C", builds.TOP, f"O={out}", "-j2", *(product.format(out=out) for product in way.products))
    folder = builds.OUT / f"bench/run-stages-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    disk = None
    extra = [word.format(out=out) for word in way.extra]
    if way.products:
        disk = folder / "image"
        subprocess.run(["cp", "--sparse=always", out / "bulkhead.img", disk], check=True)
    if way.card is not None:
        os.truncate(disk, 1 << 30)
        extra += ["-drive", f"if=sd,index={way.card},file={disk},format=raw"]
    found = folder / "stages.txt"
    found.unlink(missing_ok=True)
    by_efi = name.endswith(("edk2", "ovmf")) or way.board == "sbsa-ref"
    options = ",".join([str(builds.plugin()), "base=0x1000", "size=1", f"out={folder}/counts.txt", f"stages={found}", *stage_options(out, machine, by_efi)])
    hardware = ("e1000e", "nvme") if way.board == "sbsa-ref" else ("virtio", "virtio")
    with Appliance(out, disk=disk, folder=folder, loader="none" if way.products else "kernel",
                   extra=[*extra, "-plugin", options], hardware=hardware) as appliance:
        appliance.shell.wait_prompt(10 * PATIENCE)
        end = time.monotonic() + 10 * PATIENCE
        while "guest " not in found.read_text():
            if time.monotonic() > end:
                raise SystemExit(f"bench: {name}: no guest began")
            time.sleep(0.2)
        appliance.qmp("quit")
        appliance.qemu.wait(60)
    if disk:
        disk.unlink(missing_ok=True)
    reached = {}
    for line in found.read_text().splitlines():
        stage, _, milliseconds, *counts = line.split()
        reached[stage] = int(counts[0]), sum(map(int, counts)), int(milliseconds)
    return reached


def table(name, reached):
    """Lines: what each stage took, and the way to the shell and to the guest."""
    names = (["loader"] if "loader" in reached else []) + list(STAGES)
    titles = dict(STAGES)
    if "loader" in reached:
        titles |= {"loader": "firmware", "kernel": "the loader"}
    before = (0, 0, 0)
    yield f"| {WAYS[name].title} | boot CPU | all CPUs | ms here |"
    yield "|---|---|---|---|"
    for stage in names:
        if stage not in reached:
            continue
        boot, every, time = (now - then for now, then in zip(reached[stage], before))
        before = reached[stage]
        yield f"| {titles[stage]} | {boot / 1e6:,.2f} M | {every / 1e6:,.2f} M | {time:,} |"
    for stage, title in (("shell", "**reset to the shell**"), ("guest", "**reset to the first guest's first instruction**")):
        if stage in reached:
            boot, every, time = reached[stage]
            yield f"| {title} | {boot / 1e6:,.2f} M | {every / 1e6:,.2f} M | {time:,} |"
