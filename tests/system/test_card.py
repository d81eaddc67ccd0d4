# SPDX-License-Identifier: Apache-2.0
"""The SD card of a board as the management domain's disk (issue 5, points 5 to 7): slots, a trial, the state store, a guest's volume."""

import os
import subprocess
import sys
import time

import pytest
from appliance import PATIENCE, TOP, Appliance
from test_boards import CARDS, inserted
from test_guests import partition
from test_image import partitions
from test_locked_uboot import record

sys.path.insert(0, str(TOP))
from tools.image import state  # noqa: E402

pytestmark = pytest.mark.arch("arm64")

# The models give out a card's bytes one register access at a time: a Linux kernel takes half a minute.
SMALL = [*partition(1, "witness", "witness", "1", "DISK0=y", "DISK0_GPT=y", 'DISK0_LABEL="data"', "CRITICAL=y"), "# CONFIG_P2 is not set",
         'CONFIG_IMAGE_VOLUMES="data=2M"', "CONFIG_IMAGE_SLOT_MIB=8", "CONFIG_TRIAL_SETTLE_SECONDS=1"]


def make_card(out, card, slots):
    """The flashed image of a build, its slots as given; where its partitions begin."""
    environment = {name: value for name, value in os.environ.items() if name not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-C", str(TOP), f"O={out}", f"{out}/bulkhead.img"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    subprocess.run(["cp", "--sparse=always", out / "bulkhead.img", card], check=True)
    places = {name: entry["start"] * 512 for name, entry in partitions(card)[1].items()}
    record(card, slots)
    return places


def until(read, wanted):
    """Reads until the answer is as wanted, and returns it."""
    end = time.monotonic() + PATIENCE
    while not wanted(answer := read()):
        assert time.monotonic() < end, answer
        time.sleep(0.3)
    return answer


def keeps_its_volume(shell):
    """The guest goes on writing its volume and reading it back: what differs, it says."""
    before = shell.json("disk")["volumes"][0]
    after = until(lambda: shell.json("disk"), lambda now: now["volumes"][0]["writes"] > before["writes"] + 1)
    assert after["volumes"][0]["reads"] > before["reads"] and not after["volumes"][0]["failed"], after
    assert not after["disks"][0]["errors"] and not after["disks"][0]["resets"], after
    assert "FAIL" not in shell.run("console witness --dump")


@pytest.mark.parametrize("board", CARDS)
def test_slots_state_and_volumes(build_with, tmp_path, board):
    """U-Boot takes slot B's only try; the trial is confirmed on the card. A value is still there after the reset, and so is slot B."""
    out = build_with(f"{board}-witness", SMALL, board)
    card = tmp_path / "card"
    places = make_card(out, card, [state.confirmed(14), state.Slot(15, 1)])
    with Appliance(out, loader="none", folder=tmp_path / "run", disk=card,  # a disk in its own folder would be gone at its end
                   extra=["-kernel", str(out / "u-boot.bin"), *inserted(board, card), *CARDS[board][1]]) as appliance:
        shell = appliance.shell
        appliance.serial.expect("Bulkhead: slot b", PATIENCE)
        shell.wait_prompt()
        slots = until(lambda: shell.json("slots"), lambda slots: slots[1]["state"] == "confirmed")
        assert [slot["runs"] for slot in slots] == [False, True] and [slot["version"] for slot in slots] == [1, 1], slots
        keeps_its_volume(shell)
        shell.run("state set note kept")
        until(lambda: shell.json("state"), lambda kept: kept["store"]["status"] == "stored" and kept["store"]["commits"])
        appliance.serial.send_line("reboot")
        appliance.serial.expect("Bulkhead: slot b", PATIENCE)
        shell.wait_prompt()
        assert "kept" in until(lambda: shell.run("state"), lambda text: "note" in text)
        keeps_its_volume(shell)
    with open(card, "rb") as handle:
        for offset in (state.SLOTS_OFFSET, state.SLOTS_BACKUP_OFFSET):
            handle.seek(places["state"] + offset)
            assert state.read_slot_record(handle.read(32)) == [state.confirmed(14), state.Slot(15, 7, True)]
