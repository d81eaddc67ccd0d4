# SPDX-License-Identifier: Apache-2.0
"""An update over TLS while the guests run: what goes over the network, what is written to the disk, and what the management domain and
the kernel execute for it on their CPU."""

import os
import subprocess
import time

import builds
import stages
import traffic
from appliance import PATIENCE, Appliance
from symbols import Symbols, bulkhead_places, layers_of

MANAGEMENT_BASE = {"arm64": 0x48000000, "x86": 0x40000000}


def wire_bytes(path):
    """(frames, bytes) of a capture file (pcap)."""
    data = path.read_bytes()
    frames = total = 0
    at = 24
    while at + 16 <= len(data):
        kept, length = (int.from_bytes(data[at + offset:at + offset + 4], "little") for offset in (8, 12))
        frames, total, at = frames + 1, total + length, at + 16 + kept
    return frames, total


def written(appliance):
    """(bytes written, writes, flushes) of the disk."""
    stats = next(drive for drive in appliance.qmp("query-blockstats") if drive.get("device") == "d0")["stats"]
    return stats["wr_bytes"], stats["wr_operations"], stats["flush_operations"]


def measure(machine):
    """Prints what one update took."""
    name = f"{machine.arch}-update"
    text = (builds.TOP / f"configs/{machine.configuration}_defconfig").read_text()
    out = builds.configuration(name, text + f"CONFIG_P0_MEMORY_BASE={MANAGEMENT_BASE[machine.arch]:#x}\n")
    firmware = "u-boot.rom" if machine.arch == "x86" else "u-boot.bin"
    builds.run("make", "-C", builds.TOP, f"O={out}", "-j2", f"{out}/bulkhead.img", f"{out}/bulkhead.update", f"{out}/{firmware}")
    folder = builds.OUT / f"bench/run-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    disk, wire, blocks, found = (folder / file for file in ("image", "wire.pcap", "blocks.txt", "stages.txt"))
    for file in (wire, blocks, found):
        file.unlink(missing_ok=True)
    subprocess.run(["cp", "--sparse=always", out / "bulkhead.img", disk], check=True)
    marks = [f"stage={stage}:{stages.code(out / 'mgmt.elf', symbol, machine.tools)}"
             for stage, symbol in (("begin", "update_begin"), ("end/begin", "update_forget"))]
    plugin = ",".join([str(builds.plugin()), "base=0x1000", "size=1", f"out={folder}/counts.txt", f"blocks={blocks}", f"stages={found}", *marks])
    with Appliance(out, disk=disk, folder=folder, loader="none", extra=["-bios", str(out / firmware), "-plugin", plugin]) as appliance:
        traffic.ready(appliance, "linux1", "linux2").leave()
        appliance.bhctl("version")
        appliance.qmp("object-add", **{"qom-type": "filter-dump", "id": "dump", "netdev": "n0", "file": str(wire), "maxlen": 64})
        before, began, slept = written(appliance), time.monotonic(), os.times()
        done = appliance.bhctl("update", str(out / "bulkhead.update"), timeout=20 * PATIENCE)
        seconds, after = time.monotonic() - began, written(appliance)
        sender = os.times()
        appliance.qmp("object-del", id="dump")
        appliance.qmp("quit")
        appliance.qemu.wait(60)
    if "installed" not in done.stdout:
        raise SystemExit(f"bench: {done.stdout}{done.stderr}")
    kernel, program = Symbols(out / "bulkhead.elf", machine.tools), Symbols(out / "mgmt.elf", machine.tools)
    layers, functions = layers_of(blocks, 12, bulkhead_places(kernel, program, MANAGEMENT_BASE[machine.arch], machine.arch))
    frames, carried = wire_bytes(wire)
    size = (out / "bulkhead.update").stat().st_size
    cpu = sender.children_user + sender.children_system - slept.children_user - slept.children_system
    return {"size": size, "frames": frames, "wire": carried, "disk": tuple(b - a for a, b in zip(before, after)), "seconds": seconds, "sender": cpu,
            "layers": layers, "functions": functions}
