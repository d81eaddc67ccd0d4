# SPDX-License-Identifier: Apache-2.0
"""KVM beside Bulkhead on x86-64: the same bench guest under Debian's kernel with its KVM, nested in the same emulated SVM."""

import subprocess
import sys

import builds
from events import SLOW_X86, windows
from machines import BY_ARCH

MODULES = ("irqbypass", "ccp", "kvm", "kvm_amd")
GUEST = 0x200000, 0x100000  # where the bench guest lies


def initramfs(out, folder):
    """An archive of the peer's program, the modules and the bench guest; and the modules' order."""
    sys.path.insert(0, str(builds.TOP / "tools/guest_linux"))
    from cpio import Archive
    from modules import Modules
    program = folder / "kvm-init"
    builds.run("gcc", "-std=gnu2x", "-O2", "-Wall", "-Wextra", "-static", "-pthread", "-o", program, builds.TOP / "tests/bench/peer/kvm.c")
    archive = Archive()
    archive.directory("dev")
    archive.device("dev/console", 5, 1)
    archive.file("init", program.read_bytes(), 0o755)
    archive.file("guest.elf", builds.bench_guest(BY_ARCH["x86"]).read_bytes())
    order = []
    for name, data in Modules(out / "guest-linux/kernel").in_order(MODULES):
        archive.file(name + ".ko", data)
        order.append(f"/{name}.ko")
    path = folder / "kvm.cpio"
    path.write_bytes(archive.bytes())
    return path, order


def measure():
    """{window: instructions outside of the guest an operation}"""
    machine = BY_ARCH["x86"]
    out = builds.events_configuration(machine)
    builds.run("make", "-C", builds.TOP, f"O={out}", "linux")
    folder = builds.OUT / "bench/run-kvm"
    folder.mkdir(parents=True, exist_ok=True)
    counts, said = folder / "counts.txt", folder / "serial.log"
    counts.unlink(missing_ok=True)
    archive, modules = initramfs(out, folder)
    plugin = f"{builds.plugin()},base={GUEST[0]:#x},size={GUEST[1]:#x},out={counts},outside=on"
    with open(said, "wb") as output:
        subprocess.run([machine.emulator, *machine.machine, "-cpu", machine.cpu, "-smp", "2", "-m", "512", "-display", "none",
                        "-nodefaults", "-serial", "stdio", "-no-reboot",
                        "-kernel", str(out / "guest-linux/Image"), "-initrd", str(archive),
                        "-append", "console=ttyS0 quiet panic=-1 -- " + " ".join(modules), "-plugin", plugin,
                        "-icount", "shift=0,sleep=off"],
                       check=True, timeout=1800, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    if b"BENCH done" not in said.read_bytes():
        raise SystemExit(f"bench: the guest did not come to its end under KVM:\n{said.read_text(errors='replace')[-2000:]}")
    return windows(counts, SLOW_X86)[0]
