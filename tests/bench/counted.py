# SPDX-License-Identifier: Apache-2.0
"""Guest to guest and the disk on x86-64: what all CPUs execute between the marks of tests/guests/linux/mark.h (a halted CPU
executes nothing), of two Debian guests on Bulkhead, and of the same two under KVM, nested in the same emulated SVM.

Neither clock is counted by instructions: Bulkhead's x2APIC timer does not go with that in QEMU 10.0, and KVM's guests do not come to
their end with it. So all of them have their timer ticks by the wall clock."""

import subprocess
import sys

import builds
import traffic
from appliance import Appliance
from machines import BY_ARCH
from nested import Host
from symbols import Symbols, bulkhead_places, layers_of

MEGABYTES, REQUESTS, READS = 16, 500, 500
# name: (window, units, unit)
WORK = {"stream": (traffic.STREAM, MEGABYTES << 20, "byte"), "request": (traffic.REQUEST, REQUESTS, "exchange"),
        "block": (traffic.DISK, READS, "read")}
MANAGEMENT_BASE = 0x40000000
# The disk answers at once: nobody waits for this machine's.
DISK = "if=none,id=d1,driver=null-co,size=1G,read-zeroes=on"
KVM_MEMORY = 512  # MiB a guest
TRIES = 3  # of a guest's start and of the whole
START_SECONDS = 240
COMMAND_SECONDS = 900


def work(run):
    """`run(guest, command)` at the guests' shells."""
    run("linux2", "nettest server >/dev/null 2>&1 & sleep 1")
    run("linux1", "nettest stream 192.168.77.2 4 check")
    said = run("linux1", f"nettest stream 192.168.77.2 {MEGABYTES}") + run("linux1", f"nettest request 192.168.77.2 {REQUESTS}")
    size = run("linux1", "cat /sys/block/vda/size").split()[-1]
    if size != "2097152":
        raise SystemExit(f"bench: the guest's disk has {size} sectors; it is not the one that answers at once")
    run("linux1", "head -c 1000000 /dev/vda >/dev/null")
    said += run("linux1", f"disktest read /dev/vda {READS}")
    for what in ("nettest stream:", "nettest request:", "disktest read:"):
        traffic.number(rf"{what} (\d+)", said)


def plugin(folder, clock=("-accel", "tcg,thread=multi")):
    counts, blocks = folder / "counts.txt", folder / "blocks.txt"
    folder.mkdir(parents=True, exist_ok=True)
    for file in (counts, blocks):
        file.unlink(missing_ok=True)
    return [*clock, "-plugin", f"{builds.plugin()},base=0x1000,size=1,out={counts},blocks={blocks}"]


def results(folder, place):
    """{work: ({layer: instructions a unit}, {(layer, function): likewise}, guest entries a unit)}"""
    entries = {}
    for line in (folder / "counts.txt").read_text().splitlines():
        words = line.split()
        if words[0].isdigit():
            entries[int(words[0])] = int(words[3])
    answer = {}
    for name, (window, count, _) in WORK.items():
        layers, functions = layers_of(folder / "blocks.txt", window, place)
        answer[name] = {k: v / count for k, v in layers.items()}, {k: v / count for k, v in functions.items()}, entries.get(window, 0) / count
    return answer


def bulkhead():
    machine = BY_ARCH["x86"]
    text = (builds.TOP / "configs/q35_defconfig").read_text().replace('CONFIG_P1_DISK0_LABEL="linux1"\n', "")
    out = builds.configuration("x86-traffic", text + f"CONFIG_P0_MEMORY_BASE={MANAGEMENT_BASE:#x}\nCONFIG_P1_DISK0_DEVICE=1\nCONFIG_P1_DISK0_WHOLE=y\n")
    folder = builds.OUT / "bench/run-x86-traffic"
    extra = plugin(folder) + ["-drive", DISK, *machine.device("blk", "drive=d1")]
    with Appliance(out, folder=folder, extra=extra) as appliance:
        guests = traffic.ready(appliance, "linux1", "linux2")
        work(lambda name, command: guests.run(name, command, 1200))
        appliance.qmp("quit")
        appliance.qemu.wait(60)
    kernel, program = Symbols(out / "bulkhead.elf", machine.tools), Symbols(out / "mgmt.elf", machine.tools)
    return results(folder, bulkhead_places(kernel, program, MANAGEMENT_BASE, "x86"))


def kvm_guest(name, number, cpus, drive=""):
    """The command that starts a guest on the host's serial line of that number."""
    return (f"qemu-system-x86_64 -M q35 -accel kvm -cpu host -smp {cpus} -m {KVM_MEMORY} -nodefaults -display none "
            "-kernel /guest/Image -initrd /guest/initrd.cpio "
            f"-append 'console=ttyS0 panic=5 bh.name={name} bh.eth0=192.168.77.{number}/24' -serial /dev/ttyS{number} "
            f"-netdev tap,id=n,ifname=tap{number},script=/bridge-up,downscript=no,vhost=on -device virtio-net-pci,netdev=n,mac=52:54:00:00:00:0{number} "
            f"{drive} -pidfile /tmp/{name}.pid </dev/null >/tmp/{name}.log 2>&1 & true")


class Peer:
    """Two guests under KVM, joined by a bridge, with vhost-net."""

    def __init__(self, host):
        self.host = host
        self.lines = dict(zip(("linux1", "linux2"), host.consoles))
        self.modules = []

    def memory(self):
        """MiB: what the host uses (without its files), and what a guest's QEMU does beside the guest's memory."""
        script = f"awk '/^Size:/{{ram = $2 >= {KVM_MEMORY << 10}}} /^Pss:/ && !ram {{sum += $2}} END {{print sum}}' /proc/$(cat /tmp/linux1.pid)/smaps"
        return self.used, int(self.host.run(script)) / 1024

    def start(self):
        self.used = int(self.host.run("free -m | awk '/^Mem/{print $3}'"))
        # A halted guest's host would otherwise spin for a while before it sleeps: that counts.
        self.host.run("echo 0 >/sys/module/kvm/parameters/halt_poll_ns; brctl addbr br0; ip link set br0 up")
        self.start_guest("linux1", 1, 2, "-drive if=none,id=d,file=/dev/vda,format=raw,cache=none,aio=native -device virtio-blk-pci,drive=d")
        self.start_guest("linux2", 2, 1)
        for line in self.host.run("cat /proc/modules").splitlines():
            name, size, *_, address = (line.split() + ["0"])[:6]
            self.modules.append((int(address, 16), int(size), name))

    def start_guest(self, name, number, cpus, drive=""):
        """A guest may hang: QEMU 10.0 reports an interrupt whose delivery was cut short as an exception of that vector
        (handle_even_inj), which VMRUN refuses when KVM injects it again, and may deliver an injected one twice (helper_vmrun leaves
        exception_index set). Then it is started again."""
        for _ in range(TRIES):
            self.host.run(kvm_guest(name, number, cpus, drive))
            try:
                self.lines[name].expect(f"READY {name}.*# ", START_SECONDS)
                return
            except AssertionError:
                self.host.run(f"kill -9 $(cat /tmp/{name}.pid); sleep 1; cat /tmp/{name}.log")
        raise SystemExit(f"bench: {name} did not start under KVM")

    def run(self, name, command):
        return self.host.run(command, COMMAND_SECONDS, self.lines[name])

    def place(self, _, guest, address):
        if guest:
            return ("guests' kernels", "") if address >> 47 else ("guests' programs", "")
        if not address >> 47:
            return "QEMU", ""
        module = next((name for start, size, name in self.modules if start <= address < start + size), "kernel")
        return "KVM's kernel", module


def kvm():
    out = builds.default_configuration(BY_ARCH["x86"])
    folder = builds.OUT / "bench/run-kvm-traffic"
    guest = {f"guest/{name}": out / "guest-linux" / name for name in ("Image", "initrd.cpio")}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bridge-up").write_text('#!/bin/sh\nip link set "$1" up\nbrctl addif br0 "$1"\n')
    extra = plugin(folder) + ["-drive", DISK, *BY_ARCH["x86"].device("blk", "drive=d1")]
    with Host(out, folder, guest | {"bridge-up": folder / "bridge-up"}, consoles=2, extra=extra) as host:
        peer = Peer(host)
        peer.start()
        used, program = peer.memory()
        print(f"\nKVM: its host uses {used} MiB, a guest's QEMU {program:.0f} MiB beside the guest's memory")
        work(peer.run)
        host.line.send_line("poweroff -f")
        host.qemu.wait(60)
    return results(folder, peer.place)


def kvm_tried():
    """None: its guests came to grief each time, see Peer.start_guest()."""
    for _ in range(TRIES):
        try:
            return kvm()
        except (AssertionError, SystemExit, subprocess.TimeoutExpired) as error:
            print(f"bench: KVM's guests: {error}", file=sys.stderr)
    return None


def measure():
    """{"Bulkhead": results, "KVM": results}; without the latter if there are none."""
    figures = {"Bulkhead": bulkhead(), "KVM": kvm_tried()}
    return {who: answer for who, answer in figures.items() if answer}
