# SPDX-License-Identifier: Apache-2.0
"""Issue point 14: the management domain dies in the middle of traffic, and not a byte of it is lost or doubled."""

import re

import fault
import pytest
from appliance import PATIENCE, Appliance
from guest import attach

STREAM_MB = 200


@pytest.fixture(scope="module")
def pair(default_build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reattach")
    with Appliance(default_build, folder=folder, extra=fault.stub_arguments(folder)) as appliance:
        appliance.shell.wait_prompt()
        yield appliance, attach(appliance, "linux1").wait_ready(), attach(appliance, "linux2").wait_ready()


def test_a_stream_survives_the_management_domain(pair):
    """The switch is gone for a moment; the queues go on where they were, and every byte of the stream is compared."""
    appliance, one, two = pair
    address = fault.management_address(appliance, "loop_turn")
    two.serve()
    one.run(f"(nettest stream 192.168.77.2 {STREAM_MB} check >/tmp/stream 2>&1 &)")
    one.run("(ping -i 0.2 192.168.77.2 >/tmp/ping 2>&1 &)")
    one.wait_for("cat /proc/net/dev", r"eth1: +\d+ +\d+ +(?:\d+ +){6}\d{7,}")
    fault.overwrite(appliance, address, appliance.machine.undefined)
    appliance.serial.expect("domains on \\d+ CPUs", 2 * PATIENCE)
    appliance.shell.wait_prompt()
    done = appliance.shell.json("domain list")
    assert {d["name"]: d["starts"] for d in done} == {"mgmt": 2, "linux1": 1, "linux2": 1}

    one = attach(appliance, "linux1")
    one.line.expect("linux1# ")
    one.line.send_line("")
    result = one.wait_for("cat /tmp/stream", r"nettest.*", 2 * PATIENCE)
    assert "content right" in result.group(0), result.group(0)
    one.run("killall -INT ping; sleep 1")
    lost = re.search(r"(\d+)% packet loss", one.run("cat /tmp/ping"))
    assert lost and int(lost.group(1)) < 10, "more than a moment's pings are lost"
