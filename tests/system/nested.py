# SPDX-License-Identifier: Apache-2.0
"""A machine that lends its virtualization to guests: Debian's kernel with its KVM in the SVM that QEMU emulates, and this
machine's own QEMU in it. `make run` chooses KVM there, and the bench compares with it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from appliance import PATIENCE, TOP, Drain, Line, connect, end_with_us, plain
from guest import mark, without_kernel
from machines import BY_ARCH

sys.path.insert(0, str(TOP / "tools/guest_linux"))
from cpio import Archive  # noqa: E402
from modules import Modules  # noqa: E402

MODULES = ("ccp", "kvm", "kvm_amd", "tun", "bridge", "vhost_net", "virtio_blk")
FIRMWARE = ("/usr/share/seabios", "/usr/lib/ipxe/qemu", "/usr/share/qemu/kvmvapic.bin", "/usr/share/qemu/linuxboot_dma.bin",
            "/usr/share/qemu/multiboot_dma.bin", "/usr/share/qemu/pvh.bin")
INIT = """#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin HOME=/ TERM=vt100 PS1='host# '
mkdir -p /proc /sys /tmp /dev/pts
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t devpts devpts /dev/pts
while read -r module; do insmod /modules/$module.ko; done </modules/order
ip link set lo up
exec setsid cttyhack sh -i
"""


def libraries(program):
    """The shared libraries of a program, and its loader."""
    said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", said)


class Host:
    """Such a machine, running; a context manager. `out` has Debian's kernel (make linux), `files` are put into its file system
    (path: where from), `links` (path: target). Its console is on `line`; `consoles` are the serial lines beside it, /dev/ttyS1 and so on."""

    def __init__(self, out, folder, files=None, links=None, programs=(), consoles=0, smp=4, memory="4G", cpu="max", extra=()):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        archive = self.folder / "host.cpio"
        archive.write_bytes(self.content(Path(out), ("qemu-system-x86_64", *programs), files or {}, links or {}))
        machine = BY_ARCH["x86"]
        self.arguments = [machine.emulator, *machine.machine, "-cpu", cpu, "-smp", str(smp), "-m", memory, "-display", "none", "-nodefaults",
                          "-no-reboot", "-kernel", str(Path(out) / "guest-linux/Image"), "-initrd", str(archive),
                          "-append", "console=ttyS0 quiet panic=-1"]
        self.names = [f"serial{i}" for i in range(1 + consoles)]
        for name in self.names:
            (self.folder / name).unlink(missing_ok=True)
            self.arguments += ["-chardev", f"socket,id={name},path={self.folder}/{name},server=on,wait=on", "-serial", f"chardev:{name}"]
        self.arguments += extra
        self.tokens = 0

    @staticmethod
    def content(out, programs, files, links):
        archive = Archive()
        archive.directory("dev")
        archive.device("dev/console", 5, 1)
        archive.file("init", INIT.encode(), 0o755)
        archive.file("bin/busybox", (out / "guest-linux/busybox/usr/bin/busybox").read_bytes(), 0o755)
        archive.link("bin/sh", "busybox")
        wanted = {}
        for name in programs:
            program = os.path.realpath(shutil.which(name))
            wanted |= {f"usr/bin/{name}": program} | {library: library for library in libraries(program)}
        if "bash" in programs:
            archive.link("bin/bash", "/usr/bin/bash")
        for place in map(Path, FIRMWARE):
            wanted |= {str(file): file for file in ([place] if place.is_file() else place.glob("*"))}
        for path, source in (wanted | files).items():
            archive.file(str(path).lstrip("/"), Path(source).read_bytes(), 0o755)
        for path, target in links.items():
            archive.link(path, target)
        order = Modules(out / "guest-linux/kernel").in_order(MODULES)
        for name, data in order:
            archive.file(f"modules/{name}.ko", data)
        archive.file("modules/order", "".join(name + "\n" for name, _ in order).encode())
        return archive.bytes()

    def __enter__(self):
        self.logs = [open(self.folder / f"{name}.log", "wb") for name in self.names]
        self.qemu = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, preexec_fn=end_with_us,
                                     stdout=open(self.folder / "qemu.log", "wb"), stderr=subprocess.STDOUT)
        self.sockets = [connect(self.qemu, self.folder / name, self.folder / "qemu.log") for name in self.names]
        self.line, *self.consoles = [Line(Drain(socket, timeout=PATIENCE, maxread=65536), log) for socket, log in zip(self.sockets, self.logs)]
        self.line.expect("host# ")
        return self

    def __exit__(self, *_):
        self.qemu.terminate()
        try:
            self.qemu.wait(60)
        except subprocess.TimeoutExpired:
            self.qemu.kill()
            self.qemu.wait()
        for file in self.sockets + self.logs:
            file.close()

    def run(self, command, timeout=PATIENCE, line=None):
        """A command at a shell of the host (or on another line): what it says."""
        line = line or self.line
        self.tokens += 1
        # The echoed line has the quotes in it, the answer has not.
        line.send_line(f"echo be'gin-'{self.tokens}; {command}; echo do'ne-'{self.tokens}")
        line.expect(mark(f"begin-{self.tokens}\r"), timeout)
        line.expect(mark(f"done-{self.tokens}\r"), timeout)
        return without_kernel(plain(line.before)).strip()
