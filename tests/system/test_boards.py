# SPDX-License-Identifier: Apache-2.0
"""Issue 5, point 6: the boards that QEMU models beside each architecture's own, and GICv2 in the place of GICv3."""

import os
import subprocess

import fault
import pytest
from appliance import PATIENCE, TOP, Appliance
from guest import Guest, attach

pytestmark = pytest.mark.arch("arm64")


def two_cpus(guest, machine):
    """Both work, and interrupt each other through the virtual interrupt controller."""
    assert guest.run("nproc").strip() == "2"
    guest.run("for i in 1 2 3; do taskset 1 true; taskset 2 true; done")
    assert machine.interrupts in guest.run("cat /proc/interrupts")


@pytest.mark.parametrize("board", ["zcu102", "rpi4"])
def test_boots_to_the_shell(build_with, tmp_path, board):
    """With the machine's own UART as console, and Linux guests that see each other."""
    out = build_with(board, configuration=board)
    with Appliance(out, folder=tmp_path) as appliance:
        appliance.shell.wait_prompt()
        assert {d["name"]: d["vcpus"] for d in appliance.shell.json("domain list")} == {"mgmt": 1, "linux1": 2, "linux2": 1}
        appliance.serial.send_line("console linux1")
        guest = Guest(appliance.serial, "linux1").wait_ready()
        two_cpus(guest, appliance.machine)
        guest.wait_for("ping -c 1 192.168.77.2", "1 packets received")


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


@pytest.mark.slow
@pytest.mark.parametrize("board, card", [("zcu102", 1), ("rpi4", 0)])
def test_starts_from_its_card(build_with, tmp_path, board, card):
    """U-Boot for the board finds the slots on its SD card, checks the signature and starts the kernel with the slot's device tree."""
    out = build_with(board, configuration=board)
    environment = {name: value for name, value in os.environ.items() if name not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-C", str(TOP), f"O={out}", f"{out}/bulkhead.img"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    image = tmp_path / "card"
    subprocess.run(["cp", "--sparse=always", out / "bulkhead.img", image], check=True)
    os.truncate(image, 1 << 30)
    with Appliance(out, loader="none", folder=tmp_path, disk=image,
                   extra=["-kernel", str(out / "u-boot.bin"), "-drive", f"if=sd,index={card},file={image},format=raw"]) as appliance:
        appliance.serial.expect("Bulkhead: slot a", PATIENCE)
        appliance.serial.expect("sha256,rsa2048:slot[+] OK", PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        assert len(appliance.shell.json("domain list")) == 3


@pytest.mark.slow
def test_server_with_acpi(build_with, tmp_path):
    """QEMU's sbsa-ref (issue 5, point 2): TF-A and U-Boot, built from source, start the disk image's loader from an NVMe disk. ACPI is all
    that describes the machine: its e1000e and NVMe are confined by the SMMUv3 and interrupt by the ITS. The watchdog resets it."""
    out = build_with("sbsa-ref", ["CONFIG_HARDWARE_WATCHDOG_SECONDS=30"], configuration="sbsa_ref")
    environment = {name: value for name, value in os.environ.items() if name not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    subprocess.run(["make", "-C", str(TOP), f"O={out}", "firmware", f"{out}/bulkhead.img"], check=True, capture_output=True, env=environment)
    flash = fault.stub_arguments(tmp_path)
    for bank in ("flash0.fd", "flash1.fd"):
        subprocess.run(["cp", "--sparse=always", out / bank, tmp_path / bank], check=True)
        flash += ["-drive", f"if=pflash,format=raw,file={tmp_path / bank}"]
    disk = tmp_path / "image"
    subprocess.run(["cp", "--sparse=always", out / "bulkhead.img", disk], check=True)
    with Appliance(out, loader="none", disk=disk, extra=flash, folder=tmp_path, hardware=("e1000e", "nvme")) as appliance:
        appliance.serial.expect("slot a: starting", PATIENCE)
        appliance.serial.expect("the machine describes itself by ACPI")
        appliance.shell.wait_prompt()
        appliance.wait_state("linux1", "running")
        devices = {found["ids"]: found for found in appliance.bhctl_json("device", "list")}
        for ids in ("8086:10d3", "1b36:0010", "1af4:1044"):  # e1000e, NVMe, virtio-rng
            found = devices[ids]
            assert found["owner"] == "mgmt" and found["iommu"] and found["interrupts"] and not found["faults"], found
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
