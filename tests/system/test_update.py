# SPDX-License-Identifier: Apache-2.0
"""Issue 5, point 5: updates over TLS into the idle slot, their trial, and the way back (docs/update.md)."""

import signal
import subprocess
import time

import pytest
from appliance import PATIENCE, TOP, Appliance
from test_image import firmware, image, make_in, partitions, start_from, stored_state  # noqa: F401 (a fixture)

from tools.image import state


@pytest.fixture(scope="module")
def update(image):  # noqa: F811
    make_in(image.parent, "bulkhead.update")
    return image.parent / "bulkhead.update"


def slots(appliance):
    return {slot["slot"]: slot for slot in appliance.bhctl_json("slots")}


def wait(what, limit=PATIENCE):
    """Until what() is true."""
    end = time.monotonic() + limit
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.3)
    return found


def refused(appliance, path, why):
    done = appliance.bhctl("update", str(path), check=False)
    assert done.returncode == 1 and why in done.stderr, done


def send_part(appliance, update, until):
    """An update whose sender is killed when until() says so."""
    command = ["/usr/bin/python3", str(TOP / "tools/bhctl"), "--certificates", str(appliance.certificates), f"localhost:{appliance.tls_port}", "update", str(update)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sender:
        wait(until)
        sender.send_signal(signal.SIGKILL)


def test_an_update_from_the_first_byte_to_its_confirmation(image, update, machine, tmp_path):  # noqa: F811
    damaged = tmp_path / "damaged.update"
    with start_from(image, machine, tmp_path) as appliance:
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        stored_state(appliance.shell)
        appliance.bhctl("version")
        for at, why in ((0, "this is no update"), (70, "it is for the board"), (460, "its signature is wrong")):
            data = bytearray(update.read_bytes()[:1 << 20])
            data[at] ^= 1
            damaged.write_bytes(data)
            refused(appliance, damaged, why)
        assert slots(appliance)["b"]["state"] == "confirmed"  # nothing was touched
        assert appliance.bhctl("update", str(tmp_path / "nothing"), check=False).returncode == 125

        send_part(appliance, update, lambda: appliance.bhctl_json("update")["update"] == "writing")
        wait(lambda: appliance.bhctl_json("update")["problem"] == "the connection was lost")
        found = slots(appliance)
        assert found["b"]["state"] == "does not boot" and found["a"]["state"] == "confirmed" and found["a"]["runs"]

        done = appliance.bhctl("update", str(update))
        assert "in slot b; 'reboot' tries it" in done.stdout and "sent 100%" in done.stderr
        assert slots(appliance)["b"]["state"] == "waits for its trial boot"
        assert "bulkhead_updates_installed_total 1" in appliance.bhctl("metrics").stdout
        assert all(d["state"] == "running" for d in appliance.bhctl_json("domain", "list"))
        appliance.bhctl("reboot")
        appliance.serial.expect("Bulkhead: slot b", PATIENCE)
        appliance.serial.expect("slot b .version 1. is confirmed", PATIENCE)
        found = slots(appliance)
        assert found["b"]["state"] == "confirmed" and found["b"]["runs"] and found["b"]["next"] and found["a"]["state"] == "confirmed"
        assert appliance.bhctl("update", "confirm", check=False).returncode == 1
        assert "slot a (" in appliance.bhctl("update", "rollback").stdout
        assert slots(appliance)["a"]["next"]


def confirmed_later(disk):
    """The appliance has confirmed a version that is later than that of both slots."""
    with open(disk, "r+b") as handle:
        for bank in range(state.BANKS):
            handle.seek(partitions(disk)[1]["state"]["start"] * 512 + state.FIRST_BANK + bank * state.BANK_BYTES)
            handle.write(state.bank({"rollback": (b"2", state.KEPT)}, 7))


@pytest.mark.arch("arm64")
def test_a_version_that_went_by_is_given_up(image, machine, tmp_path):  # noqa: F811
    """U-Boot looks at no version: the management domain goes to the other slot, and tells where that is no better."""
    with start_from(image, machine, tmp_path, confirmed_later) as appliance:
        appliance.serial.expect("Bulkhead: slot a", PATIENCE)
        appliance.serial.expect("slot a is given up: its version 1 is too old, this appliance takes 2 or later[.] The appliance restarts with slot b", PATIENCE)
        appliance.serial.expect("Bulkhead: slot b", PATIENCE)
        appliance.serial.expect("DANGER: slot b: its version 1 is too old, this appliance takes 2 or later; but there is no other slot that boots", PATIENCE)


@pytest.mark.arch("x86")
def test_a_version_that_went_by_does_not_boot(image, machine, tmp_path):  # noqa: F811
    """The loader refuses what is older than a version that was confirmed."""
    with start_from(image, machine, tmp_path, confirmed_later) as appliance:
        for slot in "ab":
            appliance.serial.expect("Bundle: version 1 is too old: this machine takes version 2 or later", PATIENCE)
            appliance.serial.expect(f"slot {slot}: the kernel would refuse its bundle")
        appliance.serial.expect("no slot boots", PATIENCE)


@pytest.mark.slow
def test_power_cuts(image, update, machine, tmp_path):  # noqa: F811
    """QEMU is killed at a dozen moments of an update and of the boot that follows it; what is on the disk then boots, and
    ends with a confirmed slot."""
    disk, total = tmp_path / "image", update.stat().st_size
    subprocess.run(["cp", "--sparse=always", str(image), str(disk)], check=True)

    def confirmed():
        return any(slot["runs"] and slot["state"] == "confirmed" for slot in slots(appliance).values())

    def written(part):
        found = appliance.bhctl_json("update")
        return (found["update"] == "writing" and found["done"] >= part) or found["update"] not in ("waiting for its manifest", "checking the signature", "checking that the other slot is whole", "closing the slot", "writing")

    for n in range(13):
        with Appliance(image.parent, loader="none", disk=disk, extra=["-bios", str(firmware(image, machine))], folder=tmp_path / "run") as appliance:
            appliance.serial.expect("images checked", PATIENCE)
            appliance.shell.wait_prompt()
            wait(confirmed)
            if n < 9:
                send_part(appliance, update, lambda: written(total * n // 9))
            elif n < 12:
                appliance.bhctl("update", str(update))
                appliance.bhctl("reboot")
                appliance.serial.expect(["Bulkhead: slot b", "images checked", "is on trial"][n - 9], PATIENCE)
            appliance.qemu.kill()
            appliance.qemu.wait()
