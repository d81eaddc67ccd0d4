# SPDX-License-Identifier: Apache-2.0
"""A Debian guest's 4 KiB reads and TCP with an NVMe controller and an e1000e: passed through by Bulkhead; the same two of the same
machine without Bulkhead (plain QEMU); and, for comparison, with a virtual disk and NIC that the management domain serves. The disk
takes a millisecond, so that the guest always sleeps meanwhile (else an IOMMU's emulation makes the difference); the network leads to this machine's nettest through QEMU's user network. The plugin counts what is executed between
the marks of tests/guests/linux/mark.h, the kernel counts what the guest exits for. Likewise with virtual functions of an NVMe controller
and of an igb, whose physical ones the management domain has; without Bulkhead the guest has both of them whole.

Time passes while all CPUs sleep (no sleep=off): otherwise the guest's clock would leap to its next timer, up to TCP's retransmission,
while this machine's other end answers."""

import collections
import contextlib
import re
import subprocess

import builds
import counted
import traffic
from appliance import PATIENCE, Appliance, Drain, Line, connect, end_with_us
from guest import Guest, attach
from machines import machine_of
from symbols import Symbols, bulkhead_places, layers_of

IOMMU = {"arm64": "SMMUV3", "x86": "VTD"}
CONSOLE = {"arm64": "ttyAMA0", "x86": "ttyS0"}
PLAIN = {"arm64": ("-M", "virt,gic-version=3"), "x86": ("-M", "q35")}
CLOCK = {"arm64": ("-icount", "shift=0"), "x86": ("-accel", "tcg,thread=multi")}
# Where the management domain's program lies. (arm64: in a configuration with these partitions.)
BASE = {"arm64": traffic.MANAGEMENT_BASE, "x86": counted.MANAGEMENT_BASE}
IN_ITS_CPU = {"arm64": ("-global", "virtio-mmio.ioeventfd=off"), "x86": ()}  # who rings the doorbell does the work
OUTSIDE = "10.0.2.2"
WORDS = "panic=5 bh.name=linux1 bh.watchdog=off bh.eth0=10.0.2.77/24"
DISK = counted.DISK + ",latency-ns=1000000"
NVME = ("-drive", DISK, "-device", "nvme,serial=bh1,drive=d1,addr=11.0")
E1000E = ("-netdev", "user,id=n1", "-device", "e1000e,netdev=n1,addr=10.0,romfile=")
VIRTUAL_NVME = ("-device", "nvme-subsys,id=s0", "-device", "nvme,id=c0,serial=bh1,subsys=s0,sriov_max_vfs=1,sriov_vq_flexible=2,sriov_vi_flexible=1,addr=11.0",
                "-drive", DISK, "-device", "nvme-ns,drive=d1,bus=c0,shared=on")
IGB = ("-netdev", "user,id=n1", "-device", "igb,netdev=n1,addr=05.0,romfile=")
TICKS, SPIN = 12, 1000  # a window of tests/guests/linux/mark.h, millions of turns of a loop
TRAPPED = ("data_abort", "exit_page", "exit_port")  # the kernel's functions where a guest's access to registers ends that exits
COMMANDS = {"block": f"disktest read {{disk}} {counted.READS}", "request": f"nettest request {OUTSIDE} {counted.REQUESTS}",
            "stream": f"nettest stream {OUTSIDE} {counted.MEGABYTES}"}


PASSED = """CONFIG_P1_PCI0=y
CONFIG_P1_PCI0_FUNCTION="00:10.0"
CONFIG_P1_PCI1=y
CONFIG_P1_PCI1_FUNCTION="00:11.0"
"""
VIRTUAL = """CONFIG_SRIOV0=y
CONFIG_SRIOV0_FUNCTION="00:05.0"
CONFIG_SRIOV0_VFS=1
CONFIG_SRIOV1=y
CONFIG_SRIOV1_FUNCTION="00:11.0"
CONFIG_SRIOV1_VFS=1
CONFIG_P1_PCI0=y
CONFIG_P1_PCI0_FUNCTION="00:05.0/vf0"
CONFIG_P1_PCI1=y
CONFIG_P1_PCI1_FUNCTION="00:11.0/vf0"
"""


def configuration(machine, what):
    place = f"CONFIG_P0_MEMORY_BASE={BASE['x86']:#x}\n" if machine.arch == "x86" else ""
    if machine.arch == "arm64" and what != "functions":
        place = 'CONFIG_P0_DEVICES="arm,pl011 arm,pl031 virtio,mmio"\n'  # whose doorbell can be made to do the work
    lines = {"passed": PASSED, "functions": VIRTUAL,
             # On QEMU's virt board the last disk of the command line is the first.
             "served": f"CONFIG_P1_NIC0=y\nCONFIG_P1_DISK0=y\nCONFIG_P1_DISK0_DEVICE={0 if machine.arch == 'arm64' else 1}\nCONFIG_P1_DISK0_WHOLE=y\n"}
    return builds.configuration(f"{machine.arch}-passthrough-{what}", f"""CONFIG_BOARD_{machine.configuration.upper()}=y
CONFIG_IOMMU_{IOMMU[machine.arch]}=y
CONFIG_SWITCH0=y
CONFIG_SWITCH0_EXTERNAL=y
CONFIG_SWITCH0_UPLINK=0
{place}CONFIG_P1=y
CONFIG_P1_NAME="linux1"
CONFIG_P1_CPUS="1"
CONFIG_P1_CMDLINE="console={CONSOLE[machine.arch]} {WORDS}"
{lines[what]}""")


def exits(appliance):
    """{kind: how many} of the guest."""
    said = appliance.shell.run("metrics")
    return collections.Counter({kind: int(count) for kind, count in
                                re.findall(r'bulkhead_vcpu_exits_total\{domain="linux1",vcpu="0",kind="(\w+)"\} (\d+)', said)})


def packets(guest):
    return sum(int(word) for word in guest.run("cd /sys/class/net/eth0/statistics; cat tx_packets rx_packets").split())


def interrupts(guest):
    """{what: how many} of the guest's CPU; its ticks are "ticks"."""
    lines = re.findall(r"^\s*(\w+):\s+(\d+)\s+(.*)$", guest.run("cat /proc/interrupts"), re.M)
    counts = collections.Counter({f"{number} {rest.split()[-1] if rest else ''}": int(count) for number, count, rest in lines})
    counts["ticks"] = sum(int(count) for number, count, rest in lines if number == "LOC" or "arch_timer" in rest)
    return counts


def work(guest, disk, watch):
    """Does all of it; returns {work: what watch() says of it}, {work: nanoseconds of the guest's clock}, the stream's packets, as the
    NIC's driver counts them, and {work: {interrupt: how many}}, where `spin` is a loop that does nothing."""
    guest.wait_for(f"ls {disk}", f"{disk}\\s")
    guest.wait_for(f"ping -c 1 -W 5 {OUTSIDE}", " 0% packet loss")
    guest.run(f"head -c 1000000 {disk} >/dev/null")
    if guest.run(f"cat /sys/block/{disk.rsplit('/', 1)[1]}/size").split()[-1] != "2097152":
        raise SystemExit("bench: the guest's disk is not the one of null-co")
    nothing = watch(lambda: guest.run("true"))  # what a command costs that does nothing
    watched, times, said, taken = {}, {}, [], {}
    for name, command in COMMANDS.items():
        before, interrupted = packets(guest), interrupts(guest)
        watched[name] = watch(lambda: said.append(guest.run(command.format(disk=disk), 1200)))
        watched[name].subtract(nothing)
        taken[name] = interrupts(guest)
        taken[name].subtract(interrupted)
        times[name] = traffic.number(r"([\d.]+) ns (?:each|a byte)", said[-1])
        if name == "stream":
            sent = packets(guest) - before
    before = interrupts(guest)
    guest.run(f"nettest spin {SPIN}", 1200)
    taken["spin"] = interrupts(guest)
    taken["spin"].subtract(before)
    return watched, times, sent, taken


def tick(folder, place, taken):
    """What a tick costs: the guest's kernel's instructions."""
    return layers_of(folder / "blocks.txt", TICKS, place)[0]["guests' kernels"] / max(1, taken["spin"]["ticks"])


def on_bulkhead(machine, what):
    out = configuration(machine, what)
    folder = builds.OUT / f"bench/run-{machine.arch}-passthrough-{what}"
    kernel, program = Symbols(out / "bulkhead.elf", machine.tools), Symbols(out / "mgmt.elf", machine.tools)
    devices = {"passed": (*NVME, *E1000E), "functions": (*VIRTUAL_NVME, *IGB),
               "served": ("-drive", DISK, *machine_of(out).device("blk", "drive=d1"), *IN_ITS_CPU[machine.arch])}[what]
    with Appliance(out, smp=2, folder=folder, extra=[*devices, *counted.plugin(folder, CLOCK[machine.arch])]) as appliance:
        appliance.shell.wait_prompt(1200)
        guest = attach(appliance, "linux1").wait_ready(1200)

        def watch(do):
            before = exits(appliance)
            do()
            after = exits(appliance)
            after.subtract(before)
            return after

        more = work(guest, "/dev/vda" if what == "served" else "/dev/nvme0n1", watch)
        appliance.qmp("quit")
        appliance.qemu.wait(120)
    place = bulkhead_places(kernel, program, BASE[machine.arch], machine.arch)
    return counted.results(folder, place), *more, tick(folder, place, more[-1])


@contextlib.contextmanager
def plain(machine, out, folder, extra):
    """The guest's kernel and initramfs on the emulator alone; gives its shell."""
    (folder / "serial").unlink(missing_ok=True)
    with open(folder / "serial.log", "wb") as log, open(folder / "qemu.log", "wb") as said:
        qemu = subprocess.Popen([machine.emulator, *PLAIN[machine.arch], "-cpu", machine.cpu, "-smp", "1", "-m", "512", "-display", "none",
                                 "-nodefaults", "-no-reboot", "-chardev", f"socket,id=s,path={folder}/serial,server=on,wait=on",
                                 "-serial", "chardev:s", "-kernel", str(out / "guest-linux/Image"), "-initrd", str(out / "guest-linux/initrd-pci.cpio"),
                                 "-append", f"console={CONSOLE[machine.arch]} {WORDS}", *extra],
                                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, preexec_fn=end_with_us)
        with connect(qemu, folder / "serial", folder / "qemu.log") as socket:
            try:
                yield Guest(Line(Drain(socket, timeout=PATIENCE, maxread=65536), log), "linux1").wait_ready(1200)
            finally:
                qemu.terminate()
                qemu.wait(120)


def on_plain(machine, what):
    folder = builds.OUT / f"bench/run-{machine.arch}-passthrough-{what}"
    extra = [*NVME, *(IGB if what == "plain igb" else E1000E), *counted.plugin(folder, CLOCK[machine.arch])]

    def watch(do):
        do()
        return collections.Counter()

    with plain(machine, configuration(machine, "passed"), folder, extra) as guest:
        more = work(guest, "/dev/nvme0n1", watch)
    def place(_cpu, _guest, address):
        return "guests' kernels" if address >> 47 else "guests' programs", ""

    return counted.results(folder, place), *more, tick(folder, place, more[-1])


WHO = {"plain": "without Bulkhead", "passed": "passed through", "served": "served by the management domain",
       "plain igb": "without Bulkhead, with an igb", "functions": "virtual functions passed through"}
PAIRS = (("passed", "plain"), ("functions", "plain igb"))  # the latter is what the former is held against


def measure(machine, who=tuple(WHO)):
    """Yields (who, results, {work: exits by kind}, {work: nanoseconds a unit}, packets of the stream, {work: {interrupt: how many}},
    instructions of a tick)."""
    program = builds.OUT / "bench/nettest"
    program.parent.mkdir(parents=True, exist_ok=True)
    builds.run("cc", "-O2", "-o", program, builds.TOP / "tests/guests/linux/nettest.c")
    server = subprocess.Popen([str(program), "server"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=end_with_us)
    try:
        for name in who:
            yield name, *(on_plain(machine, name) if name.startswith("plain") else on_bulkhead(machine, name))
    finally:
        server.kill()
