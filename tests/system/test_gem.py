# SPDX-License-Identifier: Apache-2.0
"""The ZCU102's own network (issue 5, points 5 and 6): its Ethernet controller is the management domain's, so that there is a TLS console."""

import hashlib
import random

import fault
import pytest
from appliance import PATIENCE, Appliance
from guest import attach
from test_hardware import Peer, wait_link

pytestmark = pytest.mark.arch("arm64")


@pytest.fixture(scope="module")
def machine(build_with, tmp_path_factory):
    out, folder = build_with("zcu102", configuration="zcu102"), tmp_path_factory.mktemp("gem")
    with Appliance(out, folder=folder, extra=fault.stub_arguments(folder)) as appliance:
        appliance.shell.wait_prompt()
        guest = attach(appliance, "linux1").wait_ready()
        guest.wait_for("ip -4 addr show eth0", r"inet 10\.0\.2\.\d+")
        yield appliance, guest


def test_streams(machine):
    """The TLS console is there, and so are a guest's bytes, both ways; more frames than the rings have places."""
    appliance, guest = machine
    taker, giver = Peer(), Peer(random.Random(4).randbytes(2 << 20))
    guest.run("dd if=/dev/urandom of=/tmp/out bs=1048576 count=2")
    guest.run(f"nettest send 10.0.2.2 {taker.port} </tmp/out", timeout=300)
    taker.thread.join(PATIENCE)
    assert guest.run("md5sum /tmp/out").split()[0] == taker.digest
    assert guest.run(f"nc 10.0.2.2 {giver.port} </dev/null | md5sum", timeout=300).split()[0] == hashlib.md5(giver.data).hexdigest()
    nic = appliance.bhctl_json("net")["nics"][0]
    assert nic["offloads"] is None and nic["tx_packets"] > 1024 and nic["rx_packets"] > 1024 and nic["resets"] == 0, nic


def test_link_down_and_up(machine):
    appliance, guest = machine
    appliance.qmp("set_link", name="n0", up=False)
    wait_link(appliance, "down")
    appliance.qmp("set_link", name="n0", up=True)
    wait_link(appliance, "up")
    guest.wait_for("ping -c 1 -W 2 10.0.2.2", " 0% packet loss")


def test_the_management_domain_dies_under_load(machine):
    """Frames go on arriving while its memory is made new; the next one's console answers, and the guest's way is there again."""
    appliance, guest = machine
    guest.run("(ping -i 0.02 -s 1400 10.0.2.2 >/dev/null &) ; ping -c 1 10.0.2.2")
    fault.overwrite(appliance, fault.management_address(appliance, "loop_turn"), appliance.machine.undefined)
    appliance.serial.expect("domains on \\d+ CPUs", 2 * PATIENCE)
    appliance.shell.wait_prompt()
    assert {d["name"]: d["starts"] for d in appliance.bhctl_json("domain", "list")} == {"mgmt": 2, "linux1": 1, "linux2": 1}
    guest = attach(appliance, "linux1")
    guest.wait_for("ping -c 1 -W 2 10.0.2.2", " 0% packet loss")
