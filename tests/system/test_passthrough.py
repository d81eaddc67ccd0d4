# SPDX-License-Identifier: Apache-2.0
"""Issue 4, points 1, 2, 4 and 7: stock drivers of Debian guests on real devices behind the machine's IOMMU, data verified end to end."""

import hashlib
import http.server
import os
import re
import subprocess
import threading

import pytest
from appliance import Appliance, connect
from conftest import MACHINE
from guest import attach

IOMMUS = {"arm64": ["smmuv3"], "x86": ["vtd", pytest.param("amdvi", marks=pytest.mark.slow)]}[MACHINE.arch]
MESSAGES = {"arm64": "MBI-PCI-MSI", "x86": "PCI-MSI"}[MACHINE.arch]  # in a guest's /proc/interrupts
BYTES = 8 << 20


@pytest.fixture(params=IOMMUS, scope="module")
def iommu(request):
    return request.param


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """image(name): a file of random bytes for a disk, and its digest."""
    folder = tmp_path_factory.mktemp("images")

    def make(name):
        (folder / name).write_bytes(os.urandom(BYTES))
        return folder / name, digest(folder / name)

    return make


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def server():
    """A web server of this machine, which QEMU's user networks lead to: (port, digest of what it serves)."""
    content = os.urandom(BYTES)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port, hashlib.sha256(content).hexdigest()
        running.shutdown()


def function(partition, number, which, *options):
    prefix = f"CONFIG_P{partition}_PCI{number}"
    return [f"{prefix}=y", f'{prefix}_FUNCTION="{which}"', *(f"{prefix}_{option}" for option in options)]


def drive(name, path):
    return ["-drive", f"if=none,id={name},file={path},format=raw,file.locking=off"]


def network(name, subnet):
    return ["-netdev", f"user,id={name},net=10.0.{subnet}.0/24"]


def interface_of(guest, driver):
    """The network interface of a driver that has one."""
    return guest.wait_for(f"for n in /sys/class/net/*; do readlink $n/device/driver | grep -q '/{driver}$' && echo =${{n##*/}}=; done", "=(eth[0-9]+)=")[1]


def reaches(guest, interface, subnet, server):
    """A download over the interface, whose digest must be right."""
    port, wanted = server
    guest.run(f"ip address flush dev {interface}; ip address add 10.0.{subnet}.15/24 dev {interface} && ip link set {interface} up")
    found = guest.wait_for(f"wget -q -O - http://10.0.{subnet}.2:{port}/ | sha256sum", "([0-9a-f]{64})", tries=20)[1]
    assert found == wanted, f"{guest.name}: {interface} delivers other bytes"


def digest_of(guest, pattern):
    """The digest of a disk that a shell pattern names, once it is there."""
    return guest.wait_for(f"sha256sum {pattern} | sed s/^/digest=/", "digest=([0-9a-f]{64})")[1]


def devices(appliance):
    return {found["address"]: found for found in appliance.bhctl_json("device", "list")}


def no_faults(appliance):
    faulty = [found for found in devices(appliance).values() if found["faults"]]
    assert not faulty, faulty


@pytest.fixture(scope="module")
def passthrough_build(build_with, iommu):
    """Its Linux guests have four functions of the machine, and three."""
    lines = [f"CONFIG_IOMMU_{iommu.upper()}=y",
             *function(1, 0, "00:10.0"), *function(1, 1, "1b36:0010"), *function(1, 2, "00:12.0", "WITHOUT_RESET=y"),
             *function(1, 3, "00:13.0", "WITHOUT_RESET=y"), *function(2, 0, "00:17.0"), *function(2, 1, "00:15.0"),
             *function(2, 2, "00:16.0", "WITHOUT_RESET=y")]
    return build_with(f"passthrough-{iommu}", lines)


@pytest.fixture(scope="module")
def two_guests(passthrough_build, iommu, image, tmp_path_factory):
    """A running appliance with all of that. It has .disks: {name: (path, digest)}."""
    disks = {name: image(f"{iommu}-{name}") for name in ("nvme", "usb", "ahci", "virtio", "ehci")}
    # Without messages: its interrupt is a line. Linux' e1000 wants I/O ports, which an arm64 guest has none of.
    line = {"x86": [*network("pn3", 11), "-device", "e1000,netdev=pn3,addr=16.0,romfile="],
            "arm64": ["-device", "usb-ehci,id=pehci,addr=16.0", *drive("pd5", disks["ehci"][0]), "-device", "usb-storage,bus=pehci.0,drive=pd5"]}
    virtio = "iommu_platform=on,disable-legacy=on"
    extra = [*network("pn1", 9), "-device", "e1000e,netdev=pn1,addr=10.0,romfile=",
             *drive("pd1", disks["nvme"][0]), "-device", "nvme,serial=bh1,drive=pd1,addr=11.0",
             "-device", "qemu-xhci,id=pusb,addr=12.0", *drive("pd2", disks["usb"][0]), "-device", "usb-storage,bus=pusb.0,drive=pd2",
             "-device", "ich9-ahci,id=pahci,addr=13.0", *drive("pd3", disks["ahci"][0]), "-device", "ide-hd,bus=pahci.0,drive=pd3",
             *network("pn2", 10), "-device", f"virtio-net-pci,netdev=pn2,addr=17.0,romfile=,{virtio}",
             *drive("pd4", disks["virtio"][0]), "-device", f"virtio-blk-pci,drive=pd4,addr=15.0,{virtio}",
             *line[MACHINE.arch]]
    with Appliance(passthrough_build, folder=tmp_path_factory.mktemp("run"), extra=extra) as appliance:
        appliance.shell.wait_prompt()
        appliance.disks = disks
        yield appliance


def test_stock_drivers(two_guests, server):
    """e1000e, NVMe, USB and AHCI in one guest, virtio and one without messages in another: their drivers find them, their interrupts come, data is right."""
    first, second = attach(two_guests, "linux1").wait_ready(), attach(two_guests, "linux2").wait_ready()
    assert digest_of(first, "/dev/nvme0n1") == two_guests.disks["nvme"][1]
    assert {digest_of(first, "/dev/sda"), digest_of(first, "/dev/sdb")} == {two_guests.disks["usb"][1], two_guests.disks["ahci"][1]}
    reaches(first, interface_of(first, "e1000e"), 9, server)
    disk = second.wait_for("for b in /sys/block/vd*; do readlink -f $b | grep -q /pci && echo =${b##*/}=; done", "=(vd[a-z])=")[1]
    assert digest_of(second, f"/dev/{disk}") == two_guests.disks["virtio"][1]
    nic = second.wait_for("for n in /sys/class/net/*; do readlink -f $n | grep -q /pci && echo =${n##*/}=; done", "=(eth[0-9]+)=")[1]
    reaches(second, nic, 10, server)
    if MACHINE.arch == "x86":
        reaches(second, interface_of(second, "e1000"), 11, server)
    else:
        assert digest_of(second, "/dev/sda") == two_guests.disks["ehci"][1]
        assert re.search(r" [1-9]\d{2,} .*GICv3\s+\d+ Level\s+ehci_hcd", second.run("cat /proc/interrupts")), "EHCI has no interrupt line"
    assert re.search(rf"{MESSAGES}X?\S*\s.*nvme0q1", first.run("cat /proc/interrupts")), "nvme has no message interrupt"
    found = devices(two_guests)
    for address in ("00:10.0", "00:11.0", "00:12.0", "00:13.0"):
        assert found[address]["owner"] == "linux1" and found[address]["iommu"] and found[address]["interrupts"] > 0, found[address]
    for address in ("00:17.0", "00:15.0", "00:16.0"):
        assert found[address]["owner"] == "linux2" and found[address]["iommu"], found[address]
        assert found[address]["interrupts"] > 0 or (MACHINE.arch == "arm64" and address == "00:16.0"), found[address]  # lines are not counted there
    no_faults(two_guests)


# By hand until the NIC stands behind a root port: QEMU's e1000e does not do the reset that its power management promises, so that a frame
# of the former life's connection that comes before the new driver's own reset finds a stale ring (seen: one refused write).
@pytest.mark.slow
def test_restart_under_load(two_guests, server):
    """A guest that is restarted while its disk and its NIC work finds both as after a reset; what it wrote is on the disk."""
    path = two_guests.disks["nvme"][0]
    guest = attach(two_guests, "linux1").wait_ready()
    guest.run("dd if=/dev/urandom of=/tmp/new bs=1M count=2 2>/dev/null; dd if=/tmp/new of=/dev/nvme0n1 bs=1M conv=fsync 2>/dev/null")
    wanted = guest.run("sha256sum </tmp/new").split()[0]
    assert hashlib.sha256(path.read_bytes()[:2 << 20]).hexdigest() == wanted, "what the guest wrote is not in the image"
    before = devices(two_guests)["00:11.0"]["resets"]
    for _ in range(2):
        guest.line.send_line("while :; do cat /dev/nvme0n1 >/dev/null; echo 3 >/proc/sys/vm/drop_caches; done &")
        guest.line.send_line("while :; do wget -q -O /dev/null http://10.0.9.2:%u/; done &" % server[0])
        guest.line.send_line("sleep 2; echo busy''-now")
        guest.line.expect("busy-now")
        two_guests.bhctl("domain", "restart", "linux1")
        guest.wait_ready()
        assert guest.run("dd if=/dev/nvme0n1 bs=1M count=2 2>/dev/null | sha256sum").split()[0] == wanted
    reaches(guest, interface_of(guest, "e1000e"), 9, server)
    assert devices(two_guests)["00:11.0"]["resets"] >= before + 2
    no_faults(two_guests)


@pytest.mark.arch("arm64")
def test_management_domain_is_confined(build_with, tmp_path):
    """The management domain's network, disk and entropy on PCI behind the SMMU: they work, and reach nothing else."""
    lines = ["CONFIG_IOMMU_SMMUV3=y", 'CONFIG_P0_DEVICES="arm,pl011 arm,pl031 pci-host-ecam-generic"']
    with Appliance(build_with("mgmt-smmuv3", lines), folder=tmp_path) as appliance:
        appliance.shell.wait_prompt()
        guest = attach(appliance, "linux1").wait_ready()
        guest.run("ping -c 1 -W 20 10.0.2.2")
        compared = guest.run("dd if=/dev/urandom of=/tmp/a bs=1M count=1 2>/dev/null; dd if=/tmp/a of=/dev/vda bs=1M conv=fsync 2>/dev/null; "
                             "echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=1M count=1 2>/dev/null | cmp - /tmp/a && echo same")
        assert compared.strip().endswith("same"), compared  # the kernel tells of the dropped caches before
        owned = [found for found in devices(appliance).values() if found["owner"] == "mgmt"]
        assert len(owned) == 3 and all(found["iommu"] and found["interrupts"] for found in owned), owned
        no_faults(appliance)


@pytest.mark.arch("arm64")
def test_platform_device(build_with, tmp_path):
    """A second PL011 is a guest's: its registers, its interrupt, its clock."""
    lines = ['CONFIG_P0_DEVICES="/pl011@9000000 arm,pl031 virtio,mmio"', 'CONFIG_P1_DEVICES="/pl011@9040000"']
    with Appliance(build_with("platform", lines), folder=tmp_path, extra=["-serial", f"unix:{tmp_path}/second,server=on,wait=off"]) as appliance:
        appliance.shell.wait_prompt()
        guest = attach(appliance, "linux1").wait_ready()
        with connect(appliance.qemu, tmp_path / "second", tmp_path / "qemu.log") as second:
            guest.run("stty -F /dev/ttyAMA1 raw -echo 115200; (while read -r line; do echo got $line >/dev/ttyAMA1; done </dev/ttyAMA1) & sleep 1")
            second.settimeout(60)
            second.sendall(b"hello there\n")
            assert second.makefile("rb").readline().strip() == b"got hello there"
        interrupts = guest.run("cat /proc/interrupts")
        assert re.search(r" [1-9]\d* .*GICv3\s+40 Level\s+uart-pl011", interrupts), interrupts


def test_names_what_is_missing(passthrough_build, tmp_path):
    """Functions that the machine has not: one line each, the partitions that need them are absent, the box runs."""
    with Appliance(passthrough_build, folder=tmp_path) as appliance:
        appliance.shell.wait_prompt()
        states = {d["name"]: d["state"] for d in appliance.bhctl_json("domain", "list")}
        assert states["linux1"] == states["linux2"] == "absent" and states["mgmt"] == "running", states
        log = appliance.bhctl("log").stdout
        assert "00:10.0" in log and "1b36:0010" in log and "00:17.0" in log, log
