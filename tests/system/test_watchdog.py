# SPDX-License-Identifier: Apache-2.0
"""Issue 5, point 5: the old slot is back when an update's management domain hangs from its first instruction: by the hardware watchdog, or
by the kernel where there is none."""

import json
import struct
import subprocess

import pytest
from appliance import PATIENCE, Appliance, connect
from conftest import MACHINE
from test_image import firmware, make_in, partitions
from test_power import CONFIGURATION, confirmed, start

from tools.image import state

CHANGES = {"x86": ["CONFIG_HARDWARE_WATCHDOG_START_SECONDS=40"], "arm64": ["CONFIG_P0_HEARTBEAT_MS=2000"]}


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
def hanging(build_with, machine):
    out = build_with("watchdog", [*CONFIGURATION, *CHANGES[machine.arch]])
    stand_still(out / "bundle/mgmt.elf")
    make_in(out, "bulkhead.img", *(["u-boot.rom"] if machine.arch == "x86" else []))
    return out


@pytest.fixture
def disk(hanging, build_with, tmp_path):
    """Slot b is on trial, and hangs; slot a is good."""
    good, path = build_with("power", CONFIGURATION), tmp_path / "disk.img"
    make_in(good, "bulkhead.img")
    subprocess.run(["cp", "--sparse=always", hanging / "bulkhead.img", path], check=True)
    places = partitions(path)[1]
    with open(path, "r+b") as handle:
        handle.seek(places["boot-a"]["start"] * 512)
        handle.write((good / "boot.itb").read_bytes())
        for offset in (state.SLOTS_OFFSET, state.SLOTS_BACKUP_OFFSET):
            handle.seek(places["state"]["start"] * 512 + offset)
            handle.write(state.slot_record([state.confirmed(14), state.Slot(15, 1)], "_a"))
    return path


def comes_back(appliance):
    appliance.serial.expect("Bulkhead: slot a", PATIENCE)
    appliance.shell.wait_prompt()
    runs, found = confirmed(appliance.shell)
    assert runs == "a" and found["b"]["state"] == "does not boot"


@pytest.mark.arch("x86")  # QEMU's virt has none; sbsa-ref: test_boards.py
@pytest.mark.parametrize("loader", ["uefi", "u-boot"])
def test_the_hardware_watchdog(hanging, machine, disk, tmp_path, loader):
    """The kernel runs and restarts the management domain in vain; the watchdog that the loader (by U-Boot: the slot's starter) has started
    resets the machine, and slot a is back, with the watchdog fed."""
    rom = {"uefi": firmware(hanging / "bulkhead.img", machine), "u-boot": hanging / "u-boot.rom"}[loader]
    made = Appliance(hanging, loader="none", disk=disk, extra=["-bios", str(rom)], folder=tmp_path / "run")
    with made as appliance, connect(appliance.qemu, appliance.folder / "qmp", appliance.folder / "qemu.log") as connection:
        connection.settimeout(PATIENCE)
        stream = connection.makefile("rw")
        stream.write('{"execute": "qmp_capabilities"}\n')
        stream.flush()
        appliance.serial.expect("Bulkhead: slot b", PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        for line in stream:
            if json.loads(line).get("event") == "WATCHDOG":
                break
        comes_back(appliance)
        watchdog = appliance.shell.json("watchdog")
        assert watchdog["state"] == "runs" and watchdog["fed"] >= 1


@pytest.mark.arch("arm64")
def test_without_a_hardware_watchdog(hanging, machine, disk, tmp_path):
    """The kernel resets the machine after some restarts of the management domain, and U-Boot starts slot a."""
    with start(hanging, machine, disk, tmp_path) as appliance:
        appliance.serial.expect("Bulkhead: slot b", PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        comes_back(appliance)
        resets = [event["cause"] for event in appliance.shell.json("log events") if event["kind"] == "reset"]
        assert resets == ["heartbeat"]
