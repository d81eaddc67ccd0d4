# SPDX-License-Identifier: Apache-2.0
"""A Debian guest's shell, reached through its console."""

import itertools
import re
import time

from appliance import PATIENCE, plain, through

# A line of the guest's kernel. It comes at any time, whole, in the midst of what a program writes.
KERNEL_LINE = r"\[ *\d+\.\d{6}\] [^\n]*\n"


def mark(text):
    """A pattern for a text that the guest's kernel may interrupt."""
    return through(text, KERNEL_LINE)


def without_kernel(output):
    """What programs wrote behind a mark. A whole line that looks like the kernel's stays: it may be dmesg's."""
    return re.sub(f"(?<=[^\n])(?:{KERNEL_LINE})+", "", "=" + output)[1:]


class Guest:
    """`line` is attached to the console of the guest `name`; commands run one at a time."""

    marks = itertools.count(1)

    def __init__(self, line, name):
        self.line, self.name = line, name

    def wait_ready(self, timeout=PATIENCE * 2):
        self.line.expect(mark(f"READY {self.name}:"), timeout)
        self.line.expect(mark(f"{self.name}# "), timeout)
        return self

    def run(self, command, timeout=PATIENCE, check=True):
        """Runs a command and returns its output; its status must be 0 unless check is False (then: (status, output))."""
        number = next(self.marks)
        # The echoed line has quotes within the marks, the answer has none.
        self.line.send_line(f"echo 'beg''in-{number}='; {command}; echo 'do''ne-{number}='$?.")
        self.line.expect(mark(f"begin-{number}="), timeout)
        self.line.expect(mark(f"done-{number}=") + f"((?:\\d|{KERNEL_LINE})+)\\.", timeout)
        output = without_kernel(plain(self.line.before)).removeprefix("\n")
        status = int(re.sub(KERNEL_LINE, "", self.line.match.group(1).decode()))
        if not check:
            return status, output
        assert status == 0, f"{self.name}: {command!r} ended with {status}:\n{output}"
        return output

    def wait_for(self, command, pattern, limit=PATIENCE):
        """Repeats a command until its output matches (the guest's own condition); returns the match."""
        end = time.monotonic() + limit
        while True:
            _, output = self.run(command, check=False)
            found = re.search(pattern, output)
            if found:
                return found
            assert time.monotonic() < end, f"{self.name}: {command!r} never showed {pattern!r}; last:\n{output}"
            self.line.send_line("sleep 0.5")

    def serve(self):
        """Starts nettest's server; it listens at its port, 5001."""
        self.run("(nettest server >/dev/null 2>&1 &); until grep -q ':1389 00000000:0000 0A' /proc/net/tcp; do usleep 50000; done")


def attach(appliance, name):
    return Guest(appliance.console(name), name)
