# SPDX-License-Identifier: Apache-2.0
"""Issue points 10, 11: the vSwitch between stock guests, the outside, VLANs, private switches."""

import re

import pytest
from appliance import Appliance
from guest import attach


@pytest.fixture(scope="module")
def pair(default_build, tmp_path_factory, hardware):
    with Appliance(default_build, folder=tmp_path_factory.mktemp("network"), hardware=hardware) as appliance:
        appliance.shell.wait_prompt()
        yield appliance, attach(appliance, "linux1").wait_ready(), attach(appliance, "linux2").wait_ready()


def test_dhcp_from_outside(pair):
    """On the external switch QEMU's user network gives the guests their addresses, and answers them."""
    for guest in pair[1:]:
        guest.wait_for("ip -4 addr show eth0", r"inet 10\.0\.2\.\d+")
        guest.run("ping -c 3 -W 10 10.0.2.2")


def test_guests_reach_each_other(pair):
    _, one, two = pair
    one.run("ping -c 3 -W 10 192.168.77.2")
    two.run("ping -c 3 -W 10 192.168.77.1")


def test_stream_between_guests_is_right(pair):
    """64 MB with every byte compared, both ways, segmentation offload passed through."""
    _, one, two = pair
    features = one.run("cat /sys/class/net/eth1/device/features")
    for bit, name in ((0, "CSUM"), (11, "HOST_TSO4"), (15, "MRG_RXBUF"), (28, "INDIRECT_DESC"), (29, "EVENT_IDX"), (32, "VERSION_1")):
        assert features[bit] == "1", f"virtio feature {name} was not negotiated: {features}"
    two.serve()
    one.serve()
    assert "content right" in one.run("nettest stream 192.168.77.2 64 check", timeout=600)
    assert "content right" in two.run("nettest stream 192.168.77.1 64 check", timeout=600)
    assert "exchanges" in one.run("nettest request 192.168.77.2 200", timeout=300)


def test_private_switch_is_private(pair):
    """Nothing of the backplane's traffic shows on the external switch."""
    appliance, one, _ = pair

    def counted():
        # Guests' ports alone: the appliance's own console goes over the external switch as well.
        ports = [p for p in appliance.bhctl_json("net", "ports") if "linux" in p["port"]]
        return {(p["switch"], p["port"]): p["rx_packets"] + p["tx_packets"] for p in ports}

    before = counted()
    one.run("ping -c 40 -i 0.05 192.168.77.2")
    after = counted()
    private = sum(after[key] - before[key] for key in after if key[0] == "backplane")
    outside = sum(after[key] - before[key] for key in after if key[0] != "backplane")
    assert private >= 160, "each of 40 requests and answers passes two ports"
    assert outside < 40, f"the backplane's frames are heard on other switches: {before} {after}"


def test_vlans_keep_guests_apart(build_with, tmp_path):
    """Access ports of two VLANs do not hear each other; a trunk port hears both, tagged."""
    out = build_with("vlan", ['CONFIG_P1_NIC1_VLAN=10', 'CONFIG_P2_NIC1_TRUNK=y', 'CONFIG_P2_NIC1_ALLOWED="10,20"', 'CONFIG_P2_NIC1_VLAN=30'])
    with Appliance(out, folder=tmp_path) as appliance:
        appliance.shell.wait_prompt()
        one, two = attach(appliance, "linux1").wait_ready(), attach(appliance, "linux2").wait_ready()
        status, _ = one.run("ping -c 3 -W 2 192.168.77.2", check=False)
        assert status != 0, "an untagged trunk address answers an access port of VLAN 10"
        # Debian's kernel has 802.1Q as a module that the initramfs leaves out, so the frames are looked at raw.
        ports = {(p["switch"], p["port"]): p for p in appliance.bhctl_json("net", "ports")}
        trunk = next(p for key, p in ports.items() if key[0] == "backplane" and "linux2" in key[1])
        assert trunk["tx_packets"] > 0, "the trunk port hears VLAN 10's broadcasts, tagged"
        assert re.search(r"eth1", two.run("ip link"))
