# SPDX-License-Identifier: Apache-2.0
"""Builds of configurations for measuring, in the output directory; and the plugin."""

import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
OUT = Path(os.environ.get("O", TOP / "build")).resolve()
sys.path.insert(0, str(TOP / "tests/system"))


def run(*command):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment())
    if done.returncode:
        sys.exit(f"bench: {' '.join(map(str, command))} failed:\n{(done.stdout + done.stderr)[-4000:]}")


def environment():
    return {k: v for k, v in os.environ.items() if k not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}


def configuration(name, text):
    """Builds the appliance for a configuration (lines of a defconfig); returns its directory."""
    out = OUT / "bench" / name
    out.mkdir(parents=True, exist_ok=True)
    (out / "wanted.config").write_text(text)
    run("make", "-C", TOP, f"O={out}", f"KCONFIG_SOURCE={out}/wanted.config", "config-from-file")
    run("make", "-C", TOP, f"O={out}", "-j2", "appliance")
    return out


def default_configuration(machine, name="default"):
    return configuration(f"{machine.arch}-{name}", (TOP / f"configs/{machine.configuration}_defconfig").read_text())


def plugin():
    library = OUT / "bench/libcount.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    run("cc", "-std=gnu2x", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-fvisibility=hidden", "-o", library, TOP / "tests/bench/plugin.c")
    return library


def bench_guest(machine):
    """The bench guest: on arm64 a raw image, on x86-64 an ELF file, which is entered in long mode."""
    folder, source = OUT / "bench", TOP / "tests/bench/guest" / machine.arch
    folder.mkdir(parents=True, exist_ok=True)
    elf, image = folder / f"guest-{machine.arch}.elf", folder / f"guest-{machine.arch}.bin"
    flags = ["-mstrict-align"] if machine.arch == "arm64" else ["-mno-red-zone", "-fcf-protection=none"]
    run(machine.tools + "gcc", "-std=gnu2x", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-mgeneral-regs-only", *flags,
        "-fno-pic", f"-I{TOP}/include", f"-I{TOP}/arch/{machine.arch}/include", "-nostdlib", "-static", f"-Wl,-T,{source}/guest.ld",
        "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments", "-o", elf, source / "start.S", source / "main.c")
    if machine.arch != "arm64":
        return elf
    run(machine.tools + "objcopy", "-O", "binary", elf, image)
    return image


def events_configuration(machine):
    """The management domain and the bench guest with two vCPUs and a virtio-rng in slot 0."""
    kind = "RAW" if machine.arch == "arm64" else "ELF"
    return configuration(f"{machine.arch}-events", f"""CONFIG_BOARD_{machine.configuration.upper()}=y
CONFIG_BENCH=y
CONFIG_P1=y
CONFIG_P1_NAME="bench"
CONFIG_P1_CPUS="1,2"
CONFIG_P1_MEMORY=16
CONFIG_P1_KERNEL_FILE=y
CONFIG_P1_KERNEL_PATH="{bench_guest(machine)}"
CONFIG_P1_KERNEL_{kind}=y
CONFIG_P1_ENTROPY=y
CONFIG_P1_POLICY_STOP=y
""")


def instant_disk_configuration():
    """One Debian guest that owns a whole physical disk: disk 0, which on QEMU's virt board is the last one of the command line."""
    return configuration("instant-disk", """CONFIG_P1=y
CONFIG_P1_NAME="linux1"
CONFIG_P1_CPUS="1"
CONFIG_P1_CMDLINE="console=ttyAMA0 panic=5 bh.name=linux1"
CONFIG_P1_DISK0=y
CONFIG_P1_DISK0_DEVICE=0
CONFIG_P1_DISK0_WHOLE=y
""")
