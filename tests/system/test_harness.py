# SPDX-License-Identifier: Apache-2.0
"""The harness itself: a command's answer is found whatever others write on the same line at the same time."""

import itertools
import socket

import pytest
from appliance import Drain, Line, Shell
from guest import Guest

pytestmark = pytest.mark.once

KERNEL = "[   10.102296] scsi 6:0:0:0: Direct-Access [A] 0 ANSI: 5\r\n"


@pytest.fixture
def said(tmp_path):
    """said(text): a Line on which that comes."""
    ends = []

    def say(text):
        here, there = socket.socketpair()
        ends.extend((here, there))
        there.sendall(text.encode())
        return Line(Drain(here, timeout=5), open(tmp_path / "line.log", "wb"))

    yield say
    for end in ends:
        end.close()


@pytest.mark.parametrize("lines", [1, 3])
def test_the_guests_kernel_interrupts_an_answer(said, lines, monkeypatch):
    """At each place of it."""
    typed = "linux1# echo 'beg''in-7='; cat f; echo 'do''ne-7='$?.\r\n"
    answer = "begin-7=\r\none two\r\nthree\r\ndone-7=13.\r\nlinux1# "
    for place in range(len(answer)):
        monkeypatch.setattr(Guest, "marks", itertools.count(7))
        line = said(typed + answer[:place] + lines * KERNEL + answer[place:])
        status, output = Guest(line, "linux1").run("cat f", check=False, timeout=5)
        assert status == 13, place
        # What begins a line may be the command's own: dmesg shows such lines.
        assert output.replace(lines * KERNEL.replace("\r", ""), "") == "one two\nthree\n", (place, output)
        assert place in (10, 19, 26) or "scsi" not in output, (place, output)


def test_a_notice_interrupts_what_is_typed(said):
    """The shell's editor hides its line, says it, and shows prompt and line again."""
    command = "domain list --json"
    notice = "\r\x1b[Kdomain load: stopped [by request]; restarting\r\nbulkhead> "
    for place in range(len(command) + 1):
        line = said("bulkhead> " + command[:place] + notice + command[:place] + command[place:] + '\r\n[{"name": "load"}]\r\nbulkhead> ')
        assert Shell(line).json("domain list", timeout=5) == [{"name": "load"}], place
