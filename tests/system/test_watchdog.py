# SPDX-License-Identifier: Apache-2.0
"""Issue 5, point 5: the hardware watchdog brings the old slot back when an update's management domain hangs from its first instruction."""

import json
import struct

import pytest
from appliance import PATIENCE, connect
from conftest import MACHINE
from test_image import make_in, partitions
from test_power import CONFIGURATION, confirmed, start

from tools.image import state

pytestmark = pytest.mark.arch("x86")  # QEMU's virt has none; sbsa-ref: test_boards.py
START_SECONDS = 40


def stand_still(program):
    """The ELF file's first instruction becomes a branch to itself."""
    data = bytearray(program.read_bytes())
    entry, table = struct.unpack_from("<QQ", data, 24)
    size, count = struct.unpack_from("<HH", data, 54)
    for at in range(table, table + size * count, size):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, at)
        if kind == 1 and address <= entry < address + length:
            place = offset + entry - address
            if data[place:].startswith(MACHINE.itself):
                return
            data[place:place + len(MACHINE.itself)] = MACHINE.itself
            program.write_bytes(data)
            return
    raise AssertionError("no segment has the entry")


@pytest.fixture(scope="module")
def hanging(build_with):
    out = build_with("watchdog", [*CONFIGURATION, f"CONFIG_HARDWARE_WATCHDOG_START_SECONDS={START_SECONDS}"])
    stand_still(out / "bundle/mgmt.elf")
    make_in(out, "bulkhead.img")
    return out


def test_a_trial_that_hangs(hanging, build_with, machine, tmp_path):
    """Slot b is on trial. Its kernel runs and restarts the management domain in vain; the watchdog that the loader has started resets the
    machine, and slot a is back, with the watchdog fed."""
    good, disk = build_with("power", CONFIGURATION), tmp_path / "disk.img"
    make_in(good, "bulkhead.img")
    disk.write_bytes((hanging / "bulkhead.img").read_bytes())
    places = partitions(disk)[1]
    with open(disk, "r+b") as handle:
        handle.seek(places["boot-a"]["start"] * 512)
        handle.write((good / "boot.itb").read_bytes())
        for offset in (state.SLOTS_OFFSET, state.SLOTS_BACKUP_OFFSET):
            handle.seek(places["state"]["start"] * 512 + offset)
            handle.write(state.slot_record([state.confirmed(14), state.Slot(15, 1)], "_a"))
    with start(hanging, machine, disk, tmp_path) as appliance, connect(appliance.qemu, appliance.folder / "qmp", appliance.folder / "qemu.log") as connection:
        connection.settimeout(PATIENCE)
        stream = connection.makefile("rw")
        stream.write('{"execute": "qmp_capabilities"}\n')
        stream.flush()
        appliance.serial.expect("Bulkhead: slot b", PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        for line in stream:
            if json.loads(line).get("event") == "WATCHDOG":
                break
        appliance.serial.expect("Bulkhead: slot a", PATIENCE)
        appliance.shell.wait_prompt()
        runs, found = confirmed(appliance.shell)
        assert runs == "a" and found["b"]["state"] == "does not boot"
        watchdog = appliance.shell.json("watchdog")
        assert watchdog["state"] == "runs" and watchdog["fed"] >= 1
