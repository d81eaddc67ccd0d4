# SPDX-License-Identifier: Apache-2.0
"""The management domain's drivers of NICs and disks that are not virtio's (issue 4, point 9). A short run of each; the tests of network
and disk run with them too, by -m hardware."""

import hashlib
import random
import re
import socket
import subprocess
import threading
import time

import fault
import pytest
from appliance import PATIENCE, Appliance
from conftest import MACHINE
from guest import attach
from machines import MACHINES
from test_disk import partition_offset

IOMMU = {"arm64": "SMMUV3", "x86": "VTD"}
BAD = 20 << 20  # in linux2's partition: a place that cannot be read
PAIRS = [pytest.param(pair, id="-".join(pair), marks=pytest.mark.arch(machine.arch))
         for machine in MACHINES.values() for pair in machine.hardware]


@pytest.fixture(scope="module")
def hardware_build(build_with):
    """With all of the management domain's devices behind the IOMMU."""
    return build_with("mgmt-iommu", [f"CONFIG_IOMMU_{IOMMU[MACHINE.arch]}=y"])


@pytest.fixture(scope="module", params=PAIRS)
def machine_with(request, hardware_build, tmp_path_factory):
    """An appliance with that NIC and disk, the disk with a bad sector; its two guests."""
    hardware = request.param
    folder = tmp_path_factory.mktemp("-".join(hardware))
    image = folder / "disk.img"
    subprocess.run(["cp", "--sparse=always", str(hardware_build / "disk.img"), str(image)], check=True)
    bad = (partition_offset(image, "linux2") + BAD) // 512
    (folder / "blkdebug").write_text(f'[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "{bad}"\nonce = "off"\n')
    with Appliance(hardware_build, folder=folder, hardware=hardware, disk=f"blkdebug:{folder}/blkdebug:{image}",
                   extra=fault.stub_arguments(folder)) as appliance:
        appliance.shell.wait_prompt()
        appliance.image = image
        one, two = attach(appliance, "linux1").wait_ready(), attach(appliance, "linux2").wait_ready()
        one.wait_for("ip -4 addr show eth0", r"inet 10\.0\.2\.\d+")
        yield appliance, one, two


class Peer:
    """A TCP server of this machine, which guests reach as 10.0.2.2: takes what comes, or sends `data`."""

    def __init__(self, data=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.data, self.digest = data, None
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        connection, _ = self.listener.accept()
        with connection:
            if self.data is not None:
                connection.sendall(self.data)
                return
            digest = hashlib.md5()
            while chunk := connection.recv(65536):
                digest.update(chunk)
            self.digest = digest.hexdigest()


def counters(appliance):
    """Of the physical NIC and disk."""
    tables = {name: appliance.bhctl_json(name) for name in ("disk", "net")}
    return tables["disk"]["disks"][0], tables["net"]["nics"][0]


def test_streams_of_the_network(machine_with):
    """Out by segments that the hardware makes of 64 KiB, in with checksums that it has verified; every byte counts."""
    appliance, one, _ = machine_with
    taker = Peer()
    one.run("dd if=/dev/urandom of=/tmp/out bs=1048576 count=8")
    before = counters(appliance)[1]
    one.run(f"nettest send 10.0.2.2 {taker.port} </tmp/out", timeout=300)
    taker.thread.join(PATIENCE)
    nic = counters(appliance)[1]
    assert nic["offloads"].split() == ["checksum", "tso4", "tso6"]
    # Up to 64 KiB in one piece are one packet to the driver: far fewer than the 5,793 frames on the wire.
    assert nic["tx_packets"] - before["tx_packets"] < 4000, (before["tx_packets"], nic["tx_packets"])
    assert one.run("md5sum /tmp/out").split()[0] == taker.digest
    giver = Peer(random.Random(4).randbytes(8 << 20))
    assert one.run(f"nc 10.0.2.2 {giver.port} </dev/null | md5sum", timeout=300).split()[0] == hashlib.md5(giver.data).hexdigest()
    one.run("rm /tmp/out; ping -c 3 -W 10 10.0.2.2")


def test_all_is_behind_the_iommu(machine_with):
    """The management domain has its devices and reaches its own memory and what guests lend it: none was refused anything."""
    appliance, *_ = machine_with
    owned = [found for found in appliance.shell.json("device list") if found["owner"] == "mgmt" and found["interrupts"]]
    assert len(owned) >= 3 and all(found["iommu"] for found in owned) and not any(found["faults"] for found in owned), owned


def test_content_of_the_disk(machine_with):
    appliance, one, two = machine_with
    one.run("disktest write /dev/vda 16 7; disktest verify /dev/vda 16 7", timeout=600)
    two.run("disktest write /dev/vda 4 9; disktest verify /dev/vda 4 9", timeout=600)
    image, start = appliance.image.read_bytes(), partition_offset(appliance.image, "linux1")
    assert image[start:start + (16 << 20)] != bytes(16 << 20)
    one.run("disktest zeroes /dev/vda 1048576 1048576; sync")
    assert appliance.image.read_bytes()[start + (1 << 20):start + (2 << 20)] == bytes(1 << 20)
    one.run("disktest discard /dev/vda 2097152 1048576")
    disk, _ = counters(appliance)
    assert disk["flushes"] > 0 and disk["discards"] > 0 and disk["errors"] == 0, disk


def test_a_bad_sector_is_one_request_s_error(machine_with):
    """... and the requests that were under way with it are none the worse."""
    appliance, one, two = machine_with
    before, _ = counters(appliance)
    one.run("(while disktest verify /dev/vda 1 7 >/dev/null; do :; done; echo spoilt >/tmp/spoilt) & echo $! >/tmp/reader")
    status, text = two.run(f"dd if=/dev/vda of=/dev/null bs=4096 count=1 skip={BAD // 4096}", check=False)
    assert status != 0, text
    two.run("disktest verify /dev/vda 4 9", timeout=600)
    one.run("kill $(cat /tmp/reader); [ ! -e /tmp/spoilt ]")
    after, _ = counters(appliance)
    assert after["errors"] > before["errors"]


def wait_link(appliance, state):
    end = time.monotonic() + PATIENCE
    while (nic := appliance.shell.json("net")["nics"][0])["link"] != state:
        assert time.monotonic() < end, nic
        time.sleep(0.2)


def test_link_down_and_up(machine_with):
    """The switch's uplink follows (on the serial line: the consoles over TLS have no way either)."""
    appliance, one, _ = machine_with
    appliance.qmp("set_link", name="n0", up=False)
    wait_link(appliance, "down")
    ports = {port["port"]: port["up"] for port in appliance.shell.json("net ports")}
    assert not ports["nic0"], ports
    appliance.qmp("set_link", name="n0", up=True)
    wait_link(appliance, "up")
    one.wait_for("ping -c 1 -W 2 10.0.2.2", r" 0% packet loss")


@pytest.mark.slow
def test_a_disk_that_is_late_is_reset(machine_with):
    """Requests that take too long fail; the others are done again, and the disk goes on."""
    appliance, one, _ = machine_with
    slow = {"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 1, "iops_rd": 0, "iops_wr": 0}
    appliance.qmp("block_set_io_throttle", device="d0", **slow)
    one.run("for i in $(seq 24); do disktest read /dev/vda 1 >/dev/null 2>&1 & done; wait")  # directly: no read-ahead, no second try
    appliance.qmp("block_set_io_throttle", device="d0", **{**slow, "iops": 0})
    assert re.search(r"(nvme|ahci).*is late; it is reset", appliance.shell.run("log"))
    one.run("disktest write /dev/vda 4 3; disktest verify /dev/vda 4 3", timeout=300)
    disk, _ = counters(appliance)
    assert disk["resets"] > 0


def test_the_management_domain_dies_under_load(machine_with):
    """The next one finds the devices as they are, with requests under way; the guests' go on."""
    appliance, one, two = machine_with
    one.run("(disktest write /dev/vda 48 5 && disktest verify /dev/vda 48 5 && echo whole) >/tmp/disk 2>&1 & (ping 10.0.2.2 >/tmp/ping) & sleep 0.3")
    fault.overwrite(appliance, fault.management_address(appliance, "loop_turn"), appliance.machine.undefined)
    appliance.serial.expect("domains on \\d+ CPUs", 2 * PATIENCE)
    appliance.shell.wait_prompt()
    one = attach(appliance, "linux1")
    one.line.expect("linux1# ")
    one.line.send_line("")
    one.wait_for("cat /tmp/disk", r"whole", 2 * PATIENCE)
    one.wait_for("ping -c 1 -W 2 10.0.2.2", r" 0% packet loss")
    disk, _ = counters(appliance)
    assert disk["errors"] == 0, disk
