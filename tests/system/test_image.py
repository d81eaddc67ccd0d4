# SPDX-License-Identifier: Apache-2.0
"""The disk image, its block map, and writing it to a device (issue 5, point 1; what begins in "state": points 5 and 7)."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
from appliance import PATIENCE, TOP, Appliance

sys.path.insert(0, str(TOP))
from tools.image import bmap, flash, gpt, state  # noqa: E402
from tools.image.device import Machine, Refused  # noqa: E402

OWN = ["esp", "boot-a", "boot-b", "state"]
VOLUMES = ["linux1", "linux2", "data"]
MIB = 1 << 20


def run(*command, **options):
    environment = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment, **options)


def need(tool):
    if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        pytest.skip(f"{tool} is not installed")


SMALL = ["CONFIG_IMAGE_ESP_MIB=36", "CONFIG_IMAGE_SLOT_MIB=2", 'CONFIG_IMAGE_VOLUMES="linux1=1M linux2=1M data=2M"']


def make_image(output, slot, esp, changes=(), check=True):
    """What `make image` runs, with a slot of any bytes."""
    folder = output.parent
    folder.mkdir(parents=True, exist_ok=True)
    text = (TOP / "configs/qemu_virt_defconfig").read_text() + "".join(f"{change}\n" for change in [*SMALL, *changes])
    (folder / ".config").write_text(text)
    (folder / "slot.itb").write_bytes(slot)
    (folder / "file").write_bytes(esp)
    done = run("/usr/bin/python3", "-B", "-m", "tools.image", "--config", folder / ".config", "--version", "1-test", "--slot", folder / "slot.itb",
               "--esp", f"EFI/BOOT/BOOTX64.EFI={folder}/file", "--esp", f"boot.scr={folder}/file", "--output", output, cwd=TOP)
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An image whose slots hold no kernel."""
    need("mkfs.fat")
    path = tmp_path_factory.mktemp("small") / "one.img"
    make_image(path, SLOT, bytes(9000) + b"end")
    return path


SLOT = bytes(range(256)) * 40 + bytes(50000) + b"the last bytes"


def partitions(path):
    need("sfdisk")
    done = run("sfdisk", "-J", path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    table = json.loads(done.stdout)["partitiontable"]
    return table, {entry["name"]: entry for entry in table["partitions"]}


@pytest.mark.once
def test_the_same_bytes_at_another_time_and_place(small, tmp_path):
    time.sleep(2.1)  # FAT counts in steps of two seconds
    other = tmp_path / "another place/other.img"
    make_image(other, SLOT, bytes(9000) + b"end")
    for suffix in ("", ".bmap"):
        assert (other.parent / f"other.img{suffix}").read_bytes() == (small.parent / f"one.img{suffix}").read_bytes()


@pytest.mark.once
def test_identities_follow_configuration_and_nothing_else(small, tmp_path):
    other = tmp_path / "other.img"
    make_image(other, SLOT, b"", changes=['CONFIG_HOSTNAME="another"'])
    ours, theirs = partitions(small)[0], partitions(other)[0]
    assert ours["id"] != theirs["id"]
    guids = [entry["uuid"] for table in (ours, theirs) for entry in table["partitions"]]
    assert len(set(guids)) == len(guids)


@pytest.mark.once
def test_partition_table(small):
    table, found = partitions(small)
    assert list(found) == OWN + VOLUMES
    assert table["label"] == "gpt" and all(entry["start"] % 2048 == 0 and entry["size"] % 2048 == 0 for entry in found.values())
    assert found["esp"]["type"] == str(gpt.ESP).upper() and found["boot-a"]["size"] == found["boot-b"]["size"]
    need("sgdisk")
    done = run("sgdisk", "-v", small)
    assert done.returncode == 0 and "No problems found" in done.stdout, done.stdout


@pytest.mark.once
def test_the_appliance_reads_what_the_tool_wrote(small, tmp_path):
    """With the C files that it is made of: both partition tables, slot record, every bank."""
    reader = tmp_path / "reader"
    done = run("gcc", "-std=gnu2x", "-Wall", "-Werror", "-I.", "-Iinclude", "-o", reader, "tests/system/image_reader.c",
               *(f"storage/{name}.c" for name in ("gpt", "slots", "state_format")), cwd=TOP)
    assert done.returncode == 0, done.stderr
    done = run(reader, small, *OWN, *VOLUMES)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    places = [f"{name} {entry['start'] * 512} {entry['size'] * 512}" for name, entry in partitions(small)[1].items()]
    assert lines[:14] == places * 2
    assert lines[14:] == ["next 0", "then 1", *(f"bank {n} sequence 1" for n in range(3))]
    filled = tmp_path / "filled.img"
    shutil.copy(small, filled)
    values = {"tls.key": b"secret", "address": b"10.0.0.1/24", "rollback": (b"7", state.KEPT), "a": b"", "a.b": b"1", "a-b": b"2"}
    with open(filled, "r+b") as handle:
        handle.seek(partitions(small)[1]["state"]["start"] * 512)
        handle.write(state.partition([state.Slot(), state.confirmed(15)], values)[:-1])
    done = run(reader, filled, "state")
    assert done.stdout.splitlines()[2:4] == ["next 1", "then -1"]
    for line in ("a= 0", "a-b=2 0", "a.b=1 0", "address=10.0.0.1/24 0", "rollback=7 1", "tls.key=secret 0"):
        assert done.stdout.count(f"value {line}\n") == 3
    assert state.read_bank(state.bank(values, 9)) == (9, {name: value if isinstance(value, tuple) else (value, 0) for name, value in values.items()})


@pytest.mark.once
def test_contents(small, tmp_path):
    data, (_, found) = small.read_bytes(), partitions(small)
    for name in ("boot-a", "boot-b"):
        assert data[found[name]["start"] * 512:].startswith(SLOT)
    (tmp_path / "esp").write_bytes(data[found["esp"]["start"] * 512:][:found["esp"]["size"] * 512])
    need("mcopy")
    for name in ("EFI/BOOT/BOOTX64.EFI", "boot.scr"):
        done = run("mcopy", "-i", tmp_path / "esp", f"::{name}", tmp_path / "out")
        assert done.returncode == 0 and (tmp_path / "out").read_bytes() == bytes(9000) + b"end"
        (tmp_path / "out").unlink()
    done = run("fsck.fat", "-n", tmp_path / "esp")
    assert done.returncode == 0, done.stdout
    summary = small.with_suffix(".txt").read_text()
    assert all(re.search(rf"^{name} +{entry['start'] * 512} +{entry['size'] * 512} ", summary, re.M) for name, entry in found.items())
    assert f"image: {len(data)} bytes" in summary


@pytest.mark.once
def test_one_slot(tmp_path):
    need("mkfs.fat")
    path = tmp_path / "one.img"
    make_image(path, SLOT, b"", changes=["CONFIG_IMAGE_ONE_SLOT=y"])
    data, (_, found) = path.read_bytes(), partitions(path)
    assert not any(data[found["boot-b"]["start"] * 512:][:len(SLOT)])
    record = data[found["state"]["start"] * 512 + state.SLOTS_OFFSET:][:32]
    assert state.read_slot_record(record) == [state.confirmed(15), state.Slot()]


@pytest.mark.once
def test_block_map(small, tmp_path):
    """What it lists is enough: over a device full of other bytes, nothing of what the image needs is missing."""
    need("bmaptool")
    device = tmp_path / "device"
    with open(device, "wb") as handle:
        for _ in range(small.stat().st_size // MIB):
            handle.write(b"\xe5" * MIB)
    done = run("bmaptool", "copy", "--bmap", f"{small}.bmap", small, device)
    assert done.returncode == 0, done.stderr
    data, image, (_, found) = device.read_bytes(), small.read_bytes(), partitions(device)
    assert data[:34 * 512] == image[:34 * 512] and data[-33 * 512:] == image[-33 * 512:]
    for name, length in (("state", 4 * MIB), ("boot-a", len(SLOT)), ("boot-b", len(SLOT)), *((name, MIB) for name in VOLUMES)):
        at = found[name]["start"] * 512
        assert data[at:at + length] == image[at:at + length], f"{name} is not all in the block map"
    (tmp_path / "esp").write_bytes(data[found["esp"]["start"] * 512:][:found["esp"]["size"] * 512])
    assert run("fsck.fat", "-n", tmp_path / "esp").returncode == 0
    assert run("mcopy", "-i", tmp_path / "esp", "::EFI/BOOT/BOOTX64.EFI", tmp_path / "out").returncode == 0
    assert (tmp_path / "out").read_bytes() == bytes(9000) + b"end"
    text = (small.parent / "one.img.bmap").read_text()
    damaged = text.replace('chksum="', 'chksum="0', 1)
    with pytest.raises(bmap.Damaged):
        bmap.read(damaged)


@pytest.mark.once
@pytest.mark.parametrize("changes, text", [
    (['CONFIG_IMAGE_VOLUMES="linux1=64M data=64M"'], "partition 2 'linux2': DISK0_LABEL=linux2: the image has no such volume; choose linux1 or data"),
    (['CONFIG_IMAGE_VOLUMES="linux1=64M linux2=64M linux1=1M"'], "volume 'linux1': .*the name is taken"),
    (['CONFIG_IMAGE_VOLUMES="linux1=64M linux2=64M state=1M"'], "volume 'state': .*the name is taken"),
    (['CONFIG_IMAGE_VOLUMES="linux1=64M linux2=100K"'], "volume 'linux2': .*102400 bytes are no multiple of 1M; choose 1M"),
    (['CONFIG_IMAGE_VOLUMES="linux1=64M linux2=much"'], "volume 'linux2': .*'much' is no size"),
    (['CONFIG_IMAGE_VOLUMES="linux1=64M linux2"'], "'linux2' is no volume; write NAME=SIZE"),
    (['CONFIG_P1_DISK0_LABEL="boot-a"'], "partition 1 'linux1': DISK0_LABEL=boot-a: is the appliance's own"),
    (['CONFIG_P1_DISK0_WHOLE=y'], "partition 1 'linux1': DISK0=the whole disk: the kernel and the state lie on that disk too"),
])
def test_what_cannot_work_is_refused(tmp_path, changes, text):
    done = make_image(tmp_path / "x.img", SLOT, b"", changes=changes, check=False)
    assert done.returncode != 0 and re.search(text, done.stderr), done.stderr
    assert not list(tmp_path.glob("*.img"))


@pytest.mark.once
def test_what_does_not_fit_is_refused(tmp_path):
    need("mkfs.fat")
    done = make_image(tmp_path / "x.img", bytes(3 * MIB), b"", changes=["CONFIG_IMAGE_SLOT_MIB=2"], check=False)
    assert "do not fit into a boot slot of 2 MiB; raise IMAGE_SLOT_MIB to 4 or more" in done.stderr
    done = make_image(tmp_path / "x.img", SLOT, bytes(20 * MIB), changes=["CONFIG_IMAGE_ESP_MIB=34"], check=False)
    assert "has no room" in done.stderr and "IMAGE_ESP_MIB" in done.stderr
    slot = tmp_path / "slot"
    slot.write_bytes(SLOT)
    done = run("/usr/bin/python3", "-B", "-m", "tools.image.container", "--seal", slot, "--most", f"{len(SLOT) - 1:x}", cwd=TOP)
    assert f"this board's U-Boot takes at most {len(SLOT) - 1}" in done.stderr and slot.read_bytes() == SLOT
    assert run("/usr/bin/python3", "-B", "-m", "tools.image.container", "--seal", slot, "--most", f"{len(SLOT):x}", cwd=TOP).returncode == 0


class Device(Machine):
    """A machine with one disk, sdx, which is a file; what the kernel tells of it is in folders of this test."""

    def __init__(self, folder, size, **facts):
        self.folder, self.path = folder, folder / "sdx"
        self.disk = folder / "sys/devices/sdx"
        super().__init__(folder / "sys", folder / "proc", lambda path: "8:160")
        for name, text in {"dev": "8:160", "size": str(size // 512), "ro": "0", "removable": "1", "device/vendor": "ACME   ", "device/model": "Stick 3000",
                           "queue/logical_block_size": "512", **facts}.items():
            self.tell(f"sdx/{name}", text)
        (folder / "sys/dev/block").mkdir(parents=True)
        (folder / "sys/dev/block/8:160").symlink_to(self.disk)
        (folder / "proc/self").mkdir(parents=True)
        (folder / "proc/self/mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
        (folder / "proc/swaps").write_text("Filename Type Size Used Priority\n")
        with open(self.path, "wb") as handle:
            handle.truncate(size)

    def tell(self, name, text):
        path = self.folder / "sys/devices" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")

    def partition(self, number):
        self.tell(f"sdx/sdx{number}/partition", str(number))
        self.tell(f"sdx/sdx{number}/dev", f"8:{160 + number}")

    def mount(self, number, source, point):
        with open(self.folder / "proc/self/mountinfo", "a", encoding="utf-8") as handle:
            handle.write(f"30 22 {number} / {point} rw,relatime shared:1 - ext4 {source} rw\n")

    def hold(self, part, holder, number, name=None):
        self.tell(f"virtual/{holder}/dev", number)
        if name:
            self.tell(f"virtual/{holder}/dm/name", name)
        holders = self.folder / "sys/devices" / part / "holders"
        holders.mkdir(parents=True, exist_ok=True)
        (holders / holder).symlink_to(self.folder / "sys/devices/virtual" / holder)

    def flash(self, image, answer="sdx"):
        self.out, self.questions = io.StringIO(), []
        flash.flash(str(image), str(self.path), self, lambda question: self.questions.append(question) or answer, self.out, lambda path: ["sdx1 1G ext4 old data"])
        return self.out.getvalue()


@pytest.mark.once
@pytest.mark.parametrize("more", [0, 8192, MIB // 2, 100 * MIB])
def test_flash(small, tmp_path, more):
    """It names the device, asks, writes, verifies; the partition table fits a larger device as well."""
    size = small.stat().st_size
    device = Device(tmp_path, size + more)
    with open(device.path, "r+b") as handle:
        handle.write(b"\xe5" * (2 * MIB))
        handle.seek(-MIB, os.SEEK_END)
        handle.write(b"\xe5" * MIB)
    device.partition(1)
    said = device.flash(small)
    assert "ACME Stick 3000" in said and "removable" in said and "old data" in said
    assert device.questions == ["  To overwrite all of it, type its name (sdx): "]
    assert "writing   100%" in said and "verifying 100%" in said and "written and verified" in said
    data, image = device.path.read_bytes(), small.read_bytes()
    found, ours = partitions(device.path)[1], partitions(small)[1]
    assert {name: (entry["start"], entry["uuid"]) for name, entry in found.items()} == {name: (entry["start"], entry["uuid"]) for name, entry in ours.items()}
    at = found["boot-a"]["start"] * 512
    assert data[at:at + len(SLOT)] == image[at:at + len(SLOT)]
    if shutil.which("sgdisk"):
        assert "No problems found" in run("sgdisk", "-v", device.path).stdout


@pytest.mark.once
def test_flash_refuses(small, tmp_path):
    size = small.stat().st_size

    def refused(name, text, change=lambda device: None, size=size, answer="sdx", asked=False, **facts):
        device = Device(tmp_path / name, size, **facts)
        device.partition(1)
        change(device)
        with pytest.raises(Refused) as error:
            device.flash(small, answer)
        assert re.search(text, str(error.value)), error.value
        assert bool(device.questions) == asked
        assert not any(device.path.read_bytes()[:MIB])

    refused("small", f"too small: it has {size - MIB} bytes, the image needs {size}", size=size - MIB)
    refused("disk", "in use:\n    sdx is mounted at /mnt", lambda device: device.mount("8:160", "/dev/sdx", "/mnt"))
    refused("partition", "in use:\n    sdx1 is mounted at /media/old data\n  Unmount it", lambda device: device.mount("8:161", "/dev/sdx1", "/media/old\\040data"))
    refused("btrfs", "sdx1 is mounted at /srv", lambda device: device.mount("0:45", "/dev/sdx1", "/srv"))
    refused("host", "the disk that this machine runs from:\n    sdx1 is mounted at /boot/efi", lambda device: device.mount("8:161", "/dev/sdx1", "/boot/efi"))
    refused("lvm", r"device mapper \(vg-home\), mounted at /srv", lambda device: (device.hold("sdx/sdx1", "dm-3", "253:3", "vg-home"), device.mount("253:3", "/dev/mapper/vg-home", "/srv")))
    refused("root", "machine runs from:\n    sdx1 belongs to .*mounted at /$", lambda device: (device.hold("sdx/sdx1", "dm-0", "253:0", "root"), device.mount("253:0", "/dev/mapper/root", "/")))
    refused("stack", "machine runs from:\n    sdx belongs to .*md0.*mounted at /usr$",
            lambda device: (device.hold("sdx", "md0", "9:0"), device.hold("virtual/md0", "dm-1", "253:1", "usr"), device.mount("253:1", "/dev/mapper/usr", "/usr")))
    refused("raid", "RAID or another driver \\(md127\\)", lambda device: device.hold("sdx", "md127", "9:127"))
    refused("swap", "sdx1 is swap space in use", lambda device: (device.folder / "proc/swaps").write_text("Filename\n/dev/sdx1 partition 1000 0 -2\n"))
    refused("protected", "write-protected", ro="1")
    refused("native", "blocks of 4096 bytes", **{"queue/logical_block_size": "4096"})
    refused("part", "is a partition of devices; .*name the whole disk", partition="1")
    refused("no", "not confirmed; nothing was written", answer="y", asked=True)
    refused("empty", "not confirmed", answer="", asked=True)


@pytest.mark.once
def test_a_device_that_is_mounted_while_the_question_stands_is_refused(small, tmp_path):
    device = Device(tmp_path, small.stat().st_size)

    def answer(_):
        device.mount("8:160", "/dev/sdx", "/mnt")
        return "sdx"

    with pytest.raises(Refused, match="mounted at /mnt"):
        flash.flash(str(small), str(device.path), device, answer, io.StringIO(), lambda path: [])
    assert not any(device.path.read_bytes()[:MIB])


@pytest.mark.once
def test_flash_finds_damage(small, tmp_path, monkeypatch):
    image = tmp_path / "damaged.img"
    shutil.copy(small, image)
    shutil.copy(f"{small}.bmap", f"{image}.bmap")
    at = partitions(small)[1]["boot-a"]["start"] * 512
    with open(image, "r+b") as handle:
        handle.seek(at + 5000)
        handle.write(b"\0\1")
    with pytest.raises(bmap.Damaged, match="the image is damaged in its blocks"):
        Device(tmp_path / "one", small.stat().st_size).flash(image)
    real = os.pwrite

    def lossy(handle, data, offset):
        return len(data) if offset <= at < offset + len(data) else real(handle, data, offset)

    monkeypatch.setattr(os, "pwrite", lossy)
    with pytest.raises(bmap.Damaged, match="read back of the blocks .* is not what was written"):
        Device(tmp_path / "two", small.stat().st_size).flash(small)


@pytest.mark.once
def test_flash_says_what_is_missing(tmp_path):
    done = run("make", f"O={tmp_path}", "flash", cwd=TOP)
    assert done.returncode != 0 and "usage: make flash DEV=" in done.stdout
    done = run("make", f"O={tmp_path}", "flash", "DEV=/dev/nosuchdisk", cwd=TOP)
    assert "`make image` makes it" in done.stderr


def make_in(out, *files):
    """Of a configuration that is built: what `make image` or `make update` adds."""
    environment = {name: value for name, value in os.environ.items() if name not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-C", str(TOP), f"O={out}", *(f"{out}/{file}" for file in files)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def image(default_build):
    """The default configuration's, as `make image` makes it."""
    need("mkfs.fat")
    make_in(default_build, "bulkhead.img")
    return default_build / "bulkhead.img"


def firmware(image, machine):
    """OVMF; the U-Boot that was built with the image."""
    return {"x86": "/usr/share/ovmf/OVMF.fd", "arm64": image.parent / "u-boot.bin"}[machine.arch]


def start_from(image, machine, folder, change=lambda disk: None):
    """An appliance whose firmware finds nothing but a copy of the image."""
    disk = folder / "image"
    subprocess.run(["cp", "--sparse=always", str(image), str(disk)], check=True)
    change(disk)
    return Appliance(image.parent, loader="none", disk=disk, extra=["-bios", str(firmware(image, machine))], folder=folder)


def stored_state(shell):
    """`state`, once the store is open and everything in it is stable."""
    end = time.monotonic() + PATIENCE
    while (found := shell.json("state"))["store"]["status"] != "stored":
        assert time.monotonic() < end, found
    return found


def test_the_image_boots_and_keeps_values(image, machine, tmp_path):
    """One file: firmware (OVMF; our U-Boot) finds everything on it, the guests' volumes are there, and what is set
    stays over a reset until a factory reset."""
    own = tmp_path / "own"
    with start_from(image, machine, tmp_path) as appliance:
        shell = appliance.shell
        appliance.serial.expect("images checked", PATIENCE)
        shell.wait_prompt()
        appliance.wait_state("linux1", "running")
        found = stored_state(shell)
        assert all(volume["ready"] for volume in shell.json("disk")["volumes"])  # of the disk that the state store is on, too
        assert [slot["state"] for slot in found["slots"]] == ["confirmed", "confirmed"] and found["slots"][0]["next"]
        assert found["store"]["healed"] == 0
        subprocess.run([TOP / "tools/make_certificates", own], check=True, capture_output=True)
        shell.run("state set net.lan '10.0.2.15/24 10.0.2.2'")
        shell.run("state set disk.linux1.0 data")
        for name, file in (("certificate", "server.crt"), ("key", "server.key"), ("client-ca", "ca.crt")):
            appliance.bhctl("state", "set", f"tls.{name}", f"@{own}/{file}")
        stored_state(shell)
        assert "PRIVATE" not in shell.run("state")
        shell.line.send_line("reboot")
        appliance.serial.expect("images checked", PATIENCE)
        shell.wait_prompt()
        assert {v["name"]: v["value"] for v in stored_state(shell)["values"]}["net.lan"] == "10.0.2.15/24 10.0.2.2"
        lan = {interface["switch"]: interface for interface in shell.json("net")["interfaces"]}["lan"]
        assert lan["address"] == "10.0.2.15" and lan["gateway"] == "10.0.2.2" and not lan["dhcp_server"]
        assert {v["domain"]: v["label"] for v in shell.json("disk")["volumes"]}["linux1"] == "data"
        refused = appliance.bhctl("version", check=False, wait=True)
        assert refused.returncode == 125 and "certificate is not accepted" in refused.stderr
        found = appliance.bhctl_json("version", certificates=own)
        assert not found["development_certificates"]
        shell.run("factory-reset --yes")
        stored_state(shell)
        shell.line.send_line("reboot")
        appliance.serial.expect("images checked", PATIENCE)
        shell.wait_prompt()
        assert [value["name"] for value in stored_state(shell)["values"]] == ["rollback"]
        assert appliance.bhctl_json("version")["development_certificates"]
        assert {v["domain"]: v["label"] for v in shell.json("disk")["volumes"]}["linux1"] == "linux1"


def why_refused(shell, letter):
    """Why the loader went by a slot, as `slots` tells, once that is noted: the slot does not boot any more."""
    end = time.monotonic() + PATIENCE
    while True:
        slot = {slot["slot"]: slot for slot in shell.json("slots")}[letter]
        if slot["state"] == "refused by the loader" and slot["problem"]:
            assert not slot["runs"] and not slot["next"]
            return slot["problem"]
        assert time.monotonic() < end, slot
        time.sleep(0.2)


@pytest.mark.parametrize("place", [5000, -5000])
def test_a_damaged_slot_is_left_for_the_other(image, machine, tmp_path, place):
    """One byte of the kernel, or of the bundle, in slot A: the loader names what is wrong and boots slot B."""
    slot = (image.parent / "boot.itb").stat().st_size

    def damage(disk):
        with open(disk, "r+b") as handle:
            handle.seek(partitions(image)[1]["boot-a"]["start"] * 512 + place % slot)
            byte = handle.read(1)[0]
            handle.seek(-1, os.SEEK_CUR)
            handle.write(bytes([byte ^ 1]))

    named = {"arm64": f"Bad hash value for 'hash-1' hash node in '{'kernel' if place > 0 else 'bundle'}' image node", "x86": f"slot a: the {'kernel' if place > 0 else 'bundle'} is damaged"}
    with start_from(image, machine, tmp_path, damage) as appliance:
        appliance.serial.expect(named[machine.arch], PATIENCE)
        appliance.serial.expect("Bulkhead: slot b")
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        assert why_refused(appliance.shell, "a") == "its bytes are not what was installed"


def test_a_trial_that_is_not_confirmed_comes_back(image, machine, tmp_path):
    """Slot B has one try: it boots once, the next boot is slot A's again."""
    def trial(disk):
        with open(disk, "r+b") as handle:
            for offset in (state.SLOTS_OFFSET, state.SLOTS_BACKUP_OFFSET):
                handle.seek(partitions(image)[1]["state"]["start"] * 512 + offset)
                handle.write(state.slot_record([state.confirmed(14), state.Slot(15, 1)], "_a"))

    with start_from(image, machine, tmp_path, trial) as appliance:
        for letter, others in (("b", "does not boot"), ("a", "does not boot")):
            appliance.serial.expect(f"Bulkhead: slot {letter}", PATIENCE)
            appliance.shell.wait_prompt()
            slots = stored_state(appliance.shell)["slots"]
            assert slots[1]["state"] == others and slots[0]["next"]
            assert [slot["slot"] for slot in slots if slot["last"]] == [letter]
            appliance.shell.line.send_line("reboot")
