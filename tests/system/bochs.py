# SPDX-License-Identifier: Apache-2.0
"""One appliance in Bochs, which has VMX where QEMU's emulation has none: COM1 is a socket, the loader GRUB from a CD.

As a program: bochs.py OUT [SECONDS] shows what the appliance of that build directory says; on a terminal and without a time,
what is typed goes to it, until Ctrl-A X (make run).
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty
from pathlib import Path

from appliance import PATIENCE, TOP, Drain, Line, Shell, end_with_us

CONFIGURATION = """\
config_interface: textconfig
display_library: rfb, options="timeout=0"
memory: guest={memory}, host={memory}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model={model}, count={cpus}, quantum={quantum}, ips={ips}, reset_on_triple_fault={reset}, ignore_bad_msrs=0
pci: enabled=1, chipset=i440fx
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=socket-client, dev=localhost:{port}
sound: driver=dummy
log: {folder}/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
clock: sync=none, time0=1600000000
"""


class Bochs:
    """
    Starts Bochs with the products of a build directory; a context manager with the members of Appliance that need no network.

    `ips` is also the TSC's frequency (20 MHz are the least that the kernel runs with), `quantum` how many instructions a CPU
    executes in turn. A CPU that is halted takes as long as one that is not: what waits is done sooner with a lower `ips`.
    """

    def __init__(self, out, model="corei7_skylake_x", cpus=2, memory=512, ips=50_000_000, quantum=16, iso=None, folder=None):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="bulkhead-bochs-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.iso = Path(iso) if iso else self.folder / "boot.iso"
        if not iso:
            out = Path(out)
            subprocess.run([TOP / "tools/make_iso.sh", out / "bulkhead.bin", out / "bundle.itb", self.iso], check=True)
        self.settings = dict(model=model, cpus=cpus, memory=memory, ips=ips, quantum=quantum, reset=0, iso=self.iso, folder=self.folder)
        self.bochs = None

    def __enter__(self):
        self.log = open(self.folder / "serial.log", "wb")
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.5)
            port = server.getsockname()[1]
            (self.folder / "bochsrc").write_text(CONFIGURATION.format(port=port, **self.settings))
            (self.folder / "debugger").write_text("c\n")  # Debian's build has the debugger on, which starts halted
            self.bochs = subprocess.Popen(["bochs-bin", "-q", "-f", self.folder / "bochsrc", "-rc", self.folder / "debugger"],
                                          stdin=subprocess.DEVNULL, stdout=open(self.folder / "bochs.out", "wb"),
                                          stderr=subprocess.STDOUT, preexec_fn=end_with_us, env=os.environ | {"TERM": "dumb"})
            self.socket = self._accept(server)
        self.serial = Line(Drain(self.socket, timeout=PATIENCE, maxread=65536), self.log)
        self.shell = Shell(self.serial)
        return self

    def _accept(self, server, limit=PATIENCE):
        end = time.monotonic() + limit
        while self.bochs.poll() is None and time.monotonic() < end:
            try:
                connection, _ = server.accept()
                connection.settimeout(None)
                return connection
            except TimeoutError:
                pass
        self.stop()
        raise AssertionError("Bochs did not start: " + (self.folder / "bochs.out").read_text(errors="replace")[-2000:])

    def stop(self):
        self.bochs.send_signal(signal.SIGKILL)
        self.bochs.wait()

    def __exit__(self, *_):
        self.stop()
        self.socket.close()
        self.log.close()
        if self.iso.parent == self.folder:
            self.iso.unlink(missing_ok=True)

    def complaints(self):
        """What Bochs itself had to say: panics and errors, such as a VM entry that failed its checks. EPT violations are none."""
        lines = (self.folder / "bochs.log").read_text(errors="replace").splitlines()
        return [line for line in lines if line[11:13] in ("p[", "e[") and "EPT violation" not in line]


def relay_keys(machine):
    """Sends what is typed to the serial line; Ctrl-A X ends Bochs."""
    previous = b""
    while key := os.read(sys.stdin.fileno(), 1):
        if previous == b"\x01" and key in b"xX":
            break
        if key != b"\x01" or previous == b"\x01":
            machine.socket.sendall(key)
        previous = b"" if previous == b"\x01" else key
    machine.bochs.kill()


def main():
    interactive = len(sys.argv) == 2 and sys.stdin.isatty()
    if interactive:
        saved = termios.tcgetattr(sys.stdin)
        tty.setraw(sys.stdin, termios.TCSANOW)
    try:
        run(interactive)
    finally:
        if interactive:
            termios.tcsetattr(sys.stdin, termios.TCSANOW, saved)


def run(interactive):
    seconds = float("inf") if interactive else float(sys.argv[2]) if len(sys.argv) > 2 else 60
    with Bochs(sys.argv[1]) as machine:
        if interactive:
            threading.Thread(target=relay_keys, args=(machine,), daemon=True).start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and machine.bochs.poll() is None:
            try:
                data = machine.serial.process.read_nonblocking(timeout=1)
            except Exception as reason:  # nothing came, or the line ended
                if "ended" in str(reason):
                    break
                continue
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
        print(*machine.complaints()[-20:], f"logs: {machine.folder}", sep="\n")


if __name__ == "__main__":
    main()
