# SPDX-License-Identifier: Apache-2.0
"""The same kernel file is a UEFI application (issue 3, point 1): Debian's OVMF starts it from a disk that also holds the bundle."""

import shutil

import pytest
from appliance import PATIENCE, Appliance

pytestmark = pytest.mark.arch("x86")

OVMF = "/usr/share/ovmf/OVMF.fd"


def boot_disk(out, folder):
    """QEMU's options for a disk, made of a folder, that firmware boots from by itself."""
    boot = folder / "esp" / "EFI" / "BOOT"
    boot.mkdir(parents=True)
    shutil.copy(out / "bulkhead.bin", boot / "BOOTX64.EFI")
    shutil.copy(out / "bundle.itb", folder / "esp" / "bundle.itb")
    return ["-bios", OVMF, "-drive", f"if=none,id=esp,file=fat:rw:{folder}/esp,format=raw", "-device", "ide-hd,drive=esp,bus=ide.0,bootindex=0"]


def test_the_appliance_starts_from_uefi_and_its_log_survives_a_reset(default_build, tmp_path):
    with Appliance(default_build, loader="none", extra=boot_disk(default_build, tmp_path), folder=tmp_path) as appliance:
        appliance.serial.expect("BdsDxe: starting", PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        domains = {domain["name"]: domain for domain in appliance.shell.json("domain list")}
        assert {"mgmt", "linux1", "linux2"} <= domains.keys()
        appliance.shell.line.send_line("reboot")
        appliance.serial.expect("BdsDxe: starting", PATIENCE)
        appliance.serial.expect("boot 2", PATIENCE)
        appliance.shell.wait_prompt()
        assert [event["boot"] for event in appliance.shell.json("log events") if event["kind"] == "boot"] == [1, 2]
