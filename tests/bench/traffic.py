# SPDX-License-Identifier: Apache-2.0
"""Guest to guest over the vSwitch, and the disk: two Debian guests of the default configuration under
-icount shift=0,sleep=off, where a nanosecond of the guests' clock is one instruction of all CPUs together."""

import re

import builds
from appliance import Appliance, plain
from guest import mark, without_kernel
from machines import BY_ARCH
from symbols import Symbols, bulkhead_places, layers_of

DETACH = "\x1d"
DISK, REQUEST, STREAM = 13, 14, 15  # windows: tests/guests/linux/mark.h


class Guests:
    """The guests' consoles on the serial line, one attached at a time."""

    def __init__(self, appliance):
        self.line, self.shell, self.name = appliance.serial, appliance.shell, None
        self.tokens = 0

    def attach(self, name):
        if self.name == name:
            return
        if self.name:
            self.leave()
        self.line.send_line(f"console {name}")
        self.name = name
        self.line.expect(r"Ctrl-\] detaches")

    def leave(self):
        """Back to the management shell."""
        self.line.send(DETACH)
        self.shell.wait_prompt()
        self.name = None

    def run(self, name, command, timeout=600):
        self.attach(name)
        self.tokens += 1
        # The echoed line has the quotes in it, the answer has not.
        self.line.send_line(f"{command}; echo do'ne-'{self.tokens}")
        self.line.expect(mark(f"done-{self.tokens}"), timeout)
        return without_kernel(plain(self.line.before)).strip()


def number(pattern, text):
    found = re.search(pattern, text)
    if not found:
        raise SystemExit(f"bench: no {pattern!r} in:\n{text[-2000:]}")
    return float(found.group(1))


def ready(appliance, *names):
    appliance.shell.wait_prompt()
    guests = Guests(appliance)
    for name in names:
        guests.attach(name)
        appliance.serial.expect(f"READY {name}.*# ", 600)
    return guests


MANAGEMENT_BASE = 0x40400000  # where the management domain's program lies in the default configuration


def profile(megabytes=64, requests=1000):
    """{workload: (unit, {layer: instructions a unit}, {(layer, function): likewise})}"""
    out = builds.default_configuration(BY_ARCH["arm64"])
    kernel, program = Symbols(out / "bulkhead.elf"), Symbols(out / "mgmt.elf")
    blocks = builds.OUT / "bench/blocks.txt"
    plugin = f"{builds.plugin()},base={kernel.base():#x},size=0x400000,out={builds.OUT}/bench/traffic-counts.txt,blocks={blocks}"
    with Appliance(out, folder=builds.OUT / "bench/run-profile", icount=True, extra=["-plugin", plugin]) as appliance:
        guests = ready(appliance, "linux1", "linux2")
        guests.run("linux2", "nettest server >/dev/null 2>&1 & sleep 1")
        guests.run("linux1", f"nettest stream 192.168.77.2 {megabytes}", 1200)
        guests.run("linux1", f"nettest request 192.168.77.2 {requests}", 1200)
        appliance.qmp("quit")
        appliance.qemu.wait(60)
    place = bulkhead_places(kernel, program, MANAGEMENT_BASE, "arm64")
    return {name: (unit, *({key: value / count for key, value in counter.items()} for counter in layers_of(blocks, window, place)))
            for name, window, count, unit in (("TCP stream", STREAM, megabytes << 20, "byte"), ("TCP request/response", REQUEST, requests, "exchange"))}


def measure(megabytes=256, requests=2000, reads=2000):
    with Appliance(builds.default_configuration(BY_ARCH["arm64"]), folder=builds.OUT / "bench/run-traffic", icount=True) as appliance:
        guests = ready(appliance, "linux1", "linux2")
        guests.run("linux2", "nettest server >/dev/null 2>&1 & sleep 1")
        guests.run("linux1", "nettest stream 192.168.77.2 16 check")
        stream = guests.run("linux1", f"nettest stream 192.168.77.2 {megabytes}", 1200)
        request = guests.run("linux1", f"nettest request 192.168.77.2 {requests}", 1200)
    # A disk that answers at once and on the CPU that asks: the clock then counts instructions and no waiting for the host.
    instant = ["-drive", "if=none,id=d1,driver=null-co,size=1G,read-zeroes=on", "-device", "virtio-blk-device,drive=d1",
               "-global", "virtio-mmio.ioeventfd=off"]
    with Appliance(builds.instant_disk_configuration(), folder=builds.OUT / "bench/run-disk", icount=True, extra=instant) as appliance:
        guests = ready(appliance, "linux1")
        size = int(guests.run("linux1", "cat /sys/block/vda/size").split()[-1])
        if size != 1 << 21:
            raise SystemExit(f"bench: the guest's disk has {size} sectors; it is not the instant one")
        guests.run("linux1", "disktest read /dev/vda 100")
        block = guests.run("linux1", f"disktest read /dev/vda {reads}", 1200)
    return {
        "stream": number(r"([\d.]+) ns a byte", stream),
        "request": number(r"exchanges, (\d+) ns each", request),
        "block": number(r"bytes, (\d+) ns each", block),
    }
