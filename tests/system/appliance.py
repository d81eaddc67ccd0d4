# SPDX-License-Identifier: Apache-2.0
"""One appliance in QEMU, as a test sees it: a serial line, a QMP socket, forwarded ports, and what the build made."""

import contextlib
import ctypes
import json
import os
import queue
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pexpect
from machines import machine_of
from pexpect import fdpexpect

TOP = Path(__file__).resolve().parents[2]
# Emulation on a busy machine: a limit says "this will not come any more", never "this should be quick".
PATIENCE = int(os.environ.get("BULKHEAD_PATIENCE", "180"))
PROMPT = re.compile(rb"(?:^|[\r\n])[\w.-]+> (?:\x1b\[[0-9;]*[A-Za-z])*$")


def end_with_us():
    """In the child: a QEMU does not outlive its test (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port():
    """A port to listen at, of those that no connection gets by itself (from 32768 on): it stays free until QEMU listens there."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.SystemRandom().randrange(10000, 32768)))
            return probe.getsockname()[1]


def connect(qemu, path, log, limit=PATIENCE):
    """To a socket that a QEMU just started makes."""
    end = time.monotonic() + limit
    while True:
        if qemu.poll() is not None:
            raise AssertionError("QEMU ended: " + log.read_text())
        try:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(path))
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if time.monotonic() > end:
                raise AssertionError(f"QEMU made no {path.name} socket in {limit} s") from None
            time.sleep(0.05)


class Drain(fdpexpect.fdspawn):
    """A socket that is read all the time: QEMU holds its lock, and so the whole machine, while a serial line blocks."""

    def __init__(self, connection, **arguments):
        super().__init__(connection.fileno(), **arguments)
        self.arrived = queue.SimpleQueue()
        threading.Thread(target=self._drain, args=(connection,), daemon=True).start()

    def _drain(self, connection):
        try:
            while data := connection.recv(65536):
                self.arrived.put(data)
        except OSError:
            pass
        self.arrived.put(b"")

    def read_nonblocking(self, size=1, timeout=-1):
        try:
            data = self.arrived.get(timeout=self.timeout if timeout == -1 else timeout)
        except queue.Empty:
            raise pexpect.TIMEOUT("nothing came") from None
        if not data:
            self.arrived.put(b"")
            raise pexpect.EOF("the line ended")
        self._log(data, "read")
        return data


class Line:
    """A byte stream that is waited on for conditions: the serial line, or a program such as openssl."""

    def __init__(self, process, log):
        self.process = process
        process.logfile_read = log

    def expect(self, pattern, timeout=PATIENCE):
        """Waits for a pattern (regular expression, or a list: returns its index); says what came instead when it does not come."""
        patterns = pattern if isinstance(pattern, list) else [pattern]
        patterns = [p.encode() if isinstance(p, str) else p for p in patterns]
        try:
            return self.process.expect(patterns, timeout=timeout)
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            tail = (self.process.before or b"")[-3000:].decode("utf-8", "replace")
            raise AssertionError(f"{type(error).__name__}: waited {timeout} s for {patterns}; the last that came:\n{tail}") from None

    @property
    def before(self):
        return self.process.before.decode("utf-8", "replace")

    @property
    def match(self):
        return self.process.match

    def send(self, text):
        self.process.send(text.encode() if isinstance(text, str) else text)

    def send_line(self, text, end="\r"):
        self.send(text + end)


def through(text, others):
    """A pattern for a text that others write into: between any two of its bytes may stand what the pattern `others` matches."""
    return f"(?:{others})*".join(re.escape(letter) for letter in text)


def plain(text):
    """Without terminal control sequences and carriage returns."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


class Shell:
    """The management shell on a Line."""

    def __init__(self, line):
        self.line = line

    def wait_prompt(self, timeout=PATIENCE):
        self.line.expect(PROMPT, timeout)

    def run(self, command, timeout=PATIENCE):
        """Runs a command, returns its output without echo and prompt."""
        self.line.send_line(command)
        self.line.expect(through(command, r"\r|\x1b\[[0-9;]*[A-Za-z]"), timeout)  # a notice makes the editor draw the line again
        self.wait_prompt(timeout)
        return plain(self.line.before).strip("\n")

    def json(self, command, timeout=PATIENCE):
        text = self.run(command + " --json", timeout)
        for start in re.finditer(r"[{[]", text):  # notices may stand before and behind it
            with contextlib.suppress(json.JSONDecodeError):
                return json.JSONDecoder().raw_decode(text[start.start():])[0]
        raise AssertionError(f"no JSON in the answer to {command!r}: {text!r}")


class Appliance:
    """Starts QEMU with the products of a build directory; a context manager. Every run's lines are kept in `folder`.
    `hardware`: the machine's NIC and disk (machines.py). `writes`: a file that keeps all that is written to the disk, in its order."""

    def __init__(self, out, cpu=None, smp=4, memory="2G", disk=None, loader="kernel", extra=(), folder=None, icount=False,
                 hardware=("virtio", "virtio"), writes=None):
        self.out = Path(out)
        self.folder = Path(folder or tempfile.mkdtemp(prefix="bulkhead-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "serial").unlink(missing_ok=True)
        self.tls_port = free_port()
        self.disk = Path(disk) if disk else self._copy_disk()
        self.machine = machine = machine_of(out)
        self.arguments = [
            os.environ.get("QEMU", machine.emulator), *machine.machine, "-cpu", cpu or machine.cpu, "-smp", str(smp), "-m", memory,
            "-display", "none", "-nodefaults", "-no-reboot" if loader == "once" else "-boot", *([] if loader == "once" else ["order=c"]),
            "-chardev", f"socket,id=serial0,path={self.folder}/serial,server=on,wait=on", "-serial", "chardev:serial0",
            "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off",
            *machine.extra,
        ]
        if machine.bare:
            self.arguments += ["-dtb", str(self.out / "board.dtb")] if loader != "none" else []
            if machine.nics:
                self.arguments += ["-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{self.tls_port}-:992", *machine.nics]
        else:
            self.arguments += [
                "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{self.tls_port}-:992", *machine.nic(hardware[0], "n0"),
                "-drive", f"if=none,id=d0,{self._backing(writes)}", *machine.disk(hardware[1], "d0"),
                *machine.device("rng"),
            ]
        if loader in ("kernel", "once"):
            self.arguments += ["-kernel", str(self.out / "bulkhead.bin"), "-initrd", str(self.out / "bundle.itb")]
        if icount:
            self.arguments += ["-icount", "shift=0,sleep=off"]
        self.arguments += list(extra)
        self.qemu = None
        self.listens = False

    def _backing(self, writes):
        if not writes:
            return f"file={self.disk},format=raw,cache=writeback"
        Path(writes).write_bytes(b"")
        return f"driver=blklogwrites,file.driver=file,file.filename={self.disk},log.driver=file,log.filename={writes}"

    def _copy_disk(self):
        target = self.folder / "disk.img"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", str(self.out / "disk.img"), str(target)], check=True)
        return target

    def __enter__(self):
        self.log = open(self.folder / "serial.log", "wb")
        self.qemu = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, preexec_fn=end_with_us,
                                     stdout=open(self.folder / "qemu.log", "wb"), stderr=subprocess.STDOUT)
        self.socket = connect(self.qemu, self.folder / "serial", self.folder / "qemu.log")
        self.serial = Line(Drain(self.socket, timeout=PATIENCE, maxread=65536), self.log)
        self.shell = Shell(self.serial)
        return self

    def __exit__(self, *_):
        self.qemu.terminate()
        try:
            self.qemu.wait(10)
        except subprocess.TimeoutExpired:
            self.qemu.kill()
            self.qemu.wait()
        self.socket.close()
        self.log.close()
        if self.disk.parent == self.folder:
            self.disk.unlink(missing_ok=True)

    def qmp(self, command, **arguments):
        """One QMP command on a connection of its own."""
        with connect(self.qemu, self.folder / "qmp", self.folder / "qemu.log") as connection:
            stream = connection.makefile("rw")
            json.loads(stream.readline())
            for name, values in (("qmp_capabilities", {}), (command, arguments)):
                stream.write(json.dumps({"execute": name, "arguments": values}) + "\n")
                stream.flush()
                while True:
                    answer = json.loads(stream.readline())
                    if "return" in answer or "error" in answer:
                        break
            assert "return" in answer, answer
            return answer["return"]

    # Ways in beside the serial line

    @property
    def certificates(self):
        return self.out / "certificates"

    def bhctl(self, *command, check=True, wait=None, timeout=PATIENCE, certificates=None):
        """tools/bhctl with the build's development certificates. Returns the CompletedProcess. With `wait` (None: as `check`) it waits for the
        TLS console, which is there some time after the prompt: it reads the state store and its certificates, and wants entropy."""
        end = time.monotonic() + PATIENCE
        while True:
            done = subprocess.run(["/usr/bin/python3", str(TOP / "tools/bhctl"), "--certificates", str(certificates or self.certificates), "--timeout", "90",
                                   f"localhost:{self.tls_port}", *command], capture_output=True, text=True, timeout=timeout)
            if not (check if wait is None else wait) or done.returncode != 125 or "no TLS comes about" not in done.stderr or time.monotonic() > end:
                break
            time.sleep(0.3)
        if check:
            assert done.returncode == 0, f"bhctl {command}: status {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def bhctl_json(self, *command, certificates=None):
        return json.loads(self.bhctl(*command, "--json", certificates=certificates).stdout)

    def openssl(self, *options):
        """An interactive session through openssl s_client; returns a Line."""
        if not self.listens:
            self.bhctl("version")  # which waits for the TLS console
            self.listens = True
        command = ["openssl", "s_client", "-quiet", "-connect", f"localhost:{self.tls_port}",
                   "-CAfile", str(self.certificates / "ca.crt"), "-cert", str(self.certificates / "client.crt"),
                   "-key", str(self.certificates / "client.key"), *options]
        # The terminal below is a raw one: Enter is CR and the shell echoes, as on the serial line.
        raw = ["-c", 'stty raw -echo; exec "$@"', "sh", *command]
        return Line(pexpect.spawn("/bin/sh", raw, timeout=PATIENCE, echo=False, maxread=65536),
                    open(self.folder / "openssl.log", "ab"))

    def console(self, name):
        """A guest's console over TLS, attached from the start of its ring; returns a Line."""
        line = self.openssl()
        Shell(line).wait_prompt()
        line.send_line(f"console {name}")
        return line

    def wait_state(self, domain, state, timeout=PATIENCE):
        """Polls the shell until the domain is in the state (the supervisor's work is asynchronous)."""
        end = time.monotonic() + timeout
        while True:
            found = next(d for d in self.bhctl_json("domain", "list") if d["name"] == domain)
            if found["state"] == state:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"domain {domain} is {found['state']}, not {state}, after {timeout} s")
            time.sleep(0.3)


def have(tool):
    return shutil.which(tool) is not None
