# SPDX-License-Identifier: Apache-2.0
"""Issue 4, point 3: virtual functions for guests, set up by the management domain's drivers of the physical ones."""

import pytest
from appliance import Appliance
from conftest import MACHINE
from guest import attach
from test_passthrough import devices, digest_of, drive, function, image, interface_of, network, no_faults, reaches, server  # noqa: F401

IOMMUS = {"arm64": ["smmuv3"], "x86": ["vtd", pytest.param("amdvi", marks=pytest.mark.slow)]}[MACHINE.arch]
MAC = "02:00:5e:00:10:01"


@pytest.fixture(params=IOMMUS, scope="module")
def with_functions(request, build_with, image, tmp_path_factory):
    """linux1 has a virtual function of an igb, linux2 one of an NVMe controller, and a whole igb."""
    iommu = request.param
    lines = [f"CONFIG_IOMMU_{iommu.upper()}=y", "CONFIG_SRIOV0=y", 'CONFIG_SRIOV0_FUNCTION="8086:10c9"', "CONFIG_SRIOV0_VFS=2",
             "CONFIG_SRIOV1=y", 'CONFIG_SRIOV1_FUNCTION="00:11.0"', "CONFIG_SRIOV1_VFS=1",
             *function(1, 0, "8086:10c9/vf0", f'MAC="{MAC}"'), *function(2, 0, "00:11.0/vf0"), *function(2, 1, "8086:10c9#1")]
    disk = image(f"{iommu}-vf")
    extra = [*network("pn1", 9), "-device", "igb,netdev=pn1,addr=05.0,romfile=",
             *network("pn2", 10), "-device", "igb,netdev=pn2,addr=08.0,romfile=", "-device", "nvme-subsys,id=s0",
             "-device", "nvme,id=c0,serial=bh1,subsys=s0,sriov_max_vfs=1,sriov_vq_flexible=2,sriov_vi_flexible=1,addr=11.0",
             *drive("pd1", disk[0]), "-device", "nvme-ns,drive=pd1,bus=c0,shared=on"]
    with Appliance(build_with(f"sriov-{iommu}", lines), folder=tmp_path_factory.mktemp("sriov"), extra=extra) as appliance:
        appliance.shell.wait_prompt()
        appliance.content = disk[1]
        yield appliance


def test_virtual_functions_of_a_nic(with_functions, server):
    """Its address is the configuration's, and the physical function goes on beside it."""
    guest = attach(with_functions, "linux1").wait_ready()
    interface = interface_of(guest, "igbvf")
    assert MAC in guest.run(f"ip link show {interface}")
    reaches(guest, interface, 9, server)
    status, _ = guest.run(f"ip link set {interface} down; ip link set {interface} address 02:00:5e:00:10:99", check=False)
    assert status != 0, "a guest gives its virtual function another address"
    no_faults(with_functions)


def test_virtual_function_of_an_nvme_controller(with_functions):
    guest = attach(with_functions, "linux2").wait_ready()
    assert digest_of(guest, "/dev/nvme*n1") == with_functions.content
    no_faults(with_functions)


def test_whole_nic_with_virtual_functions(with_functions, server):
    """An igb of its own is a guest's, without its SR-IOV."""
    guest = attach(with_functions, "linux2").wait_ready()
    reaches(guest, interface_of(guest, "igb"), 10, server)
    assert guest.run("cat /sys/bus/pci/devices/*/sriov_totalvfs 2>/dev/null; true").strip() == ""
    no_faults(with_functions)


def test_management_domain_is_confined(with_functions):
    """Its network, disk and entropy, and the physical functions, are behind the IOMMU: guests are served, and it reaches nothing else."""
    guest = attach(with_functions, "linux1").wait_ready()
    guest.run("ping -c 1 -W 20 10.0.2.2; disktest write /dev/vda 2 5 && disktest verify /dev/vda 2 5")
    owned = [found for found in devices(with_functions).values() if found["owner"] == "mgmt" and found["interrupts"]]
    assert len(owned) >= 5 and all(found["iommu"] for found in owned), owned
    no_faults(with_functions)
