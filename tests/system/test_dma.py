# SPDX-License-Identifier: Apache-2.0
"""Issue 4, points 1, 5 and 8: a guest with a device that reaches memory by itself (QEMU's edu), and what it cannot reach."""

import random
import re
import time

import pytest
from appliance import PATIENCE, Appliance
from conftest import MACHINE
from test_guests import Witness, partition, region, wait_end

IOMMUS = {"arm64": ["smmuv3"], "x86": ["vtd", "amdvi"]}[MACHINE.arch]
EDU = ("-device", "edu,dma_mask=0xffffffffffffffff")
RECORDED = ("smmuv3", "vtd")  # QEMU 10.0 never writes AMD-Vi's event log; the unit test amdvi has it
RESTARTS = {"smmuv3": 200, "vtd": 200, "amdvi": 30}


@pytest.fixture(params=IOMMUS)
def iommu(request):
    return request.param


@pytest.fixture
def device(build_with, tmp_path, iommu):
    """device(image, ...): an appliance with an IOMMU, whose partition `dma` has the edu device and runs that image."""
    started = []

    def start(image, *changes):
        lines = [f"CONFIG_IOMMU_{iommu.upper()}=y", *partition(1, "witness", "witness", "1", *region("0")),
                 *partition(2, "dma", image, "2", "POLICY_STOP=y", "PCI0=y", 'PCI0_FUNCTION="1234:11e8"', "PCI0_WITHOUT_RESET=y"),
                 "# CONFIG_P2_AUTOSTART is not set", *changes]
        appliance = Appliance(build_with(f"{image}-{iommu}" + "-limit" * bool(changes and "LIMIT=5" in changes[0]), lines), smp=3,
                              folder=tmp_path, extra=EDU)
        started.append(appliance)
        appliance.__enter__()
        appliance.shell.wait_prompt()
        return appliance, Witness(appliance)

    yield start
    for appliance in started:
        appliance.__exit__()


def edu(appliance):
    return next(d for d in appliance.bhctl_json("device", "list") if d["ids"] == "1234:11e8")


def starts(appliance):
    return appliance.shell.json("domain show dma")["domain"]["starts"]


def exits(appliance):
    return appliance.shell.json("domain show dma")["vcpus"][0]["exits"]


def said_by_dma(appliance):
    text = appliance.bhctl("console", "dma", "--dump").stdout
    assert "FAIL" not in text, text[-4000:]
    return text


def nobody_noticed(appliance, witness):
    witness.wait_beyond(witness.count())
    events = appliance.bhctl_json("log", "events")
    assert sum(e["kind"] == "boot" for e in events) == 1, "the appliance was reset"
    others = [e for e in events if e["domain"] in ("mgmt", "witness") and e["kind"] != "start"]
    assert not others, others
    assert all(d["faults"] == 0 for d in appliance.bhctl_json("device", "list") if d["owner"] == "mgmt"), "a device of mgmt's was refused"


def test_device_reaches_its_guest_only(device, iommu):
    """DMA to foreign memory, forged messages, writes to BARs, bus master and power state: refused, counted, and nobody else notices."""
    appliance, witness = device("hostile_dma", "CONFIG_DMA_FAULT_LIMIT=0")
    appliance.bhctl("domain", "start", "dma")
    ended = wait_end(appliance, "dma")
    text = appliance.bhctl("console", "dma", "--dump").stdout
    assert "FAIL" not in text and re.search(r"DONE: \d+ passed, 0 failed", text), text[-4000:]
    assert ended["cause"] == "power-off"
    found = edu(appliance)
    assert found["owner"] == "dma" and found["iommu"] and found["interrupts"] >= 3, found
    nobody_noticed(appliance, witness)
    if iommu not in RECORDED:
        return
    assert found["faults"] > 20, found
    said = re.findall(r"\] dma: .* was refused (?:a read|a write)", appliance.bhctl("log").stdout)
    assert 0 < len(said) < found["faults"], "lines about faults are limited"


def test_faults_stop_their_domain(device, iommu):
    """After DMA_FAULT_LIMIT refused accesses the domain is stopped, with that cause."""
    if iommu not in RECORDED:
        pytest.skip("QEMU's model of this IOMMU records no faults")
    appliance, witness = device("hostile_dma", "CONFIG_DMA_FAULT_LIMIT=5")
    appliance.bhctl("domain", "start", "dma")
    ended = wait_end(appliance, "dma")
    assert ended["cause"] == "dma-fault", ended
    assert edu(appliance)["faults"] >= 5
    nobody_noticed(appliance, witness)


def test_restarts_with_dma_under_way(device, iommu, request):
    """No write of a former life reaches the memory of a new one, and the device works in each."""
    if iommu == "amdvi" and not request.config.getoption("--slow"):
        pytest.skip("on AMD-Vi by hand (--slow)")
    appliance, witness = device("dma_restart")
    chance, slower, settled, worked = random.Random(4), 1, 0, 0
    appliance.shell.run("domain start dma")
    end = time.monotonic() + 4 * PATIENCE
    # Lives of all lengths: long enough, on this machine, that some see memory settle and the device work.
    while starts(appliance) <= RESTARTS[iommu] or settled <= RESTARTS[iommu] // 4 or worked <= RESTARTS[iommu] // 20:
        for _ in range(20):  # two at once may be one
            time.sleep(slower * chance.uniform(0.02, 0.25))
            assert "dma" in appliance.shell.run("domain restart dma")
        text = said_by_dma(appliance)
        before, settled, worked = (settled, worked), text.count("PASS: memory is still new"), text.count("PASS: the device writes")
        slower += settled < before[0] + 8 or worked < before[1] + 1
        assert time.monotonic() < end, (starts(appliance), settled, worked, text[-1000:])
    while not (text := said_by_dma(appliance)).endswith("PASS: the device writes\n"):
        assert time.monotonic() < end, text[-1000:]
        time.sleep(0.3)
    before = exits(appliance)
    time.sleep(2)  # about 20 writes
    assert exits(appliance) == before, "moving data made the guest exit"
    assert edu(appliance)["resets"] >= RESTARTS[iommu]
    events = appliance.bhctl_json("log", "events")
    assert all(e["domain"] != "mgmt" and e["domain"] != "witness" and e["kind"] != "crash" for e in events if e["kind"] not in ("boot", "start")), events
    witness.wait_beyond(witness.count())
