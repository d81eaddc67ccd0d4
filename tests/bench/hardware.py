# SPDX-License-Identifier: Apache-2.0
"""What the management domain executes a packet and a 4 KiB read, by the NIC and the disk that the machine has: a Debian guest's TCP to
outside (QEMU's user network, this machine's nettest) and its reads of a disk that answers at once. Counted as in counted.py."""

import subprocess

import builds
import counted
import traffic
from appliance import Appliance, end_with_us
from machines import BY_ARCH
from symbols import Symbols, bulkhead_places

OUTSIDE = "10.0.2.2"


def packets(appliance):
    nic = appliance.shell.json("net")["nics"][0]
    return nic["tx_packets"] + nic["rx_packets"]


def measure_one(out, hardware):
    """{"read": instructions of the management domain, "exchange": ..., "byte": ..., "packet": ...}"""
    machine, folder = BY_ARCH["x86"], builds.OUT / f"bench/run-{'-'.join(hardware)}"
    extra = counted.plugin(folder) + ["-drive", counted.DISK, *machine.disk(hardware[1], "d1")]
    with Appliance(out, folder=folder, extra=extra, hardware=(hardware[0], "virtio")) as appliance:
        guests = traffic.ready(appliance, "linux1")
        while "inet 10.0.2" not in guests.run("linux1", "ip -4 addr show eth0"):
            pass
        guests.leave()
        before = packets(appliance)
        guests.run("linux1", f"nettest stream {OUTSIDE} {counted.MEGABYTES}", 1200)
        guests.leave()
        sent = packets(appliance) - before
        guests.run("linux1", f"nettest request {OUTSIDE} {counted.REQUESTS}", 1200)
        guests.run("linux1", "head -c 1000000 /dev/vda >/dev/null")
        guests.run("linux1", f"disktest read /dev/vda {counted.READS}", 1200)
        appliance.qmp("quit")
        appliance.qemu.wait(60)
    kernel, program = Symbols(out / "bulkhead.elf", machine.tools), Symbols(out / "mgmt.elf", machine.tools)
    found = counted.results(folder, bulkhead_places(kernel, program, counted.MANAGEMENT_BASE, "x86"))
    ours = {name: layers.get("management domain", 0) for name, (layers, *_) in found.items()}
    stream = ours["stream"] * (counted.MEGABYTES << 20)
    return {"read": ours["block"], "exchange": ours["request"], "byte": stream / (counted.MEGABYTES << 20), "packet": stream / sent}


def measure():
    """(hardware, measure_one()'s) one after the other."""
    machine = BY_ARCH["x86"]
    text = (builds.TOP / "configs/q35_defconfig").read_text().replace('CONFIG_P1_DISK0_LABEL="linux1"\n', "")
    out = builds.configuration("x86-traffic", text + f"CONFIG_P0_MEMORY_BASE={counted.MANAGEMENT_BASE:#x}\nCONFIG_P1_DISK0_DEVICE=1\nCONFIG_P1_DISK0_WHOLE=y\n")
    server = subprocess.Popen([str(out / "guest-linux/bin/nettest"), "server"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=end_with_us)
    try:
        for hardware in (("virtio", "virtio"), *machine.hardware):
            yield hardware, measure_one(out, hardware)
    finally:
        server.kill()
