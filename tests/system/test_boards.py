# SPDX-License-Identifier: Apache-2.0
"""Issue 5, point 6: the boards that QEMU models beside each architecture's own, and GICv2 in the place of GICv3."""

import os
import subprocess
import sys

import fault
import pytest
from appliance import PATIENCE, TOP, Appliance
from guest import Guest, attach
from test_guests import Witness, check_guest, partition, region
from test_image import partitions
from test_locked_uboot import record

sys.path.insert(0, str(TOP))
from tools.image import state  # noqa: E402

pytestmark = pytest.mark.arch("arm64")


def two_cpus(guest, machine):
    """Both work, and interrupt each other through the virtual interrupt controller."""
    assert guest.run("nproc").strip() == "2"
    guest.run("for i in 1 2 3; do taskset 1 true; taskset 2 true; done")
    assert machine.interrupts in guest.run("cat /proc/interrupts")


# What -M says of the SD card's slot; the Raspberry Pi's other CPUs spin until the kernel wants them, and hold up the first one's
# registers' accesses as long as they do that in threads of their own.
CARDS = {"zcu102": (1, []), "rpi4": (0, ["-accel", "tcg,thread=single"])}


def inserted(board, card):
    """QEMU's options for a card in the board's slot; its size becomes what QEMU wants it to be."""
    os.truncate(card, 1 << (card.stat().st_size - 1).bit_length())
    return ["-drive", f"if=sd,index={CARDS[board][0]},file={card},format=raw"]


@pytest.mark.parametrize("board", ["zcu102", "rpi4"])
def test_boots_to_the_shell(build_with, tmp_path, board):
    """With the machine's own UART as console, and Linux guests that see each other and have volumes on the SD card."""
    out = build_with(board, configuration=board)
    card = tmp_path / "card"
    subprocess.run(["cp", "--sparse=always", out / "disk.img", card], check=True)
    with Appliance(out, folder=tmp_path / "run", disk=card, extra=inserted(board, card)) as appliance:
        appliance.shell.wait_prompt()
        assert {d["name"]: d["vcpus"] for d in appliance.shell.json("domain list")} == {"mgmt": 1, "linux1": 2, "linux2": 1}
        appliance.serial.send_line("console linux1")
        guest = Guest(appliance.serial, "linux1").wait_ready()
        two_cpus(guest, appliance.machine)
        guest.wait_for("ping -c 1 192.168.77.2", "1 packets received")
        guest.run("dd if=/dev/urandom of=/data bs=64k count=4; dd if=/data of=/dev/vda bs=64k oflag=direct; echo 3 > /proc/sys/vm/drop_caches")
        assert "same" in guest.run("dd if=/dev/vda bs=64k count=4 | cmp - /data && echo same")


def test_gicv2(build_with, tmp_path):
    """On the machine that may have either: devices passed through to the management domain, guests, restart."""
    out = build_with("gicv2", ["CONFIG_GIC_V2=y"])
    with Appliance(out, folder=tmp_path) as appliance:
        appliance.shell.wait_prompt()
        guest = attach(appliance, "linux1").wait_ready()
        two_cpus(guest, appliance.machine)
        guest.run("dd if=/dev/vda of=/dev/null bs=64k count=16")
        appliance.shell.run("domain restart linux1")
        two_cpus(guest.wait_ready(), appliance.machine)


HOSTILE_ON_GICV2 = ["CONFIG_GIC_V2=y", "CONFIG_BOARD_CPUS=5", *partition(1, "witness", "witness", "1", *region("0")), *partition(2, "gic", "hostile_gic_v2", "2,3"),
                    *partition(3, "registers", "hostile_registers", "4"), *(f"# CONFIG_P{number}_AUTOSTART is not set" for number in (2, 3))]


def test_hostile_guests_on_gicv2(build_with, tmp_path):
    """The hardware's CPU interface and the kernel's distributor, and system registers that are not there; twice."""
    with Appliance(build_with("hostile-gicv2", HOSTILE_ON_GICV2), smp=5, folder=tmp_path) as appliance:
        appliance.shell.wait_prompt()
        witness = Witness(appliance)
        witness.wait_beyond(0)
        for name in ("gic", "registers"):
            check_guest(appliance, witness, name)


# A trial that nobody confirms as long as a test takes.
UNCONFIRMED = ["CONFIG_TRIAL_SECONDS=86400", "CONFIG_TRIAL_SETTLE_SECONDS=3600"]
# The models give out a card's bytes one register access at a time: a Linux kernel takes half a minute.
SMALL = [*partition(1, "state", "start_state", "1", "POLICY_STOP=y"), "# CONFIG_P2 is not set", 'CONFIG_IMAGE_VOLUMES=""', "CONFIG_IMAGE_SLOT_MIB=8"]


@pytest.mark.parametrize("board, guest", [*((board, "state") for board in CARDS),
                                          *(pytest.param(board, "linux1", marks=pytest.mark.slow) for board in CARDS)])
def test_starts_from_its_card(build_with, tmp_path, board, guest):
    """The flashed image as SD card (issue 5, points 2 and 6): U-Boot takes slot B's only try and starts it, with guests. After a reset it
    is slot A's turn again, which is damaged by then: it is named, and slot B starts once more. Then the board is switched off."""
    out = build_with(f"{board}-card", UNCONFIRMED, board) if guest == "linux1" else build_with(f"{board}-small", SMALL + UNCONFIRMED, board)
    environment = {name: value for name, value in os.environ.items() if name not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-C", str(TOP), f"O={out}", f"{out}/bulkhead.img"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    card = tmp_path / "card"
    subprocess.run(["cp", "--sparse=always", out / "bulkhead.img", card], check=True)
    places = {name: entry["start"] * 512 for name, entry in partitions(card)[1].items()}
    record(card, [state.confirmed(14), state.Slot(15, 1)])
    with open(card, "r+b") as handle:
        handle.seek(places["boot-a"] + (out / "boot.itb").stat().st_size // 2)  # in the bundle
        byte = handle.read(1)[0]
        handle.seek(-1, os.SEEK_CUR)
        handle.write(bytes([byte ^ 1]))
    with Appliance(out, loader="none", folder=tmp_path / "run", disk=card,
                   extra=["-kernel", str(out / "u-boot.bin"), *inserted(board, card), *CARDS[board][1]]) as appliance:
        appliance.serial.expect("Bulkhead: slot ([ab])", PATIENCE)
        assert appliance.serial.match[1] == b"b"
        appliance.serial.expect("sha256,rsa2048:slot[+] OK", PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        assert appliance.shell.json("version")["slot"] == "b"
        appliance.serial.send_line(f"console {guest}")
        if guest == "linux1":
            two_cpus(Guest(appliance.serial, guest).wait_ready(), appliance.machine)
        else:
            appliance.serial.expect("DONE: another start", PATIENCE)
            assert "FAIL:" not in appliance.serial.before
        appliance.serial.send("\x1d")
        appliance.shell.wait_prompt()
        appliance.serial.send_line("reboot")
        appliance.serial.expect("Bulkhead: slot a", PATIENCE)
        appliance.serial.expect("Bad hash value for 'hash-1' hash node in 'bundle' image node", PATIENCE)
        appliance.serial.expect("Bulkhead: slot a is damaged")
        appliance.serial.expect("Bulkhead: slot b")
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        assert appliance.shell.json("version")["slot"] == "b"
        appliance.serial.send_line("poweroff")
        appliance.qemu.wait(PATIENCE)
    with open(card, "rb") as handle:
        for offset in (state.SLOTS_OFFSET, state.SLOTS_BACKUP_OFFSET):
            handle.seek(places["state"] + offset)
            assert state.read_slot_record(handle.read(32)) == [state.confirmed(14), state.Slot(15, 0)]


def server(out, folder, hardware):
    """QEMU's sbsa-ref (issue 5, point 2): TF-A and U-Boot, built from source, start the disk image's loader."""
    environment = {name: value for name, value in os.environ.items() if name not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    subprocess.run(["make", "-C", str(TOP), f"O={out}", "firmware", f"{out}/bulkhead.img"], check=True, capture_output=True, env=environment)
    flash = fault.stub_arguments(folder / "run")
    for bank in ("flash0.fd", "flash1.fd"):
        subprocess.run(["cp", "--sparse=always", out / bank, folder / bank], check=True)
        flash += ["-drive", f"if=pflash,format=raw,file={folder / bank}"]
    disk = folder / "image"
    subprocess.run(["cp", "--sparse=always", out / "bulkhead.img", disk], check=True)
    return Appliance(out, loader="none", disk=disk, extra=flash, folder=folder / "run", hardware=hardware)


def starts(appliance):
    """ACPI is all that describes the machine: its devices are confined by the SMMUv3 and interrupt by the ITS."""
    appliance.serial.expect("slot a: starting", PATIENCE)
    appliance.serial.expect("the machine describes itself by ACPI")
    appliance.shell.wait_prompt()
    appliance.bhctl("version")
    devices = {found["ids"]: found for found in appliance.shell.json("device list")}
    for ids in ("8086:10d3", "1b36:0010", "1af4:1044"):  # e1000e, NVMe, virtio-rng
        found = devices[ids]
        assert found["owner"] == "mgmt" and found["iommu"] and found["interrupts"] and not found["faults"], found


def test_server_starts(build_with, tmp_path):
    """To the management shell and a guest, over TLS through its NIC; it can be switched off."""
    with server(build_with("sbsa-small", SMALL, "sbsa_ref"), tmp_path, ("e1000e", "nvme")) as appliance:
        starts(appliance)
        appliance.serial.send_line("console state")
        appliance.serial.expect("DONE: another start", PATIENCE)
        assert "FAIL:" not in appliance.serial.before
        appliance.serial.send("\x1d")
        appliance.shell.wait_prompt()
        appliance.serial.send_line("poweroff")
        appliance.qemu.wait(PATIENCE)


@pytest.mark.slow
def test_server_with_acpi(build_with, tmp_path):
    """With Linux guests on their volumes. The watchdog resets it."""
    out = build_with("sbsa-ref", ["CONFIG_HARDWARE_WATCHDOG_SECONDS=30"], configuration="sbsa_ref")
    with server(out, tmp_path, ("e1000e", "nvme")) as appliance:
        starts(appliance)
        appliance.wait_state("linux1", "running")
        guest = attach(appliance, "linux1").wait_ready()
        guest.run("dd if=/dev/vda of=/dev/null bs=64k count=16")
        guest.wait_for("ping -c 1 192.168.77.2", "1 packets received")
        watchdog = appliance.bhctl_json("watchdog")
        assert watchdog["watchdog"] == "BSA generic watchdog" and watchdog["state"] == "runs" and watchdog["fed"] > 1, watchdog
        # What feeds it returns at once: it resets the machine. The events are in memory that this keeps.
        fault.overwrite(appliance, fault.management_address(appliance, "feed"), bytes.fromhex("c0035fd6"))  # RET
        appliance.serial.expect("slot a: starting", PATIENCE)
        appliance.shell.wait_prompt()
        assert [event["boot"] for event in appliance.shell.json("log events") if event["kind"] == "boot"] == [1, 2]
