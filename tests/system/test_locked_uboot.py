# SPDX-License-Identifier: Apache-2.0
"""Our U-Boot starts what is signed and nothing else, and no byte of a slot can change unnoticed (issue 5, points 2 and 3).
The slots here are of a few bytes, so that one start of QEMU tries eight of them: two on each of four disks."""

import hashlib
import os
import re
import struct
import subprocess
import sys
import time
import uuid

import pytest
from appliance import PATIENCE, TOP, Appliance, Drain, Line, connect, end_with_us
from test_image import image, make_image, make_in, partitions, stored_state, why_refused  # noqa: F401
from test_power import CONFIGURATION, confirmed, contents

sys.path.insert(0, str(TOP))
from tools.image import container, control_tree, gpt, state  # noqa: E402

ON_ARM64 = pytest.mark.arch("arm64")  # what is the same boot.cmd on x86-64


def signed(folder, key, arch):
    """A slot as the build makes it, of a kernel and a bundle of a few bytes. Without a key: not signed."""
    folder.mkdir()
    starter = None
    if arch == "x86":
        (folder / "starter.bin").write_bytes(b"\xeb\xfe" * 60)
        (folder / "parameters.bin").write_bytes(bytes(0x202) + b"HdrS" + bytes(100))
        starter = [folder / "starter.bin", "0x2000000", folder / "parameters.bin", "0x2010000", "0x2100000"]
    (folder / "bulkhead.bin").write_bytes(bytes(56) + b"ARM\x64" + bytes(100))
    (folder / "bundle.itb").write_bytes(b"bundle" * 20)
    more = ["setup", "loadables"] if starter else []
    source = container.source(arch, 0x40000000, folder, container.signature(control_tree.algorithm(key), more) if key else "", starter=starter)
    (folder / "boot.its").write_text(source)
    subprocess.run(["mkimage", "-f", folder / "boot.its", *(["-G", key, "-r"] if key else []), folder / "boot.itb"], check=True, capture_output=True)
    return (folder / "boot.itb").read_bytes()


def sealed(fit):
    return fit + hashlib.sha256(fit).digest()


@pytest.fixture(scope="module")
def key(image):  # noqa: F811
    """What the image's slots are signed with: the development key, as the Makefile tells."""
    asked = subprocess.run(["make", "-pnq", "-C", str(TOP), f"O={image.parent}", "help"], capture_output=True, text=True, check=False).stdout
    return re.search(r"^slot-development-key := (.*)$", asked, re.M)[1]


UBOOT = {"arm64": "u-boot.bin", "x86": "u-boot.rom"}


@pytest.fixture(scope="module")
def uboot(image, machine):  # noqa: F811
    """The U-Boot of the default configuration, which knows the development key."""
    make_in(image.parent, UBOOT[machine.arch])
    return image.parent / UBOOT[machine.arch]


class Board:
    """QEMU with up to four disks of two slots each, and nothing but U-Boot (a file)."""

    def __init__(self, uboot, machine, slots, folder):  # noqa: F811
        empty = folder / "empty.img"
        make_image(empty, b"", b"")
        places = {name: entry["start"] * 512 for name, entry in partitions(empty)[1].items()}
        drives = []
        for number in range(0, len(slots), 2):
            disk = folder / f"disk{number // 2}"
            subprocess.run(["cp", "--sparse=always", empty, disk], check=True)
            with open(disk, "r+b") as handle:
                for name, slot in zip(("boot-a", "boot-b"), slots[number:number + 2]):
                    handle.seek(places[name])
                    handle.write(slot)
            drives += ["-drive", f"if=none,id=d{number},file={disk},format=raw", *machine.device("blk", f"drive=d{number}")]
        (folder / "serial").unlink(missing_ok=True)
        self.folder = folder
        self.arguments = [machine.emulator, *machine.machine, *machine.extra,
                          "-cpu", machine.cpu, "-m", "2G", "-display", "none", "-nodefaults", "-bios", str(uboot),
                          "-chardev", f"socket,id=serial0,path={folder}/serial,server=on,wait=on", "-serial", "chardev:serial0", *drives]

    def __enter__(self):
        self.log = open(self.folder / "serial.log", "wb")
        self.qemu = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=open(self.folder / "qemu.log", "wb"), stderr=subprocess.STDOUT,
                                     preexec_fn=end_with_us)
        self.serial = Line(Drain(connect(self.qemu, self.folder / "serial", self.folder / "qemu.log"), timeout=PATIENCE, maxread=65536), self.log)
        return self.serial

    def __exit__(self, *_):
        self.qemu.kill()
        self.qemu.wait()


def refused(uboot, machine, slots, folder):
    """All of them, by name; what U-Boot said."""
    folder.mkdir()
    with Board(uboot, machine, slots, folder) as serial:
        serial.expect("Bulkhead: no slot boots", PATIENCE)
        said = serial.before
    assert len(re.findall(r"Bulkhead: slot [ab]\r", said)) == len(slots), said
    assert len(re.findall(r"Bulkhead: slot [ab] (?:is damaged|holds no kernel)", said)) == len(slots), said
    assert "Loading Kernel Image" not in said and "Starting kernel" not in said, said
    return said


def test_only_what_is_signed(uboot, machine, key, tmp_path):
    """Not signed; another key's; another's, with our key's name; a size that is larger than the partition, than the memory;
    another configuration; none at all. Nobody stops it on its way."""
    good = signed(tmp_path / "good", key, machine.arch)
    subprocess.run(["openssl", "genrsa", "-out", tmp_path / "other.pem", "2048"], check=True, capture_output=True)
    other = signed(tmp_path / "other", tmp_path / "other.pem", machine.arch)
    slots = [sealed(signed(tmp_path / "plain", None, machine.arch)), sealed(other), sealed(good[:4] + (3 << 20).to_bytes(4, "big") + good[8:]),
             sealed(good[:4] + b"\xff" * 4 + good[8:]), sealed(good.replace(b"bulkhead\0", b"bulkheaD\0")), bytes(1 << 20), good, sealed(good)[:-1]]
    folder = tmp_path / "board"
    said = refused(uboot, machine, slots, folder)
    assert "Failed to verify required signature 'key-slot'" in said and said.count("holds no kernel") == 3, said
    with Board(uboot, machine, slots[:2], folder) as serial:
        serial.expect("U-Boot 2025.01", PATIENCE)
        serial.send("\x03 \r\x03\r" * 20)
        serial.expect("Bulkhead: no slot boots", PATIENCE)
        assert "\n=> " not in serial.before  # `hash` draws "==> "
        serial.send("\x03\r\x03\r")
        assert serial.expect(["U-Boot 2025.01", "\n=> "], PATIENCE) == 0
    with Board(uboot, machine, [slots[0], sealed(good)], folder) as serial:
        serial.expect("Bulkhead: slot a is damaged", PATIENCE)
        serial.expect("sha256,rsa2048:slot[+] OK", PATIENCE)
        serial.expect("Loading Kernel Image", PATIENCE)


def places(slot, every):
    """Bytes to flip: of the header, the tree, its names, the digest."""
    return list(range(0, len(slot), every)) + [len(slot) - 1]


@pytest.mark.parametrize("every", [pytest.param(61, marks=ON_ARM64), pytest.param(223, marks=pytest.mark.arch("x86")), pytest.param(1, marks=pytest.mark.slow)])
def test_each_byte_counts(uboot, machine, key, tmp_path, every):
    """One flipped bit in a slot, wherever it is: the slot is refused. (`--slow`: in each byte of it.)"""
    slot = sealed(signed(tmp_path / "good", key, machine.arch))
    slots = [slot[:at] + bytes([slot[at] ^ 1 << at % 8]) + slot[at + 1:] for at in places(slot, every)]
    for number in range(0, len(slots), 8):
        chosen = slots[number:number + 8]
        refused(uboot, machine, chosen + chosen[:1] * (len(chosen) % 2), tmp_path / f"board{number}")


@ON_ARM64
def test_large_blocks(uboot, machine, tmp_path, monkeypatch):
    """A disk whose blocks have 4096 bytes, and a slot that would then reach from its place in RAM beyond U-Boot's own."""
    board, disk = Board(uboot, machine, [], tmp_path), tmp_path / "large"
    for name, value in (("SECTOR", 4096), ("FIRST_USABLE", 6), ("BACKUP_SECTORS", 5)):
        monkeypatch.setattr(gpt, name, value)
    places = [gpt.Entry(name, gpt.BOOT_SLOT, uuid.UUID(int=n + 1), first, sectors)
              for n, (name, first, sectors) in enumerate((("boot-a", 256, 600_000), ("boot-b", 600_256, 256), ("state", 600_512, 1024)))]
    start, end = gpt.tables(uuid.UUID(int=9), 1 << 20, places)
    with open(disk, "wb") as handle:
        handle.truncate(4096 << 20)
        for at, data in ((0, start[:512]), (4096, start[512:]), ((4096 << 20) - len(end), end), (256 * 4096, struct.pack(">10I", 0xD00DFEED, 0x0FFFFF00, 56, 72, 40, 17, 16, 0, 16, 16))):
            handle.seek(at)
            handle.write(data)
    board.arguments += ["-drive", f"if=none,id=large,file={disk},format=raw", "-device", "nvme,serial=1,drive=large,logical_block_size=4096,physical_block_size=4096"]
    with board as serial:
        serial.expect("Bulkhead: slot a holds no kernel", PATIENCE)
        serial.expect("Bulkhead: slot b holds no kernel", PATIENCE)
        serial.expect("Bulkhead: no slot boots", PATIENCE)


def record(disk, slots, last="_a"):
    with open(disk, "r+b") as handle:
        for offset in (state.SLOTS_OFFSET, state.SLOTS_BACKUP_OFFSET):
            handle.seek(partitions(disk)[1]["state"]["start"] * 512 + offset)
            handle.write(state.slot_record(slots, last))


@ON_ARM64
def test_tries_are_taken_before_a_start(uboot, machine, key, tmp_path):
    """A trial that is refused goes to the other slot, and its try is gone; a confirmed slot keeps its tries, in both copies; a record
    that is damaged comes from its copy."""
    good = sealed(signed(tmp_path / "good", key, machine.arch))
    damaged = good[:-1] + bytes([good[-1] ^ 1])

    def starts(name, slots, before, expected, after, spoil=False):
        folder = tmp_path / name
        folder.mkdir()
        board = Board(uboot, machine, slots, folder)
        disk = folder / "disk0"
        record(disk, before)
        start = partitions(disk)[1]["state"]["start"] * 512
        if spoil:
            with open(disk, "r+b") as handle:
                handle.seek(start + state.SLOTS_OFFSET + 12)
                handle.write(b"\xff")
        with board as serial:
            serial.expect("Loading Kernel Image", PATIENCE)
            assert re.findall(r"Bulkhead: slot ([ab])\r", serial.before) == expected, serial.before
        data = disk.read_bytes()[start:]
        for offset in (state.SLOTS_OFFSET, state.SLOTS_BACKUP_OFFSET):
            assert state.read_slot_record(data[offset:offset + 32]) == after

    confirmed, trial, spent = state.confirmed, state.Slot(15, 1), state.Slot(15, 0)
    starts("confirmed", [good, good], [confirmed(15), confirmed(14)], ["a"], [confirmed(15), confirmed(14)])
    starts("trial", [good, good], [confirmed(14), trial], ["b"], [confirmed(14), spent])
    starts("spent", [good, good], [confirmed(14), spent], ["a"], [confirmed(14), spent])
    starts("refused", [good, damaged], [confirmed(14), trial], ["b", "a"], [confirmed(14), spent])
    starts("damaged", [damaged, good], [confirmed(15), confirmed(14)], ["a", "b"], [confirmed(15), confirmed(14)])
    starts("copy", [good, good], [confirmed(14), trial], ["b"], [confirmed(14), spent], spoil=True)


def wait_running(shell, name):
    """By the serial line, which is there before the network is."""
    end = time.monotonic() + PATIENCE
    while {domain["name"]: domain["state"] for domain in shell.json("domain list")}[name] != "running":
        assert time.monotonic() < end


def damage(disk, name, at):
    with open(disk, "r+b") as handle:
        handle.seek(partitions(disk)[1][name]["start"] * 512 + at)
        byte = handle.read(1)
        handle.seek(-1, os.SEEK_CUR)
        handle.write(bytes([byte[0] ^ 1]))


def test_an_update_leaves_the_slot_that_runs(build_with, machine, tmp_path):
    """By the record slot a ran last and is next; but it is damaged, and slot b runs. That is noted; the update goes into a, which starts then."""
    out, disk = build_with("power", CONFIGURATION), tmp_path / "image"
    make_in(out, "bulkhead.img", "bulkhead.update", UBOOT[machine.arch])
    subprocess.run(["cp", "--sparse=always", out / "bulkhead.img", disk], check=True)
    fit = (out / "boot.itb").read_bytes()
    damage(disk, "boot-a", len(fit) // 2)

    def started(letter):
        appliance.serial.expect(f"Bulkhead: slot {letter}", PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        assert appliance.shell.json("version")["slot"] == letter
        return {slot["slot"]: slot for slot in stored_state(appliance.shell)["slots"]}

    with Appliance(out, loader="none", disk=disk, extra=["-bios", str(out / UBOOT[machine.arch])], folder=tmp_path) as appliance:
        appliance.serial.expect("Bulkhead: slot a is damaged", PATIENCE)
        assert started("b")["a"]["last"]
        assert why_refused(appliance.shell, "a") == "its bytes are not what was installed"
        noted = {slot["slot"]: slot for slot in appliance.shell.json("state")["slots"]}
        assert noted["a"]["last"] and noted["b"]["next"] and noted["a"]["state"] == "does not boot"
        assert [slot["runs"] for slot in appliance.shell.json("slots")] == [False, True]
        assert "in slot a; 'reboot' tries it" in appliance.bhctl("update", str(out / "bulkhead.update")).stdout
        assert contents(disk, "boot-a", len(fit)) == contents(disk, "boot-b", len(fit)) == fit
        appliance.shell.line.send_line("reboot")
        started("a")
        assert confirmed(appliance.shell)[0] == "a"


def disks(arch, quick, *others):
    return [pytest.param(disk, id=f"{arch}-{disk}", marks=[pytest.mark.arch(arch), *([] if disk == quick else [pytest.mark.slow])])
            for disk in (quick, *others)]


@pytest.mark.parametrize("disk", [*disks("arm64", "nvme", "virtio"), *disks("x86", "virtio", "nvme", "ahci")])
def test_starts_the_image(build_with, default_build, machine, tmp_path, disk):
    """The image that UEFI starts, on a machine whose firmware is U-Boot: the damaged slot is named, the other one runs with all CPUs and
    its guests, and notes that, so that the next start
    does not look at the damaged one; a reset leaves the log, and the machine can be switched off. On arm64 the disks are on PCI, behind the IOMMU
    (test_image.py has virtio's own slots)."""
    out = default_build if machine.arch == "x86" else build_with("mgmt-iommu", ["CONFIG_IOMMU_SMMUV3=y"])
    make_in(out, "bulkhead.img", UBOOT[machine.arch])
    copy, firmware = tmp_path / "image", out / UBOOT[machine.arch]
    subprocess.run(["cp", "--sparse=always", out / "bulkhead.img", copy], check=True)
    damage(copy, "boot-a", 5_000_000)
    with Appliance(out, loader="none", disk=copy, extra=["-bios", str(firmware)], folder=tmp_path, hardware=("virtio", disk)) as appliance:
        for boot in (1, 2):
            appliance.serial.expect("Bulkhead: slot ([ab])", PATIENCE)
            assert appliance.serial.match[1] == [b"a", b"b"][boot - 1]
            if boot == 1:
                appliance.serial.expect("Bad hash value for 'hash-1' hash node in 'bundle' image node", PATIENCE)
                appliance.serial.expect("Bulkhead: slot b", PATIENCE)
            appliance.serial.expect("sha256,rsa2048:slot[+] OK", PATIENCE)
            appliance.serial.expect(rf"Bulkhead .*, boot {boot}\r", PATIENCE)
            appliance.serial.expect(r"4 CPUs, \d+ MiB of RAM", PATIENCE)
            appliance.shell.wait_prompt()
            wait_running(appliance.shell, "linux1")
            stored_state(appliance.shell)
            assert appliance.shell.json("version")["slot"] == "b"
            assert boot == 2 or why_refused(appliance.shell, "a") == "its bytes are not what was installed"
            if boot == 1:
                appliance.shell.line.send_line("reboot")
        appliance.shell.line.send_line("poweroff")
        appliance.qemu.wait(PATIENCE)
