# SPDX-License-Identifier: Apache-2.0
"""Faults from outside: writes into an appliance's memory through QEMU's gdb stub, as a bit flip or a stray DMA would."""

import socket
import subprocess
import time

from appliance import PATIENCE


def stub_arguments(folder):
    """QEMU options of an Appliance (its `extra`) that faults are to be injected into."""
    return ["-gdb", f"unix:{folder}/gdb,server=on,wait=off"]


class Stub:
    """The machine stands still while one of these is open; addresses are physical."""

    def __init__(self, folder):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(f"{folder}/gdb")
        self.connection.settimeout(PATIENCE)
        self.pending = b""

    def __enter__(self):
        self.command("Qqemu.PhyMemMode:1")
        return self

    def __exit__(self, *_):
        self.command("Qqemu.PhyMemMode:0")
        self.command("D")
        self.connection.close()

    def command(self, text):
        packet = text.encode()
        self.connection.sendall(b"$" + packet + b"#%02x" % (sum(packet) & 255))
        while True:
            end = self.pending.find(b"#")
            if end >= 0 and len(self.pending) >= end + 3:
                answer = self.pending[self.pending.index(b"$") + 1:end]
                self.pending = self.pending[end + 3:]
                self.connection.sendall(b"+")
                if answer[:1] in b"TS" and not text.startswith("?"):
                    continue  # it says that it has stopped, since we came
                return answer
            data = self.connection.recv(4096)
            assert data, "the gdb stub closed the connection"
            self.pending += data.lstrip(b"+") if not self.pending else data

    def write(self, address, data):
        answer = self.command(f"M{address:x},{len(data):x}:{data.hex()}")
        assert answer == b"OK", f"writing {len(data)} bytes at {address:#x}: {answer}"

    def read(self, address, length):
        return bytes.fromhex(self.command(f"m{address:x},{length:x}").decode())


def symbol(machine, program, name):
    """The address of a symbol in an ELF file."""
    table = subprocess.run([machine.tools + "nm", str(program)], check=True, capture_output=True, text=True).stdout
    return next(int(line.split()[0], 16) for line in table.splitlines() if line.split()[-1] == name)


def management_address(appliance, name):
    """Where a function of the management domain lies in the machine's memory."""
    base = int(appliance.shell.json("domain show mgmt")["domain"]["memory_hpa"], 16)
    return base + symbol(appliance.machine, appliance.out / "mgmt.elf", name)


def overwrite(appliance, address, instruction):
    with Stub(appliance.folder) as stub:
        stub.write(address, instruction)


def wait(condition, what, limit):
    """The first true value of condition(); the limit only says when it will not come any more."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come in {limit} s"
        time.sleep(0.5)
