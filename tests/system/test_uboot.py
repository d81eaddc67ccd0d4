# SPDX-License-Identifier: Apache-2.0
"""The same kernel and bundle start from U-Boot's booti (issue 2, point 4): Debian's u-boot-qemu takes both from QEMU's fw_cfg."""

import subprocess

import pytest
from appliance import TOP, Appliance

pytestmark = pytest.mark.arch("arm64")

UBOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"


def test_the_appliance_starts_from_u_boot(default_build, tmp_path):
    subprocess.run(["make", "-C", str(TOP), f"O={default_build}", "uboot"], check=True, capture_output=True)
    boot = ["-bios", UBOOT, "-kernel", str(default_build / "bulkhead.bin"), "-initrd", str(default_build / "bundle.uimg")]
    with Appliance(default_build, loader="none", extra=boot, folder=tmp_path) as appliance:
        appliance.serial.expect("U-Boot 20")
        appliance.serial.expect("Loading Ramdisk to .* OK")
        appliance.serial.expect("Starting kernel")
        appliance.shell.wait_prompt()
        assert "images checked" in appliance.shell.run("log")
        domains = {domain["name"]: domain for domain in appliance.shell.json("domain list")}
        assert {"mgmt", "linux1", "linux2"} <= domains.keys()
