# SPDX-License-Identifier: Apache-2.0
"""A Debian guest's 4 KiB reads and TCP with an NVMe controller and an e1000e: passed through by Bulkhead; the same two of the same
machine without Bulkhead (plain QEMU); and, for comparison, with a virtual disk and NIC that the management domain serves. The disk
takes a millisecond, so that the guest always sleeps meanwhile (else an IOMMU's emulation makes the difference); the network leads to this machine's nettest through QEMU's user network. The plugin counts what is executed between
the marks of tests/guests/linux/mark.h, the kernel counts what the guest exits for.

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
from symbols import Symbols, bulkhead_places

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
TRAPPED = ("data_abort", "exit_page", "exit_port")  # the kernel's functions where a guest's access to registers ends that exits
NIC = "/sys/class/net/eth0/statistics"
COMMANDS = {"block": f"disktest read {{disk}} {counted.READS}", "request": f"nettest request {OUTSIDE} {counted.REQUESTS}",
            "stream": f"nettest stream {OUTSIDE} {counted.MEGABYTES}"}


def configuration(machine, passed):
    lines = 'CONFIG_P1_PCI0=y\nCONFIG_P1_PCI0_FUNCTION="00:10.0"\nCONFIG_P1_PCI1=y\nCONFIG_P1_PCI1_FUNCTION="00:11.0"\n'
    # On QEMU's virt board the last disk of the command line is the first.
    virtual = f"CONFIG_P1_NIC0=y\nCONFIG_P1_DISK0=y\nCONFIG_P1_DISK0_DEVICE={0 if machine.arch == 'arm64' else 1}\nCONFIG_P1_DISK0_WHOLE=y\n"
    place = f"CONFIG_P0_MEMORY_BASE={BASE['x86']:#x}\n" if machine.arch == "x86" else ""
    return builds.configuration(f"{machine.arch}-passthrough-{'passed' if passed else 'virtual'}", f"""CONFIG_BOARD_{machine.configuration.upper()}=y
CONFIG_IOMMU_{IOMMU[machine.arch]}=y
CONFIG_SWITCH0=y
CONFIG_SWITCH0_EXTERNAL=y
CONFIG_SWITCH0_UPLINK=0
{place}CONFIG_P1=y
CONFIG_P1_NAME="linux1"
CONFIG_P1_CPUS="1"
CONFIG_P1_CMDLINE="console={CONSOLE[machine.arch]} {WORDS}"
{lines if passed else virtual}""")


def exits(appliance):
    """{kind: how many} of the guest."""
    said = appliance.shell.run("metrics")
    return collections.Counter({kind: int(count) for kind, count in
                                re.findall(r'bulkhead_vcpu_exits_total\{domain="linux1",vcpu="0",kind="(\w+)"\} (\d+)', said)})


def packets(guest):
    return sum(int(word) for word in guest.run(f"cat {NIC}/tx_packets {NIC}/rx_packets").split())


def work(guest, disk, watch):
    """Does all of it; returns {work: what watch() says of it}, {work: nanoseconds of the guest's clock}, and the stream's packets, as the
    NIC's driver counts them."""
    guest.wait_for(f"ls {disk}", f"{disk}\\s")
    guest.wait_for(f"ping -c 1 -W 5 {OUTSIDE}", " 0% packet loss")
    guest.run(f"head -c 1000000 {disk} >/dev/null")
    if guest.run(f"cat /sys/block/{disk.rsplit('/', 1)[1]}/size").split()[-1] != "2097152":
        raise SystemExit("bench: the guest's disk is not the one of null-co")
    nothing = watch(lambda: guest.run("true"))  # what a command costs that does nothing
    watched, times, said = {}, {}, []
    for name, command in COMMANDS.items():
        before = packets(guest)
        watched[name] = watch(lambda: said.append(guest.run(command.format(disk=disk), 1200)))
        watched[name].subtract(nothing)
        times[name] = traffic.number(r"([\d.]+) ns (?:each|a byte)", said[-1])
        if name == "stream":
            sent = packets(guest) - before
    return watched, times, sent


def on_bulkhead(machine, passed):
    out = configuration(machine, passed)
    folder = builds.OUT / f"bench/run-{machine.arch}-passthrough-{'passed' if passed else 'virtual'}"
    kernel, program = Symbols(out / "bulkhead.elf", machine.tools), Symbols(out / "mgmt.elf", machine.tools)
    devices = (*NVME, *E1000E) if passed else ("-drive", DISK, *machine_of(out).device("blk", "drive=d1"), *IN_ITS_CPU[machine.arch])
    with Appliance(out, smp=2, folder=folder, extra=[*devices, *counted.plugin(folder, CLOCK[machine.arch])]) as appliance:
        appliance.shell.wait_prompt(1200)
        guest = attach(appliance, "linux1").wait_ready(1200)

        def watch(do):
            before = exits(appliance)
            do()
            after = exits(appliance)
            after.subtract(before)
            return after

        more = work(guest, "/dev/nvme0n1" if passed else "/dev/vda", watch)
        appliance.qmp("quit")
        appliance.qemu.wait(120)
    return counted.results(folder, bulkhead_places(kernel, program, BASE[machine.arch], machine.arch)), *more


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


def on_plain(machine):
    folder = builds.OUT / f"bench/run-{machine.arch}-passthrough-plain"
    extra = [*NVME, *E1000E, *counted.plugin(folder, CLOCK[machine.arch])]

    def watch(do):
        do()
        return collections.Counter()

    with plain(machine, configuration(machine, True), folder, extra) as guest:
        more = work(guest, "/dev/nvme0n1", watch)
    return counted.results(folder, lambda _cpu, _guest, address: ("guests' kernels" if address >> 47 else "guests' programs", "")), *more


WHO = {"plain": "without Bulkhead", "passed": "passed through", "virtual": "served by the management domain"}


def measure(machine, who=tuple(WHO)):
    """Yields (who, results, {work: exits by kind}, {work: nanoseconds a unit}, packets of the stream)."""
    program = builds.OUT / "bench/nettest"
    program.parent.mkdir(parents=True, exist_ok=True)
    builds.run("cc", "-O2", "-o", program, builds.TOP / "tests/guests/linux/nettest.c")
    server = subprocess.Popen([str(program), "server"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=end_with_us)
    try:
        for name in who:
            yield name, *(on_plain(machine) if name == "plain" else on_bulkhead(machine, name == "passed"))
    finally:
        server.kill()
