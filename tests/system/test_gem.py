# SPDX-License-Identifier: Apache-2.0
"""The ZCU102's own network (issue 5, points 5 and 6): its Ethernet controller is the management domain's, so that there is a TLS console."""

import hashlib
import random
import sys

import fault
import pytest
from appliance import PATIENCE, TOP, Appliance
from guest import attach
from test_boards import inserted
from test_card import SMALL, make_card, until
from test_hardware import Peer, wait_link
from test_image import make_in

sys.path.insert(0, str(TOP))
from tools.image import state  # noqa: E402

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


def test_an_update_onto_the_card(build_with, tmp_path):
    """Issue 5, point 5, whole on this board: by TLS into the other slot on the card, refused where it is damaged; U-Boot tries it once, and
    the trial is confirmed, while a guest writes its volume on the same card."""
    out, card = build_with("zcu102-witness", SMALL, "zcu102"), tmp_path / "card"
    places = make_card(out, card, [state.confirmed(15), state.confirmed(14)])
    make_in(out, "bulkhead.update")
    slot, update = (out / "boot.itb").read_bytes(), (out / "bulkhead.update").read_bytes()
    (tmp_path / "damaged").write_bytes(update[:-1000] + bytes([update[-1000] ^ 1]) + update[-999:])
    with open(card, "r+b") as handle:
        handle.seek(places["boot-b"])
        handle.write(bytes(len(slot)))
    with Appliance(out, loader="none", folder=tmp_path / "run", disk=card,
                   extra=["-kernel", str(out / "u-boot.bin"), *inserted("zcu102", card)]) as appliance:

        def runs(letter):
            appliance.serial.expect(f"Bulkhead: slot {letter}", PATIENCE)
            appliance.shell.wait_prompt()
            return until(lambda: appliance.shell.json("slots"), lambda slots: all(slot["state"] for slot in slots))

        runs("a")
        done = appliance.bhctl("update", str(tmp_path / "damaged"), check=False, wait=True)
        assert done.returncode == 1, done
        assert "in slot b; 'reboot' tries it" in appliance.bhctl("update", str(out / "bulkhead.update")).stdout
        with open(card, "rb") as handle:
            handle.seek(places["boot-b"])
            assert handle.read(len(slot)) == slot
        appliance.bhctl("reboot")
        runs("b")
        slots = until(lambda: appliance.bhctl_json("slots"), lambda slots: slots[1]["state"] == "confirmed")
        assert [slot["runs"] for slot in slots] == [False, True] and slots[1]["next"], slots
        assert "FAIL" not in appliance.bhctl("console", "witness", "--dump").stdout
        nic = appliance.bhctl_json("net")["nics"][0]
        assert not nic["resets"], nic
