# SPDX-License-Identifier: Apache-2.0
"""The appliance starts from UEFI. x86-64 (issue 3, point 1): the kernel file itself is the application that Debian's OVMF starts, from a
disk that also holds the bundle. arm64 (issue 5, point 2): Debian's edk2 starts the loader, which finds both beside it; the machine
describes itself by ACPI alone."""

import hashlib
import os
import shutil
import subprocess
import sys

import pytest
from appliance import PATIENCE, TOP, Appliance
from test_image import partitions, stored_state, why_refused
from test_power import CONFIGURATION

sys.path.insert(0, str(TOP / "tools"))
import sign_bundle  # noqa: E402

FIRMWARE = {"x86": "/usr/share/ovmf/OVMF.fd", "arm64": "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"}


def make(out, target):
    environment = {name: value for name, value in os.environ.items() if name not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    subprocess.run(["make", "-C", str(TOP), f"O={out}", f"{out}/{target}"], check=True, capture_output=True, env=environment)
    return out / target


def boot_disk(out, folder, arch, device):
    """QEMU's options for a disk, made of a folder, that firmware boots from by itself."""
    boot = folder / "esp" / "EFI" / "BOOT"
    boot.mkdir(parents=True)
    shutil.copy(out / "bundle.itb", folder / "esp" / "bundle.itb")
    if arch == "x86":
        shutil.copy(out / "bulkhead.bin", boot / "BOOTX64.EFI")
    else:
        shutil.copy(make(out, "boot.efi"), boot / "BOOTAA64.EFI")
        shutil.copy(out / "bulkhead.bin", folder / "esp" / "bulkhead.bin")
    return ["-bios", FIRMWARE[arch], "-drive", f"if=none,id=esp,file=fat:rw:{folder}/esp,format=raw", "-device", f"{device},drive=esp,bootindex=0"]


def test_the_appliance_starts_from_uefi_and_its_log_survives_a_reset(default_build, machine, tmp_path):
    device = {"x86": "ide-hd,bus=ide.0", "arm64": "virtio-blk-device"}[machine.arch]
    with Appliance(default_build, loader="none", extra=boot_disk(default_build, tmp_path, machine.arch, device), folder=tmp_path) as appliance:
        appliance.serial.expect("BdsDxe: starting", PATIENCE)
        if machine.arch == "arm64":
            appliance.serial.expect("the machine describes itself by ACPI")
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        domains = {domain["name"]: domain for domain in appliance.shell.json("domain list")}
        assert {"mgmt", "linux1", "linux2"} <= domains.keys()
        appliance.shell.line.send_line("reboot")
        appliance.serial.expect("BdsDxe: starting", PATIENCE)
        appliance.serial.expect("boot 2", PATIENCE)
        appliance.shell.wait_prompt()
        assert [event["boot"] for event in appliance.shell.json("log events") if event["kind"] == "boot"] == [1, 2]
        appliance.wait_state("linux1", "running")  # by TLS: the network works


@pytest.mark.arch("arm64")
def test_smmu_and_its_by_iort(build_with, machine, tmp_path):
    """What stands behind PCI is confined and interrupts by the ITS, as IORT and MCFG have it (issue 4, point 1)."""
    out = build_with("mgmt-smmuv3", ["CONFIG_IOMMU_SMMUV3=y", 'CONFIG_P0_DEVICES="arm,pl011 arm,pl031 pci-host-ecam-generic"'])
    with Appliance(out, loader="none", extra=boot_disk(out, tmp_path, machine.arch, "virtio-blk-device"), folder=tmp_path) as appliance:
        appliance.serial.expect("the machine describes itself by ACPI", PATIENCE)
        appliance.shell.wait_prompt()
        appliance.wait_state("linux1", "running")
        owned = [found for found in appliance.bhctl_json("device", "list") if found["owner"] == "mgmt"]
        assert len(owned) == 3 and all(found["iommu"] and found["interrupts"] for found in owned), owned
        assert not any(found["faults"] for found in owned), owned


@pytest.mark.arch("arm64")
def test_el1_is_refused(default_build, machine, tmp_path):
    """No virtualization, no Bulkhead: the loader says so, and gives the machine back to the firmware."""
    extra = [*boot_disk(default_build, tmp_path, machine.arch, "virtio-blk-device"), "-M", "virtualization=off"]
    with Appliance(default_build, loader="none", extra=extra, folder=tmp_path) as appliance:
        appliance.serial.expect("the firmware runs at EL1", PATIENCE)
        appliance.serial.expect("BdsDxe: failed to start")


@pytest.mark.arch("arm64")
def test_the_image_boots_by_uefi_too(default_build, tmp_path):
    """The disk image that U-Boot starts elsewhere: slot A's kernel is damaged by one bit, so slot B boots."""
    disk = tmp_path / "image"
    subprocess.run(["cp", "--sparse=always", make(default_build, "bulkhead.img"), disk], check=True)
    with open(disk, "r+b") as handle:
        handle.seek(partitions(disk)[1]["boot-a"]["start"] * 512 + 5000)
        byte = handle.read(1)[0]
        handle.seek(-1, os.SEEK_CUR)
        handle.write(bytes([byte ^ 1]))
    with Appliance(default_build, loader="none", disk=disk, extra=["-bios", FIRMWARE["arm64"]], folder=tmp_path) as appliance:
        appliance.serial.expect("slot a: the kernel is damaged", PATIENCE)
        appliance.serial.expect("slot b: starting")
        appliance.serial.expect("the machine describes itself by ACPI")
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()


def container_of(out, bundle, folder):
    """A slot's contents around another bundle, with digests and seal that fit."""
    source = (out / "generated/boot.its").read_text()
    assert f'"{out}/bundle.itb"' in source
    (folder / "boot.its").write_text(source.replace(f'"{out}/bundle.itb"', f'"{bundle}"'))
    subprocess.run(["mkimage", "-f", folder / "boot.its", folder / "boot.itb"], check=True, capture_output=True)
    fit = (folder / "boot.itb").read_bytes()
    return fit + hashlib.sha256(fit).digest()


@pytest.mark.parametrize("forged, why", [("key", "Bundle: it is signed with another key, [0-9a-f]{16}; this kernel's is"), ("image", "Bundle: image 'mgmt' is damaged")])
def test_a_forged_bundle_is_left_for_the_other_slot(build_with, tmp_path, machine, forged, why):
    """Slot a is confirmed, and all that it says of itself is right; but its kernel would refuse the bundle, and reset, for ever."""
    out, disk, bundle = build_with("power", CONFIGURATION), tmp_path / "image", tmp_path / "bundle.itb"
    subprocess.run(["cp", "--sparse=always", make(out, "bulkhead.img"), disk], check=True)
    shutil.copy(out / "bundle.itb", bundle)
    if forged == "key":
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", tmp_path / "other.pem"], check=True)
        subprocess.run([TOP / "tools/sign_bundle.py", "sign", tmp_path / "other.pem", bundle], check=True)
    else:
        found = sign_bundle.Bundle(str(bundle))
        first, end = found.places()["mgmt"]
        with open(bundle, "r+b") as handle:
            handle.seek(len(found.tree) + len(found.block) + (first + end) // 2)
            byte = handle.read(1)[0]
            handle.seek(-1, os.SEEK_CUR)
            handle.write(bytes([byte ^ 1]))
    with open(disk, "r+b") as handle:
        handle.seek(partitions(disk)[1]["boot-a"]["start"] * 512)
        handle.write(container_of(out, bundle, tmp_path))
    with Appliance(out, loader="none", disk=disk, extra=["-bios", FIRMWARE[machine.arch]], folder=tmp_path) as appliance:
        appliance.serial.expect(why, PATIENCE)
        appliance.serial.expect("slot a: the kernel would refuse its bundle")
        appliance.serial.expect("slot b: starting", PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        assert [slot["slot"] for slot in stored_state(appliance.shell)["slots"] if slot["last"]] == ["b"]
        assert appliance.shell.json("version")["slot"] == "b"
        assert why_refused(appliance.shell, "a") == "its bytes are not what was installed"
