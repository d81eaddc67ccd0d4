#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sessions.py ARCH... -- PYTEST-ARGUMENTS: the system tests of several architectures, one more session at once than there are CPUs, each
in a pytest of its own: what shares no build with others (PARTS) has a session for itself, so that all CPUs are busy to the end.

A line of results comes as it is complete, with its architecture behind it. What a session says of its end (failures, durations,
summary) comes in one piece when it ends; the failed tests and the last lines of all sessions are repeated at the very end.
"""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

TESTS = "tests/system"
# The long ones first: (name, architectures, modules). What is not named here stands before them, in a session of its architecture.
PARTS = (("bochs", ("x86",), ("vmx",)), ("boards", ("arm64",), ("boards", "card", "gem")),
         ("guests", ("arm64", "x86"), ("guests", "dma", "passthrough", "sriov")))
AT_ONCE = os.cpu_count() + 1
NO_TESTS = 5  # pytest's status where -k leaves none; another architecture may have some
TITLE = re.compile(r"=+ .* =+$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def end_with_us():
    """In the child: a session does not outlive this program (prctl PR_SET_PDEATHSIG), and can be interrupted by it."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Session:
    """One pytest, and what it has said of its end."""

    printing = threading.Lock()

    def __init__(self, name, arch, arguments):
        self.name, self.arch, self.arguments = name, arch, arguments
        self.report, self.process = [], None

    def run(self):
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": str(shutil.get_terminal_size().columns - len(self.name) - 1)}
        if sys.stdout.isatty():
            environment["PY_COLORS"] = "1"
        self.process = subprocess.Popen([sys.executable, "-m", "pytest", f"--arch={self.arch}", *self.arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment,
                                        start_new_session=True, preexec_fn=end_with_us)
        titles = 0
        for line in self.process.stdout:
            line = line.rstrip("\n")
            titles += bool(TITLE.match(COLOUR.sub("", line)))
            if titles > 1:  # the first one is that of the start
                self.report.append(line)
            elif line:
                with self.printing:
                    print(line, self.name, flush=True)
        self.process.wait()
        with self.printing:
            print(f"\nsystem tests of {self.name}:", *self.report, "", sep="\n", flush=True)

    @property
    def last(self):
        return [line for line in self.report if line.startswith(("FAILED ", "ERROR "))] + self.report[-1:]


def files(modules):
    return [f"{TESTS}/test_{module}.py" for module in modules]


def sessions_of(archs, arguments):
    apart = {arch: [path for _, of, modules in PARTS if arch in of for path in files(modules)] for arch in archs}
    yield from (Session(arch, arch, [*arguments, *(f"--ignore={path}" for path in apart[arch]), TESTS]) for arch in archs)
    for name, of, modules in PARTS:
        yield from (Session(f"{arch}-{name}", arch, [*arguments, *files(modules)]) for arch in archs if arch in of)


def main():
    place = sys.argv.index("--")
    archs, arguments = sys.argv[1:place], sys.argv[place + 1:]
    if len(archs) == 1:  # with a terminal, for --pdb
        os.execv(sys.executable, [sys.executable, "-m", "pytest", f"--arch={archs[0]}", *arguments, TESTS])
    sessions = list(sessions_of(archs, arguments))
    waiting = sessions.copy()

    def work():
        # A session is the child of this thread, which lives longer (PR_SET_PDEATHSIG).
        while waiting:
            with contextlib.suppress(IndexError):
                waiting.pop(0).run()

    interrupts = iter([signal.SIGINT])  # at the first, a session stops its emulators and says what it has

    def end(*_):
        waiting.clear()
        number = next(interrupts, signal.SIGKILL)
        for session in sessions:
            if session.process and session.process.poll() is None:
                session.process.send_signal(number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    workers = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for session in sessions:
        print(f"{session.name}:", *session.last, sep="\n", flush=True)
    ended = [abs(session.process.returncode) if session.process else signal.SIGINT for session in sessions]
    return max([status for status in ended if status != NO_TESTS], default=NO_TESTS)


if __name__ == "__main__":
    sys.exit(main())
