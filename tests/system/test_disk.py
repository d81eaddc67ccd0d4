# SPDX-License-Identifier: Apache-2.0
"""Issue point 12: disks of stock guests, their content and their safety."""

import json
import subprocess
import time

import pytest
from appliance import PATIENCE, Appliance
from guest import attach


def partition_offset(disk, name):
    table = json.loads(subprocess.run(["sfdisk", "--json", str(disk)], check=True, capture_output=True, text=True).stdout)
    entry = next(p for p in table["partitiontable"]["partitions"] if p.get("name") == name)
    return entry["start"] * 512


def test_disk_content_and_boundaries(default_build, tmp_path, hardware):
    """What a guest writes and flushes stands on the appliance's disk, within the guest's partition and nowhere else."""
    disk = tmp_path / "disk.img"
    subprocess.run(["cp", "--sparse=always", str(default_build / "disk.img"), str(disk)], check=True)
    with Appliance(default_build, disk=disk, folder=tmp_path, hardware=hardware) as appliance:
        appliance.shell.wait_prompt()
        one, two = attach(appliance, "linux1").wait_ready(), attach(appliance, "linux2").wait_ready()
        assert int(one.run("cat /sys/block/vda/size")) * 512 == 64 * 1024 * 1024
        one.run("disktest write /dev/vda 64 7", timeout=600)
        one.run("disktest verify /dev/vda 64 7", timeout=600)
        before = disk.read_bytes()
        two.run("disktest write /dev/vda 8 9", timeout=600)
        one.run("disktest verify /dev/vda 64 7", timeout=600)
        # The flush has been acknowledged, so the bytes are there although nobody has shut anything down.
        after = disk.read_bytes()
        start, other = partition_offset(disk, "linux1"), partition_offset(disk, "linux2")
        assert after[start:start + (64 << 20)] == before[start:start + (64 << 20)] != bytes(64 << 20)
        changed = [i for i in range(0, len(after), 1 << 20) if after[i:i + (1 << 20)] != before[i:i + (1 << 20)]]
        assert changed and all(other <= i < other + (8 << 20) for i in changed), changed
        one.run("disktest zeroes /dev/vda 1048576 1048576")
        one.run("sync")
        assert disk.read_bytes()[start + (1 << 20):start + (2 << 20)] == bytes(1 << 20)
        status, text = one.run("disktest discard /dev/vda 2097152 1048576", check=False)
        assert status == 0, f"discard is refused: {text}"


@pytest.fixture(scope="module")
def regions(build_with, tmp_path_factory, hardware):
    out = build_with("regions", [
        "CONFIG_P1_DISK1=y", "CONFIG_P1_DISK1_REGION=y", 'CONFIG_P1_DISK1_LABEL="data"', 'CONFIG_P1_DISK1_OFFSET="1M"', 'CONFIG_P1_DISK1_SIZE="4M"',
        "CONFIG_P2_DISK1=y", "CONFIG_P2_DISK1_REGION=y", 'CONFIG_P2_DISK1_LABEL="data"', 'CONFIG_P2_DISK1_OFFSET="8M"', 'CONFIG_P2_DISK1_SIZE="4M"',
        "CONFIG_P2_DISK1_READONLY=y"])
    with Appliance(out, folder=tmp_path_factory.mktemp("regions"), hardware=hardware) as appliance:
        appliance.shell.wait_prompt()
        yield appliance, attach(appliance, "linux1").wait_ready(), attach(appliance, "linux2").wait_ready()


def test_region_of_a_partition(regions):
    appliance, one, _ = regions
    assert int(one.run("cat /sys/block/vdb/size")) * 512 == 4 << 20
    one.run("disktest write /dev/vdb 4 3")
    one.run("disktest verify /dev/vdb 4 3")
    place = partition_offset(appliance.disk, "data") + (1 << 20)
    content = appliance.disk.read_bytes()
    assert content[place:place + 4096] != bytes(4096)
    assert content[place - 4096:place] == bytes(4096) and content[place + (4 << 20):place + (4 << 20) + 4096] == bytes(4096)


def test_read_only_disk(regions):
    _, _, two = regions
    assert two.run("cat /sys/block/vdb/ro").strip() == "1"
    status, _ = two.run("disktest write /dev/vdb 1 1", check=False)
    assert status != 0


def test_disk_that_is_missing_is_explained(build_with, tmp_path):
    """A label that no partition has: the guest runs without the disk, and `disk` says why."""
    out = build_with("nolabel", ['CONFIG_P1_DISK0_LABEL="nowhere"'])
    with Appliance(out, folder=tmp_path) as appliance:
        appliance.shell.wait_prompt()
        end = time.monotonic() + PATIENCE
        while "opening" in (listing := appliance.shell.run("disk")) and time.monotonic() < end:
            time.sleep(0.3)
        assert "nowhere" in listing and "no partition" in listing.lower(), listing
