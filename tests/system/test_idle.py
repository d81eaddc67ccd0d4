# SPDX-License-Identifier: Apache-2.0
"""Issue 2, point 9: an idle appliance sleeps. Its management domain polls nothing, and wakes up when it is needed."""

import os
import re
import time
from pathlib import Path

import pytest
from appliance import PATIENCE
from guest import attach

IDLE_SHARE = 0.1  # of a host CPU; a loop that polls takes all that it gets
WINDOW = 3.0
TRIES = 40


def cpu_seconds(appliance, cpu):
    """What the host has spent on a virtual CPU's thread."""
    thread = next(c["thread-id"] for c in appliance.qmp("query-cpus-fast") if c["cpu-index"] == cpu)
    stat = Path(f"/proc/{appliance.qemu.pid}/task/{thread}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def share(appliance, cpu):
    """Of a host CPU, over WINDOW seconds."""
    start, spent = time.monotonic(), cpu_seconds(appliance, cpu)
    time.sleep(WINDOW)
    return (cpu_seconds(appliance, cpu) - spent) / (time.monotonic() - start)


def test_the_management_domain_sleeps_when_there_is_nothing_to_do(appliance):
    appliance.shell.wait_prompt()
    for guest in ("linux1", "linux2"):
        appliance.wait_state(guest, "running")
    shares = []
    while not shares or shares[-1] > IDLE_SHARE:
        assert len(shares) < TRIES, f"CPU 0 never came to rest: {shares}"
        shares.append(share(appliance, 0))
    # It sleeps; it is not dead.
    assert "management domain" in appliance.shell.run("version")
    assert share(appliance, 0) <= 2 * IDLE_SHARE


EXITS_A_SECOND = 20
EXITS_WINDOW = 10.0


def exits(appliance, guest):
    """All of a guest's so far, and when."""
    said = appliance.shell.run("metrics")
    counts = re.findall(rf'bulkhead_vcpu_exits_total{{domain="{guest}",[^}}]*}} (\d+)', said)
    return sum(map(int, counts)), int(re.search(r"bulkhead_uptime_milliseconds (\d+)", said)[1]) / 1000


@pytest.mark.arch("x86")
def test_an_idle_guest_hardly_exits(appliance):
    """Issue 3, point 7: it programs its timer, ends its interrupts and sleeps by itself."""
    appliance.shell.wait_prompt()
    attach(appliance, "linux1").wait_ready()
    attach(appliance, "linux2").wait_ready()
    rates, end = [], time.monotonic() + PATIENCE
    while not rates or rates[-1] >= EXITS_A_SECOND:
        assert time.monotonic() < end, f"exits a second of linux2, which never came to rest: {rates}"
        before, since = exits(appliance, "linux2")
        time.sleep(EXITS_WINDOW)
        after, until = exits(appliance, "linux2")
        rates.append((after - before) / (until - since))
