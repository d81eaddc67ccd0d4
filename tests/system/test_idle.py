# SPDX-License-Identifier: Apache-2.0
"""Issue 2, point 9: an idle appliance sleeps. Its management domain polls nothing, and wakes up when it is needed."""

import os
import time
from pathlib import Path

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
