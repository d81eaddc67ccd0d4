# SPDX-License-Identifier: Apache-2.0
"""A Debian guest's boot up to its power-off, in instructions of its one CPU, beside the same kernel and initramfs on plain QEMU."""

import subprocess

import builds
from appliance import Appliance
from machines import BY_ARCH
from symbols import Symbols

WORDS = "panic=5 bh.name=linux1 bh.watchdog=off bh.poweroff"
# (console, plain QEMU's machine, what Bulkhead's needs more). x86-64: see events.py.
MACHINES = {"arm64": ("ttyAMA0", ["-M", "virt,gic-version=3"], []), "x86": ("ttyS0", ["-M", "q35"], ["-accel", "tcg,one-insn-per-tb=on"])}


def measure(arch="arm64"):
    """(instructions of the guest's CPU on Bulkhead, of which the kernel's, instructions on plain QEMU)"""
    machine = BY_ARCH[arch]
    console, plain_machine, extra = MACHINES[arch]
    words = f"console={console} {WORDS}"
    out = builds.configuration(f"{arch}-boot", f"""CONFIG_BOARD_{machine.configuration.upper()}=y
CONFIG_P1=y
CONFIG_P1_NAME="linux1"
CONFIG_P1_CPUS="1"
CONFIG_P1_CMDLINE="{words}"
CONFIG_P1_POLICY_STOP=y
CONFIG_P1_VIRTIO_CONSOLE=n
CONFIG_P1_ENTROPY=n
CONFIG_P1_WATCHDOG=n
""")
    library, counts = builds.plugin(), builds.OUT / "bench/boot-counts.txt"
    base = Symbols(out / "bulkhead.elf", machine.tools).base()
    options = f"{library},base={base:#x},size=0x400000,out={counts}"
    with Appliance(out, smp=2, folder=builds.OUT / "bench/run-boot", icount=True, extra=["-plugin", options, *extra]) as appliance:
        appliance.serial.expect("domain linux1: powered itself off", 3600)
        appliance.qmp("quit")
        appliance.qemu.wait(60)
    inside, kernel = figures(counts, "cpu1")
    image, initrd = (out / "guest-linux" / name for name in ("Image", "initrd.cpio"))
    subprocess.run([machine.emulator, *plain_machine, "-cpu", machine.cpu, "-smp", "1", "-m", "512", "-display", "none",
                    "-nodefaults", "-serial", "null", "-no-reboot", "-icount", "shift=0,sleep=off", "-kernel", str(image),
                    "-initrd", str(initrd), "-append", words, "-plugin", options], check=True, timeout=3600, stdin=subprocess.DEVNULL)
    plain, _ = figures(counts, "cpu0")
    return inside, kernel, plain


def figures(counts, cpu):
    for line in counts.read_text().splitlines():
        words = line.split()
        if words[0] == cpu:
            return int(words[1]), int(words[2])
    raise SystemExit(f"bench: the plugin counted nothing on {cpu}")
