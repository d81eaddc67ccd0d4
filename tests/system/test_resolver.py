# SPDX-License-Identifier: Apache-2.0
"""The resolver refuses what cannot work, with one clear line that names partition, option and value (issue 2, point 3)."""

import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from appliance import PATIENCE, TOP

pytestmark = pytest.mark.once

BASE, BASE_X86 = ((TOP / f"configs/{name}_defconfig").read_text() for name in ("qemu_virt", "q35"))


def resolve(tmp_path, changes, *options, base=BASE):
    config = tmp_path / "broken.config"
    config.write_text(base + "".join(f"{change}\n" for change in changes))
    return subprocess.run(["/usr/bin/python3", "-B", "-m", "tools.resolver", "--config", str(config), "--output", str(tmp_path / "out"), *options],
                          cwd=TOP, capture_output=True, text=True, timeout=PATIENCE)


IOMMU, IOMMU_X86 = ["CONFIG_IOMMU_SMMUV3=y"], ["CONFIG_IOMMU_VTD=y"]
SRIOV = ["CONFIG_SRIOV0=y", "CONFIG_SRIOV0_FUNCTION=\"00:04.0\"", "CONFIG_SRIOV0_VFS=2"]


def pci(partition, slot, function):
    return [f"CONFIG_P{partition}_PCI{slot}=y", f"CONFIG_P{partition}_PCI{slot}_FUNCTION=\"{function}\""]


# What is changed in the default configuration, and what the only line of the answer must say.
BROKEN = {
    "cpu claimed twice": (["CONFIG_P2_CPUS=\"2\""], ["partition 2 'linux2'", "CPUS=2", "belongs to partition 1 'linux1'", "choose from 3"]),
    "cpu that does not exist": (["CONFIG_P2_CPUS=\"3,9\""],
                                ["partition 2 'linux2'", "CPUS=3,9", "CPU 9 does not exist on board qemu-virt (CPUs 0-3)"]),
    "no cpu": (["CONFIG_P2_CPUS=\"\""], ["partition 2 'linux2'", "CPUS=(empty)", "choose from 3"]),
    "cpus that are no list": (["CONFIG_P2_CPUS=\"three\""], ["partition 2 'linux2'", "CPUS=three", "write a list such as 1,2"]),
    "same cpu twice in a list": (["CONFIG_P2_CPUS=\"3,3\""], ["partition 2 'linux2'", "CPUS=3,3", "named twice"]),
    "odd memory": (["CONFIG_P1_MEMORY=513"], ["partition 1 'linux1'", "MEMORY=513", "try 514"]),
    "memory that is no number": (["CONFIG_P1_MEMORY=much"], ["partition 1 'linux1'", "MEMORY=much", "whole number"]),
    "more memory than there is": (["CONFIG_P1_MEMORY=1600"], ["partition 1 'linux1'", "MEMORY=1600", "has 2048 MiB", "take 190 MiB away"]),
    "unaligned base": (["CONFIG_P1_MEMORY_BASE=0x60001000"], ["partition 1 'linux1'", "MEMORY_BASE=0x60001000", "0x60000000"]),
    "base outside RAM": (["CONFIG_P1_MEMORY_BASE=0xb0000000"], ["partition 1 'linux1'", "MEMORY_BASE=0xb0000000", "not all RAM of board qemu-virt"]),
    "base on the log": (["CONFIG_P0_MEMORY_BASE=0x40000000"], ["partition 0 'mgmt'", "MEMORY_BASE=0x40000000", "log at 0x40180000", "0x40200000"]),
    "overlapping memory": (["CONFIG_P1_MEMORY_BASE=0x60000000", "CONFIG_P2_MEMORY_BASE=0x70000000"],
                           ["partition 2 'linux2'", "MEMORY_BASE=0x70000000", "partition 1 'linux1'", "0x80000000 or higher"]),
    "device in two partitions": (["CONFIG_P1_DEVICES=\"arm,pl031\"", "CONFIG_P1_RTC=n"],
                                 ["partition 1 'linux1'", "DEVICES=arm,pl031", "belongs to partition 0 'mgmt'"]),
    "device over an emulated one": (["CONFIG_P1_DEVICES=\"/pl061@9030000\""],
                                    ["partition 1 'linux1'", "DEVICES=/pl061@9030000", "overlaps the emulated watchdog"]),
    "device with DMA in a guest": (["CONFIG_P1_DEVICES=\"/fw-cfg@9020000\"", "CONFIG_P1_WATCHDOG=n"],
                                   ["partition 1 'linux1'", "DEVICES=/fw-cfg@9020000", "only partition 0"]),
    "two devices of one page in two partitions": (
        ["CONFIG_P0_DEVICES=\"arm,pl011 arm,pl031 /virtio_mmio@a000000\"", "CONFIG_P1_DEVICES=\"/virtio_mmio@a000200\""],
        ["partition 1 'linux1'", "DEVICES=/virtio_mmio@a000200", "shares a 4 KiB page"]),
    "the kernel's device": (["CONFIG_P1_DEVICES=\"arm,gic-v3\""], ["partition 1 'linux1'", "DEVICES=arm,gic-v3", "kernel's own"]),
    "device that is not there": (["CONFIG_P1_DEVICES=\"acme,uart\""], ["partition 1 'linux1'", "DEVICES=acme,uart", "no such device"]),
    "NIC with one end": (["CONFIG_P1_NIC1_SWITCH=\"nowhere\""],
                         ["partition 1 'linux1'", "NIC1_SWITCH=nowhere", "no such switch", "lan or backplane"]),
    "VLAN out of range": (["CONFIG_P1_NIC0_VLAN=4095"], ["partition 1 'linux1'", "NIC0_VLAN=4095", "1 to 4094"]),
    "bad trunk list": (["CONFIG_P1_NIC0_TRUNK=y", "CONFIG_P1_NIC0_ALLOWED=\"10,30-20\""],
                       ["partition 1 'linux1'", "NIC0_ALLOWED=10,30-20", "smaller one first"]),
    "trunk list without trunk": (["CONFIG_P1_NIC0_ALLOWED=\"10\""], ["partition 1 'linux1'", "NIC0_ALLOWED=10", "has no effect here"]),
    "duplicate MAC": (["CONFIG_P1_NIC0_MAC=\"02:00:00:00:00:01\"", "CONFIG_P2_NIC0_MAC=\"02:00:00:00:00:01\""],
                      ["partition 2 'linux2'", "NIC0_MAC=02:00:00:00:00:01", "partition 1 'linux1' has that address"]),
    "multicast MAC": (["CONFIG_P1_NIC0_MAC=\"01:00:5e:00:00:01\""], ["partition 1 'linux1'", "NIC0_MAC=01:00:5e:00:00:01", "multicast"]),
    "external switch without uplink": (["CONFIG_SWITCH1_EXTERNAL=y"], ["switch 1 'backplane'", "UPLINK=(empty)", "physical NIC"]),
    "uplink used twice": (["CONFIG_SWITCH1_EXTERNAL=y", "CONFIG_SWITCH1_UPLINK=0"], ["switch 1 'backplane'", "UPLINK=0", "switch 0 'lan'"]),
    "address that is none": (["CONFIG_SWITCH0_MGMT_STATIC=y", "CONFIG_SWITCH0_MGMT_ADDRESS=\"10.0.2.300/24\""],
                             ["switch 0 'lan'", "MGMT_ADDRESS=10.0.2.300/24", "192.168.1.10/24"]),
    "gateway elsewhere": (["CONFIG_SWITCH0_MGMT_STATIC=y", "CONFIG_SWITCH0_MGMT_ADDRESS=\"10.0.2.3/24\"", "CONFIG_SWITCH0_MGMT_GATEWAY=\"10.1.1.1\""],
                          ["switch 0 'lan'", "MGMT_GATEWAY=10.1.1.1", "10.0.2.0/24"]),
    "duplicate partition name": (["CONFIG_P2_NAME=\"linux1\""], ["partition 2 'linux1'", "NAME=linux1", "partition 1 has that name"]),
    "bad name": (["CONFIG_P2_NAME=\"a name with spaces\""], ["partition 2", "NAME=a name with spaces", "1 to 15 letters"]),
    "no management partition": (["CONFIG_P0=n"], ["partition 0", "P0=n", "no management partition"]),
    "image that is not there": (["CONFIG_P1_KERNEL_FILE=y", "CONFIG_P1_KERNEL_PATH=\"no/such/Image\""],
                                ["partition 1 'linux1'", "KERNEL_PATH=no/such/Image", "no such file"]),
    "image of another kind": (["CONFIG_P1_KERNEL_FILE=y", "CONFIG_P1_KERNEL_PATH=\"Makefile\"", "CONFIG_P1_KERNEL_ELF=y"],
                              ["partition 1 'linux1'", "KERNEL_PATH=Makefile", "not an ELF file"]),
    "raw binary that is none": (["CONFIG_P1_KERNEL_FILE=y", "CONFIG_P1_KERNEL_PATH=\"/bin/true\"", "CONFIG_P1_KERNEL_RAW=y"],
                                ["partition 1 'linux1'", "KERNEL_PATH=/bin/true", "ELF file for another machine"]),
    "initrd that is not there": (["CONFIG_P1_INITRD_FILE=y", "CONFIG_P1_INITRD_PATH=\"no/such/initrd\""],
                                 ["partition 1 'linux1'", "INITRD_PATH=no/such/initrd", "no such file"]),
    "disk with nothing behind it": (["CONFIG_P1_DISK0_LABEL=\"\""], ["partition 1 'linux1'", "DISK0_LABEL=(empty)", "name the GPT partition"]),
    "disk shared for writing": (["CONFIG_P2_DISK0_LABEL=\"linux1\""], ["partition 2 'linux2'", "DISK0_LABEL=linux1", "partition 1 'linux1' writes"]),
    "whole disk under a partition": (["CONFIG_P2_DISK0_WHOLE=y", "CONFIG_P2_DISK0_LABEL=\"\""], ["partition 2 'linux2'", "DISK0_DEVICE=0", "partition 1 'linux1' writes"]),
    "overlapping regions": (
        ["CONFIG_P1_DISK0_REGION=y", "CONFIG_P1_DISK0_LABEL=\"data\"", "CONFIG_P1_DISK0_SIZE=\"8M\"",
         "CONFIG_P2_DISK0_REGION=y", "CONFIG_P2_DISK0_LABEL=\"data\"", "CONFIG_P2_DISK0_OFFSET=\"4M\""],
        ["partition 2 'linux2'", "DISK0_OFFSET=0x400000", "partition 1 'linux1' writes bytes 0x0 to 0x800000"]),
    "unaligned region": (["CONFIG_P1_DISK0_REGION=y", "CONFIG_P1_DISK0_OFFSET=\"1000\""],
                         ["partition 1 'linux1'", "DISK0_OFFSET=1000", "multiple of 4 KiB"]),
    "restart limit out of range": (["CONFIG_P1_RESTART_LIMIT=0"], ["partition 1 'linux1'", "RESTART_LIMIT=0", "1 to 1000"]),
    "back-off the wrong way round": (["CONFIG_P1_BACKOFF_MS=5000", "CONFIG_P1_BACKOFF_MAX_MS=100"],
                                     ["partition 1 'linux1'", "BACKOFF_MAX_MS=100", "5000 or more"]),
    "a trial that is never confirmed": (["CONFIG_TRIAL_SECONDS=30", "CONFIG_TRIAL_SETTLE_SECONDS=30"],
                                        ["appliance: TRIAL_SETTLE_SECONDS=30", "no trial would ever be confirmed", "29 or less"]),
    "heartbeat of a Linux guest": (["CONFIG_P1_HEARTBEAT_MS=1000"], ["partition 1 'linux1'", "HEARTBEAT_MS=1000", "only a native domain"]),
    "management domain that stays down": (["CONFIG_P0_POLICY_STOP=y"], ["partition 0 'mgmt'", "POLICY_STOP=y", "restart or reset"]),
    "half of the certificates": (["CONFIG_TLS_SERVER_KEY=\"key.pem\""],
                                 ["TLS_SERVER_CERTIFICATE and TLS_CLIENT_CA=(empty)", "belongs together with TLS_SERVER_KEY"]),
    "signing key that is not there": (["CONFIG_BUNDLE_SIGNING_KEY=\"none.pem\""], ["BUNDLE_SIGNING_KEY=none.pem", "No such file", "name one that can"]),
    "signing key that is none": (["CONFIG_BUNDLE_SIGNING_KEY=\"README.md\""], ["BUNDLE_SIGNING_KEY=README.md", "no PEM private key"]),
    "slots' key that is none": (["CONFIG_SLOT_SIGNING_KEY=\"README.md\""], ["SLOT_SIGNING_KEY=README.md", "no PEM private key"]),
    "Secure Boot's key that is none": (["CONFIG_SECURE_BOOT_OWNER_KEY=\"none.pem\"", "CONFIG_SECURE_BOOT_OWNER_CERTIFICATE=\"\""],
                                       ["SECURE_BOOT_OWNER_KEY=none.pem", "No such file"]),
    "Secure Boot's certificate that is none": (["CONFIG_SECURE_BOOT_CERTIFICATE=\"README.md\""], ["SECURE_BOOT_CERTIFICATE=README.md", "no PEM certificate"]),
    "further certificate that is none": (["CONFIG_SECURE_BOOT_MORE_CERTIFICATES=\"none.pem\""], ["SECURE_BOOT_MORE_CERTIFICATES=none.pem", "no PEM certificate"]),
    "public key that is none": (["CONFIG_BUNDLE_PUBLIC_KEY=\"README.md\""], ["BUNDLE_PUBLIC_KEY=README.md", "no PEM public key"]),
    "bundle that its own kernel refuses": (["CONFIG_BUNDLE_VERSION=4", "CONFIG_BUNDLE_VERSION_MINIMUM=5"],
                                           ["BUNDLE_VERSION_MINIMUM=5", "refuse its own bundle", "make it 4 or less"]),
    "version out of range": (["CONFIG_BUNDLE_VERSION=2147483648"], ["BUNDLE_VERSION=2147483648", "choose 0 to 2147483647"]),
    "PCI function that is none": (IOMMU + ["CONFIG_P1_PCI0=y", "CONFIG_P1_PCI0_FUNCTION=\"nic0\""],
                                  ["partition 1 'linux1'", "PCI0_FUNCTION=nic0", "00:03.0", "8086:10d3"]),
    "PCI device number out of range": (IOMMU + ["CONFIG_P1_PCI0=y", "CONFIG_P1_PCI0_FUNCTION=\"00:20.0\""],
                                       ["partition 1 'linux1'", "PCI0_FUNCTION=00:20.0", "devices 00 to 1f"]),
    "PCI function without a name": (IOMMU + ["CONFIG_P1_PCI0=y"], ["partition 1 'linux1'", "PCI0_FUNCTION=:", "names no PCI function"]),
    "PCI function in two partitions": (
        IOMMU + pci(1, 0, "8086:10d3") + pci(2, 1, "8086:10D3#0"),
        ["partition 2 'linux2'", "PCI1_FUNCTION=8086:10d3", "belongs to partition 1 'linux1' already"]),
    "PCI function twice in one": (IOMMU + pci(1, 0, "00:03.0") + pci(1, 1, "0000:00:03.0"), ["partition 1 'linux1'", "PCI1_FUNCTION=00:03.0", "named twice"]),
    "isolation group in two partitions": (
        IOMMU + pci(1, 0, "00:03.0") + pci(2, 0, "00:03.1"),
        ["partition 2 'linux2'", "PCI0_FUNCTION=00:03.1", "one isolation group with 00:03.0 of partition 1 'linux1'"]),
    "isolation group of guest and management": (
        IOMMU + pci(0, 0, "00:03.0") + pci(2, 0, "00:03.1"), ["partition 2 'linux2'", "PCI0_FUNCTION=00:03.1", "00:03.0 of partition 0 'mgmt'"]),
    "PCI function without IOMMU": (pci(1, 0, "8086:10d3"), ["partition 1 'linux1'", "PCI0_FUNCTION=8086:10d3", "no IOMMU", "menu Board"]),
    "PCI function without the IOMMU's driver": (
        IOMMU + ["CONFIG_SMMUV3_DRIVER=n"] + pci(1, 0, "8086:10d3"),
        ["partition 1 'linux1'", "PCI0_FUNCTION=8086:10d3", "without a driver of the IOMMU", "choose SMMUV3_DRIVER (menu Board)"]),
    "host bridge": (IOMMU + pci(1, 0, "00:00.0"), ["partition 1 'linux1'", "PCI0_FUNCTION=00:00.0", "the host bridge of board qemu-virt"]),
    "physical function in a guest": (
        IOMMU + SRIOV + pci(1, 0, "00:04.0"), ["partition 1 'linux1'", "PCI0_FUNCTION=00:04.0", "belongs to the management domain", "00:04.0/vf0"]),
    "virtual function of nobody": (IOMMU + pci(1, 0, "00:04.0/vf0"), ["partition 1 'linux1'", "PCI0_FUNCTION=00:04.0/vf0", "SR-IOV device"]),
    "virtual function written otherwise": (IOMMU + SRIOV + pci(1, 0, "8086:10c9/vf0"),
                                           ["partition 1 'linux1'", "PCI0_FUNCTION=8086:10c9/vf0", "written as there: 00:04.0"]),
    "virtual function that is not there": (IOMMU + SRIOV + pci(1, 0, "00:04.0/vf2"),
                                           ["partition 1 'linux1'", "PCI0_FUNCTION=00:04.0/vf2", "SR-IOV device 0 has 2 virtual functions", "vf0 to vf1"]),
    "virtual function twice": (IOMMU + SRIOV + pci(1, 0, "00:04.0/vf1") + pci(2, 0, "00:04.0/vf1"),
                               ["partition 2 'linux2'", "PCI0_FUNCTION=00:04.0/vf1", "belongs to partition 1 'linux1' already"]),
    "MAC of a whole function": (IOMMU + pci(1, 0, "00:03.0") + ["CONFIG_P1_PCI0_MAC=\"02:00:00:00:00:01\""],
                                ["partition 1 'linux1'", "PCI0_MAC=02:00:00:00:00:01", "only a virtual function"]),
    "VLAN of a virtual function": (IOMMU + SRIOV + pci(1, 0, "00:04.0/vf1") + ["CONFIG_P1_PCI0_VLAN=4095"],
                                   ["partition 1 'linux1'", "PCI0_VLAN=4095", "1 to 4094"]),
    "MAC of NIC and virtual function": (
        IOMMU + SRIOV + pci(2, 0, "00:04.0/vf1") + ["CONFIG_P2_PCI0_MAC=\"02:00:00:00:00:01\"", "CONFIG_P1_NIC0_MAC=\"02:00:00:00:00:01\""],
        ["partition 2 'linux2'", "PCI0_MAC=02:00:00:00:00:01", "partition 1 'linux1' has that address"]),
    "no virtual functions": (IOMMU + SRIOV + ["CONFIG_SRIOV0_VFS=0"], ["SR-IOV device 0", "VFS=0", "1 to 32"]),
    "SR-IOV device twice": (IOMMU + SRIOV + ["CONFIG_SRIOV1=y", "CONFIG_SRIOV1_FUNCTION=\"00:04.0\""], ["SR-IOV device 1", "FUNCTION=00:04.0", "SR-IOV device 0 already"]),
    "SR-IOV of a virtual function": (IOMMU + ["CONFIG_SRIOV0=y", "CONFIG_SRIOV0_FUNCTION=\"00:04.0/vf0\""], ["SR-IOV device 0", "FUNCTION=00:04.0/vf0", "write 00:04.0"]),
    "fault limit out of range": (["CONFIG_DMA_FAULT_LIMIT=-1"], ["appliance", "DMA_FAULT_LIMIT=-1", "0 (never) to 1000000"]),
    "PCI host in a guest": (["CONFIG_P1_DEVICES=\"/pcie@10000000\""], ["partition 1 'linux1'", "DEVICES=/pcie@10000000", "only partition 0", "PCI function 0"]),
    "option that does not exist": (["CONFIG_P1_MEMROY=64"], ["P1_MEMROY=64", "no such option"]),
}

BROKEN_X86 = {
    "x86 device of a guest": (["CONFIG_P1_DEVICES=\"/rtc@70\""], ["partition 1 'linux1'", "DEVICES=/rtc@70", "only partition 0"]),
    "x86 kernel's device": (["CONFIG_P0_DEVICES=\"intel,hpet\""], ["partition 0 'mgmt'", "DEVICES=intel,hpet", "kernel's own"]),
    "x86 image of another kind": (["CONFIG_P1_KERNEL_FILE=y", "CONFIG_P1_KERNEL_PATH=\"/bin/true\"", "CONFIG_P1_KERNEL_IMAGE=y"],
                                  ["partition 1 'linux1'", "KERNEL_PATH=/bin/true", "not a bzImage", "KERNEL_ELF"]),
    "x86 raw binary that is not said to be one": (["CONFIG_P1_KERNEL_FILE=y", "CONFIG_P1_KERNEL_PATH=\"Makefile\""],
                                                  ["partition 1 'linux1'", "KERNEL_PATH=Makefile", "neither a bzImage", "KERNEL_RAW"]),
    "x86 program of an operating system": (["CONFIG_P1_KERNEL_FILE=y", "CONFIG_P1_KERNEL_PATH=\"/bin/true\""],
                                           ["partition 1 'linux1'", "KERNEL_PATH=/bin/true", "names an interpreter"]),
    "x86 function without a reset": (IOMMU_X86 + pci(1, 0, "00:1f.2") + pci(1, 1, "00:1f.3") + ["CONFIG_P1_PCI1_WITHOUT_RESET=y"],
                                     ["partition 1 'linux1'", "PCI0_FUNCTION=00:1f.2", "AHCI controller has no reset", "PCI0_WITHOUT_RESET"]),
    "x86 half of a group": (IOMMU_X86 + pci(1, 0, "8086:2922") + ["CONFIG_P1_PCI0_WITHOUT_RESET=y"],
                            ["partition 1 'linux1'", "PCI0_FUNCTION=8086:2922", "00:1f.3 (the SMBus controller)", "partition 0 'mgmt' has", "give both"]),
    "x86 board without PCI": (["CONFIG_BOARD_BOCHS=y", "CONFIG_BOARD_CPUS=4", "CONFIG_BOARD_RAM_MIB=2048"] + pci(1, 0, "00:03.0"),
                              ["partition 1 'linux1'", "PCI0_FUNCTION=00:03.0", "board bochs has no PCI host"]),
    "x86 too much memory": (["CONFIG_BOARD_RAM_MIB=16384", "CONFIG_P1_MEMORY=4096"], ["partition 1 'linux1'", "MEMORY=4096", "3840 or less"]),
}


@pytest.mark.parametrize("case", BROKEN | BROKEN_X86, ids=[case.replace(" ", "-") for case in BROKEN | BROKEN_X86])
def test_a_broken_configuration_gives_one_clear_error(case, tmp_path):
    changes, words = (BROKEN | BROKEN_X86)[case]
    done = resolve(tmp_path, changes, base=BASE_X86 if case in BROKEN_X86 else BASE)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert len(lines) == 2 and lines[1].endswith("1 error; nothing is built"), done.stderr
    for word in words:
        assert word in lines[0], lines[0]
    assert not (tmp_path / "out").exists(), "something was written although the configuration is broken"


def test_every_error_is_reported_in_one_run(tmp_path):
    done = resolve(tmp_path, ["CONFIG_P2_CPUS=\"2\"", "CONFIG_P1_NIC0_VLAN=4095", "CONFIG_P1_MEMORY=513"])
    assert done.stderr.splitlines()[-1].endswith("3 errors; nothing is built"), done.stderr


def test_too_many_channels_and_consoles(tmp_path):
    changes = ["CONFIG_BOARD_CPUS=8", "CONFIG_BOARD_RAM_MIB=8192", "CONFIG_P1_CPUS=\"1\"", "CONFIG_P2_CPUS=\"2\""]
    for n in range(1, 8):
        changes += [f"CONFIG_P{n}=y", f"CONFIG_P{n}_CPUS=\"{n}\""]
        changes += [f"CONFIG_P{n}_NIC{i}=y" for i in range(4)]
        changes += [line for i in range(4) for line in (f"CONFIG_P{n}_DISK{i}=y", f"CONFIG_P{n}_DISK{i}_LABEL=\"p{n}d{i}\"")]
    done = resolve(tmp_path, changes)
    assert "channels=70: at most 64" in done.stderr and done.stderr.splitlines()[-1].endswith("1 error; nothing is built"), done.stderr


def test_a_good_configuration_is_written_as_tables_text_and_picture(tmp_path):
    done = resolve(tmp_path, [])
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    table = (out / "partitions.txt").read_text()
    assert done.stdout == table
    for word in ("mgmt", "linux1", "1,2", "512 MiB", "backplane", "disk0:linux2"):
        assert word in table
    source = (out / "generated/partitions.c").read_text()
    assert ".cpus = 0x6," in source and "const uint32_t partition_count = 3;" in source
    texts = [element.text for element in ElementTree.parse(out / "flow.svg").iter("{http://www.w3.org/2000/svg}text")]
    for word in ("linux1", "linux2", "switch lan", "switch backplane", "volume linux1", "NIC 0", "physical disk 0"):
        assert word in texts


def test_passed_functions_are_in_tables_text_and_picture(tmp_path):
    done = resolve(tmp_path, IOMMU_X86 + SRIOV + pci(1, 0, "8086:10d3#1") + pci(1, 1, "00:04.0/vf1") + pci(2, 0, "0000:05:00.0") + [
        "CONFIG_P1_PCI1_VLAN=7", "CONFIG_P2_PCI0_WITHOUT_RESET=y"], base=BASE_X86)
    assert done.returncode == 0, done.stderr
    for words in ("pci 8086:10d3#1, pci 00:04.0/vf1 VLAN 7", "pci 05:00.0 (no reset)", "SR-IOV: 00:04.0 of mgmt has 2 virtual functions", "IOMMU: vtd"):
        assert words in done.stdout, done.stdout
    source = (tmp_path / "out/generated/partitions.c").read_text()
    for words in (".by_id = true, .instance = 1, .vendor = 0x8086, .device = 0x10d3", ".address = 0x0020", "PCI_VIRTUAL, .vf = 1, .vlan = 7",
                  ".address = 0x0500", "PCI_WITHOUT_RESET", "PARTITION_PCI_REST", "const uint32_t sriov_count = 1;"):
        assert words in source, source
    texts = [element.text for element in ElementTree.parse(tmp_path / "out/flow.svg").iter("{http://www.w3.org/2000/svg}text")]
    for words in ("PCI 8086:10d3#1", "PCI 00:04.0", "PCI 00:04.0/vf1, VLAN 7", "PCI 05:00.0, no reset"):
        assert words in texts, texts


@pytest.mark.parametrize("base, changes, parts", [
    (BASE, [], "no-pci no-iommu no-vtd no-amdvi no-smmuv3"),
    (BASE, ['CONFIG_P0_DEVICES="arm,pl011 pci-host-ecam-generic"'], "pci no-sriov iommu no-vtd no-amdvi smmuv3"),
    (BASE, IOMMU, "pci no-sriov iommu no-vtd no-amdvi smmuv3"),
    (BASE, IOMMU + ["CONFIG_SMMUV3_DRIVER=n"], "pci no-sriov no-iommu no-vtd no-amdvi no-smmuv3"),
    (BASE_X86, [], "pci no-sriov iommu vtd amdvi no-smmuv3"),
    (BASE_X86, IOMMU_X86 + ["CONFIG_AMDVI_DRIVER=n"] + SRIOV + pci(1, 0, "00:04.0/vf0"), "pci sriov iommu vtd no-amdvi no-smmuv3"),
    (BASE_X86, ["CONFIG_PASSTHROUGH_WITHOUT_IOMMU=y", "CONFIG_VTD_DRIVER=n", "CONFIG_AMDVI_DRIVER=n"] + pci(1, 0, "00:03.0"),
     "pci no-sriov no-iommu no-vtd no-amdvi no-smmuv3"),
])
def test_the_kernel_has_the_parts_that_the_configuration_uses(tmp_path, base, changes, parts):
    done = resolve(tmp_path, changes, base=base)
    assert done.returncode == 0, done.stderr
    assert f"kernel-parts := {parts}\n" in (tmp_path / "out/generated/kernel.mk").read_text()


def test_the_same_configuration_gives_the_same_bytes(tmp_path):
    files = ("generated/partitions.c", "generated/management.c", "generated/config.h", "flow.svg", "partitions.txt")
    written = []
    for _ in range(2):
        assert resolve(tmp_path, []).returncode == 0
        written.append([(tmp_path / "out" / name).read_bytes() for name in files])
    assert written[0] == written[1]


def test_keys_to_sign_bundles_with(tmp_path):
    """Of another curve, with a passphrase, of another pair."""
    def key(name, *words):
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{words[0]}", *words[1:], "-out", tmp_path / name],
                       check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["openssl", "pkey", "-in", tmp_path / name, "-passin", "pass:secret", "-pubout", "-out", tmp_path / f"{name}.pub"], check=True)

    key("p384", "P-384")
    key("locked", "P-256", "-aes256", "-pass", "pass:secret")
    for name in ("one", "two"):
        key(name, "P-256")

    def said(private, public=""):
        return resolve(tmp_path, [f'CONFIG_BUNDLE_{kind}_KEY="{tmp_path / name}"' for kind, name in (("SIGNING", private), ("PUBLIC", public)) if name])

    assert "not an ECDSA key on curve P-256" in said("p384").stderr
    assert "the key has a passphrase" in said("locked").stderr
    assert "not the public half of BUNDLE_SIGNING_KEY" in said("one", "two.pub").stderr
    assert "SLOT_SIGNING_KEY" in (slot := resolve(tmp_path, [f'CONFIG_SLOT_SIGNING_KEY="{tmp_path / "one"}"']).stderr) and "not an RSA key" in slot
    for pair in (("one",), ("one", "one.pub"), ("", "locked.pub")):
        assert said(*pair).returncode == 0


def test_keys_of_secure_boot(tmp_path):
    """They come with their certificates; lists that the loader is to enrol have to be signed."""
    for name in ("one", "two"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-subj", f"/CN={name}", "-keyout", tmp_path / f"{name}.pem",
                        "-out", tmp_path / f"{name}.crt"], check=True, stderr=subprocess.DEVNULL)

    def said(enroll=False, **files):
        return resolve(tmp_path, [f'CONFIG_SECURE_BOOT_{option}="{tmp_path / name}"' for option, name in files.items()] + ["CONFIG_SECURE_BOOT_ENROLL=y"] * enroll)

    assert "name the certificate of SECURE_BOOT_SIGNING_KEY" in said(SIGNING_KEY="one.pem").stderr
    assert "signed with a development key" in said(OWNER_KEY="one.pem", OWNER_CERTIFICATE="one.crt").stderr
    assert "not the certificate of SECURE_BOOT_SIGNING_KEY" in said(SIGNING_KEY="one.pem", CERTIFICATE="two.crt").stderr
    assert "the lists to be enrolled cannot be signed" in said(True, CERTIFICATE="one.crt").stderr
    assert "the lists to be enrolled cannot be signed" in said(True, SIGNING_KEY="one.pem", CERTIFICATE="one.crt", OWNER_CERTIFICATE="two.crt").stderr
    for files in ({}, {"SIGNING_KEY": "one.pem", "CERTIFICATE": "one.crt"},
                  {"CERTIFICATE": "one.crt", "OWNER_KEY": "two.pem", "OWNER_CERTIFICATE": "two.crt"}):
        assert said(True, **files).returncode == 0
    assert said(CERTIFICATE="one.crt", MORE_CERTIFICATES="two.crt").returncode == 0
