# SPDX-License-Identifier: Apache-2.0
"""A Debian guest's boot up to its power-off, in instructions of its one CPU, beside the same kernel and initramfs on plain QEMU."""

import subprocess

import builds
from appliance import Appliance
from symbols import Symbols

WORDS = "console=ttyAMA0 panic=5 bh.name=linux1 bh.watchdog=off bh.poweroff"
MODEL = "neoverse-n1"


def measure():
    """(instructions of the guest's CPU on Bulkhead, of which the kernel's, instructions on plain QEMU)"""
    out = builds.configuration("boot", f"""CONFIG_P1=y
CONFIG_P1_NAME="linux1"
CONFIG_P1_CPUS="1"
CONFIG_P1_CMDLINE="{WORDS}"
CONFIG_P1_POLICY_STOP=y
CONFIG_P1_VIRTIO_CONSOLE=n
CONFIG_P1_ENTROPY=n
CONFIG_P1_WATCHDOG=n
""")
    library, counts = builds.plugin(), builds.OUT / "bench/boot-counts.txt"
    base = Symbols(out / "bulkhead.elf").base()
    options = f"{library},base={base:#x},size=0x400000,out={counts}"
    with Appliance(out, cpu=MODEL, smp=2, folder=builds.OUT / "bench/run-boot", icount=True, extra=["-plugin", options]) as appliance:
        appliance.serial.expect("domain linux1: powered itself off", 1200)
        appliance.qmp("quit")
        appliance.qemu.wait(60)
    inside, kernel = figures(counts, "cpu1")
    image, initrd = (out / "guest-linux" / name for name in ("Image", "initrd.cpio"))
    subprocess.run(["qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", MODEL, "-smp", "1", "-m", "512", "-display", "none",
                    "-nodefaults", "-serial", "null", "-no-reboot", "-icount", "shift=0,sleep=off", "-kernel", str(image),
                    "-initrd", str(initrd), "-append", WORDS, "-plugin", options], check=True, timeout=1200, stdin=subprocess.DEVNULL)
    plain, _ = figures(counts, "cpu0")
    return inside, kernel, plain


def figures(counts, cpu):
    for line in counts.read_text().splitlines():
        words = line.split()
        if words[0] == cpu:
            return int(words[1]), int(words[2])
    raise SystemExit(f"bench: the plugin counted nothing on {cpu}")
