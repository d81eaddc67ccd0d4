# SPDX-License-Identifier: Apache-2.0
"""Kernels without the parts that their configuration has no use for (menu Board; tools/resolver/emit_kernel.py)."""

import re

import machines
import pytest
from appliance import Appliance
from conftest import MACHINE
from guest import attach

WITHOUT = {"arm64": ["CONFIG_IOMMU_SMMUV3=y", "CONFIG_SMMUV3_DRIVER=n"],
           "x86": ["CONFIG_IOMMU_VTD=y", "CONFIG_VTD_DRIVER=n", "CONFIG_AMDVI_DRIVER=n"]}
NAMED = {"arm64": "is an SMMUv3", "x86": "is VT-d"}


def objects(out):
    """What the kernel is linked from, as "core/pci"."""
    return set(re.findall(r"^LOAD .*/kernel/(\S+)\.o$", (out / "bulkhead.map").read_text(), re.MULTILINE))


def test_an_iommu_without_a_driver_is_named(build_with, tmp_path):
    """As if the machine had none: the management domain serves its guests."""
    out = build_with("no-iommu-driver", WITHOUT[MACHINE.arch])
    assert "core/vpci" in objects(out) and {name for name in objects(out) if "iommu/" in name} == {"devices/iommu/iommu_absent"}
    with Appliance(out, folder=tmp_path) as appliance:
        appliance.serial.expect(f"The machine's IOMMU {NAMED[MACHINE.arch]}, which this kernel has no driver for")
        appliance.serial.expect("No IOMMU: devices reach all memory")
        appliance.shell.wait_prompt()
        attach(appliance, "linux1").wait_ready()


@pytest.mark.slow
@pytest.mark.arch("x86")
def test_passthrough_is_refused_behind_an_iommu_without_a_driver(build_with, tmp_path, monkeypatch):
    """The image was made for AMD-Vi, the machine has VT-d."""
    out = build_with("amdvi-driver", ["CONFIG_IOMMU_AMDVI=y", "CONFIG_VTD_DRIVER=n", "CONFIG_P1_PCI0=y", 'CONFIG_P1_PCI0_FUNCTION="8086:10d3"'])
    monkeypatch.setitem(machines.IOMMUS, "amdvi", machines.IOMMUS["vtd"])
    with Appliance(out, folder=tmp_path, extra=["-device", "e1000e"]) as appliance:
        appliance.serial.expect("The machine's IOMMU is VT-d, which this kernel has no driver for")
        appliance.serial.expect(r"linux1: PCI function [0-9a-f:.]+ is behind no IOMMU")
        appliance.shell.wait_prompt()
        assert {d["name"]: d["state"] for d in appliance.shell.json("domain list")}["linux1"] == "absent"


@pytest.mark.arch("arm64")
def test_a_kernel_for_a_configuration_without_pci_has_none(default_build):
    """And is as small as it is said to be."""
    assert not objects(default_build) & {"core/pci", "core/vpci", "arch/arm64/its", "arch/arm64/iommu", "devices/iommu/iommu", "devices/iommu/smmuv3"}
    assert (default_build / "bulkhead.bin").stat().st_size <= 102400
