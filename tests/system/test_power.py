# SPDX-License-Identifier: Apache-2.0
"""Issue 5, point 5: power lost at any moment of an update and of the first boots after it leaves an appliance that boots.

One update is done in QEMU, with its trial, its confirmation and one more start, while all that is written to the disk is kept. Then the
disk is made as it is if the power goes after any of these writes, of those that were not flushed with all, some sectors or none,
and started from."""

import subprocess
import time
from dataclasses import dataclass, field

import pytest
from appliance import PATIENCE, Appliance
from disk_writes import cuts, lost, read_log
from test_guests import partition
from test_image import firmware, make_in, partitions, stored_state

from tools.image import state

POINTS, SHARES = 128, 8  # of the long run
FEW = 8  # of the short one
OLD = b"\xe5"  # what the slot holds that the update goes into
CONFIGURATION = [*partition(1, "witness", "witness", "1", "CRITICAL=y"), "# CONFIG_P2 is not set", "CONFIG_TRIAL_SETTLE_SECONDS=1",
                 "CONFIG_IMAGE_ESP_MIB=34", "CONFIG_IMAGE_SLOT_MIB=2", 'CONFIG_IMAGE_VOLUMES="data=1M"']


@dataclass
class Recording:
    out: object
    disk: object  # before the first write
    writes: list = field(default_factory=list)
    note: list = field(default_factory=list)  # (writes, value): it was said to be stored after so many
    mark: dict = field(default_factory=dict)  # what was said: writes until then


def start(out, machine, disk, folder, **options):
    return Appliance(out, loader="none", disk=disk, extra=["-bios", str(firmware(out / "bulkhead.img", machine))], folder=folder / "run", **options)


def slots(shell):
    return {slot["slot"]: slot for slot in shell.json("slots")}


def confirmed(shell):
    """The slot that runs, once it is confirmed, and both."""
    end = time.monotonic() + PATIENCE
    while True:
        found = slots(shell)
        for letter, slot in found.items():
            if slot["runs"] and slot["state"] == "confirmed":
                return letter, found
        assert time.monotonic() < end, found
        time.sleep(0.2)


def contents(disk, name, length):
    with open(disk, "rb") as handle:
        handle.seek(partitions(disk)[1][name]["start"] * 512)
        return handle.read(length)


@pytest.fixture(scope="module")
def recording(build_with, machine, tmp_path_factory):
    out, folder = build_with("power", CONFIGURATION), tmp_path_factory.mktemp("power")
    make_in(out, "bulkhead.img", "bulkhead.update")
    made = Recording(out, folder / "before.img")
    disk, log = folder / "disk.img", folder / "writes"
    subprocess.run(["cp", "--sparse=always", out / "bulkhead.img", made.disk], check=True)
    places = partitions(made.disk)[1]
    with open(made.disk, "r+b") as handle:  # slot b is to be another one, so that half of the new version is none
        handle.seek(places["boot-b"]["start"] * 512)
        handle.write(OLD * (places["boot-b"]["size"] * 512))
    subprocess.run(["cp", "--sparse=always", made.disk, disk], check=True)
    sizes = {}
    with start(out, machine, disk, folder, writes=log) as appliance:
        shell = appliance.shell

        def started():
            appliance.serial.expect("images checked", PATIENCE)
            shell.wait_prompt()
            stored_state(shell)

        def note(value):
            shell.run(f"state set note {value}")
            stored_state(shell)
            made.note.append((log.stat().st_size, value))

        started()
        note(1)
        sizes["begun"] = log.stat().st_size
        appliance.bhctl("update", str(out / "bulkhead.update"))
        sizes["installed"] = log.stat().st_size
        note(2)
        sizes["reboot"] = log.stat().st_size
        shell.line.send_line("reboot")
        started()
        assert confirmed(shell)[0] == "b"
        sizes["confirmed"] = log.stat().st_size
        note(3)
        shell.line.send_line("reboot")
        started()
        assert confirmed(shell)[0] == "b"
        appliance.qmp("quit")
        appliance.qemu.wait(30)
    made.writes = read_log(log)

    def so_many(size):
        return sum(write.end <= size for write in made.writes)

    made.mark = {name: so_many(size) for name, size in sizes.items()}
    made.note = [(so_many(size), value) for size, value in made.note]
    return made


def points(recording, number):
    """So many, evenly: half of them, at least, are not among the writes of the slot's bytes."""
    first = partitions(recording.disk)[1]["boot-b"]["start"]
    bulk, others = cuts(recording.writes, 0, lambda write: write.first >= first and len(write.data) > 4096)
    some = min(len(bulk), max(number // 3, number - len(others)))
    few = min(len(others), number - some)
    return sorted([bulk[i * len(bulk) // some] for i in range(some)] + [others[i * len(others) // few] for i in range(few)])


def boots(recording, machine, folder, cut, kept):
    """From what is left. An old or the new version, by what was said before the power went; whole, confirmed, and the state with it."""
    disk = folder / "disk.img"
    subprocess.run(["cp", "--sparse=always", recording.disk, disk], check=True)
    with open(disk, "r+b") as handle:
        for sector, data in lost(recording.writes, cut, kept, seed=cut):
            handle.seek(sector * 512)
            handle.write(data)
    mark, point = recording.mark, f"cut after write {cut} of {len(recording.writes)}, of what was not flushed {kept} is left"
    possible = "a" if cut < mark["begun"] else "b" if mark["installed"] <= cut <= mark["reboot"] or cut >= mark["confirmed"] else "ab"
    with start(recording.out, machine, disk, folder) as appliance:
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        runs, found = confirmed(appliance.shell)
        values = {value["name"]: value["value"] for value in stored_state(appliance.shell)["values"]}
        appliance.qemu.kill()
        appliance.qemu.wait()
    assert runs in possible, point
    fit, update = (recording.out / "boot.itb").read_bytes(), (recording.out / "bulkhead.update").read_bytes()
    assert contents(disk, "boot-a", len(fit)) == fit and update.endswith(fit)
    whole = (fit, OLD * len(fit)) if cut < mark["installed"] else (fit,)
    assert found["b"]["state"] == "does not boot" or contents(disk, "boot-b", len(fit)) in whole, point
    before = max((value for writes, value in recording.note if writes <= cut), default=0)
    assert values["rollback"] == "1" if "rollback" in values else cut < mark["confirmed"], point
    assert int(values.get("note", 0)) in (before, before + 1), point
    place = partitions(disk)[1]["state"]["start"] * 512
    for offset in (state.SLOTS_OFFSET, state.SLOTS_BACKUP_OFFSET):
        with open(disk, "rb") as handle:
            handle.seek(place + offset)
            assert state.read_slot_record(handle.read(32)), point
    return runs


def test_power_cuts(recording, machine, tmp_path):
    """A few of the points below; both versions are found among them."""
    assert {boots(recording, machine, tmp_path, *point) for point in points(recording, FEW)} == {"a", "b"}


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_many_power_cuts(recording, machine, tmp_path, share):
    chosen = points(recording, POINTS)
    assert len(chosen) >= 100
    for point in chosen[share::SHARES]:
        print(share, *point, boots(recording, machine, tmp_path, *point), flush=True)


def test_cycling_the_power_takes_no_try(recording, machine, tmp_path):
    """A confirmed slot has as many tries after starts that ended at once."""
    disk = tmp_path / "disk.img"
    subprocess.run(["cp", "--sparse=always", recording.disk, disk], check=True)
    record = contents(disk, "state", 0x2000)[state.SLOTS_OFFSET:][:32]
    for n in range(4):
        with start(recording.out, machine, disk, tmp_path) as appliance:
            appliance.serial.expect(["Bulkhead: slot a", "images checked"][n % 2], PATIENCE)
            appliance.qemu.kill()
            appliance.qemu.wait()
    now = contents(disk, "state", 0x2000)[state.SLOTS_OFFSET:][:32]
    assert state.read_slot_record(now) == state.read_slot_record(record)
    with start(recording.out, machine, disk, tmp_path) as appliance:
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        assert confirmed(appliance.shell)[0] == "a"
