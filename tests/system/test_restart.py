# SPDX-License-Identifier: Apache-2.0
"""Issue point 18: one guest is restarted 200 times under load; nothing leaks, and another guest's ping does not notice."""

import re
import time

import pytest
from appliance import PATIENCE, Appliance, Shell
from guest import attach

RESTARTS = 200
LOAD = ['CONFIG_P2_NAME="load"', "CONFIG_P2_MEMORY=16", "CONFIG_P2_KERNEL_FILE=y", 'CONFIG_P2_KERNEL_PATH="guest:load"', 'CONFIG_P2_CMDLINE=""',
        "CONFIG_P2_UART=y", "CONFIG_P2_ENTROPY=y", "CONFIG_P2_VIRTIO_CONSOLE=y", "# CONFIG_P2_NIC1 is not set", 'CONFIG_P2_NIC0_SWITCH="backplane"',
        "CONFIG_P2_DISK0_REGION=y", 'CONFIG_P2_DISK0_LABEL="data"', 'CONFIG_P2_DISK0_SIZE="1M"']
# What must be the same after 10 restarts and after 200.
CONSTANT = ["bulkhead_kernel_memory_bytes", "bulkhead_sessions", "bulkhead_disk_errors_total", "bulkhead_port_up",
            "bulkhead_channel_failures_total", "bulkhead_volume_failed_total", "bulkhead_volume_malformed_total", "bulkhead_domain_crashes_total"]

# The heap's peak moves with packets and TLS records in flight; a leak of 200 bytes a restart would move it further.
HEAP_SLACK = 32768


def metrics(shell):
    values = {}
    for metric in shell.json("metrics"):
        values.setdefault(metric["name"], {})[str(sorted(metric.get("labels", {}).items()))] = metric["value"]
    return values


def wait_start(shell, count):
    """Waits until `load` runs for the count-th time."""
    end = time.monotonic() + PATIENCE
    while True:
        found = next(d for d in shell.json("domain list") if d["name"] == "load")
        if found["state"] == "running" and found["starts"] >= count:
            assert found["starts"] == count, found
            return
        assert time.monotonic() < end, found
        time.sleep(0.05)


def lost_in_a_row(text):
    """The longest run of sequence numbers that got no answer, and how many answers there were."""
    seen = [int(n) for n in re.findall(r"seq=(\d+)", text)]
    return max((b - a - 1 for a, b in zip(seen, seen[1:])), default=0), len(seen)


@pytest.fixture(scope="module")
def loaded(build_with, tmp_path_factory):
    with Appliance(build_with("load", LOAD), folder=tmp_path_factory.mktemp("load")) as appliance:
        appliance.shell.wait_prompt()
        yield appliance, attach(appliance, "linux1").wait_ready()


def test_200_restarts_under_load(loaded):
    appliance, linux = loaded
    shell = Shell(appliance.openssl())
    shell.wait_prompt()
    wait_start(shell, 1)

    linux.run("ping -c 20 10.0.2.2 > /tmp/quiet", check=False)
    quiet_gap, answers = lost_in_a_row(linux.run("cat /tmp/quiet"))
    assert answers > 0, "no ping at all: nothing to compare with"
    linux.run("ping 10.0.2.2 > /tmp/restarts & echo started")

    early = {}
    for restart in range(1, RESTARTS + 1):
        shell.run("domain restart load")
        wait_start(shell, restart + 1)
        if restart == 10:
            early = metrics(shell)
    late = metrics(shell)

    linux.run("killall -INT ping")
    gap, answers = lost_in_a_row(linux.run("cat /tmp/restarts"))
    assert answers > 0 and gap <= quiet_gap, f"{gap} pings lost in a row, without restarts {quiet_gap}"
    for name in CONSTANT:
        assert name in early and early[name] == late[name], (name, early.get(name), late.get(name))

    def total(values, name):
        return sum(values[name].values())

    assert total(late, "bulkhead_management_heap_peak_bytes") <= total(early, "bulkhead_management_heap_peak_bytes") + HEAP_SLACK

    # There was load, and every channel was reset and served again.
    assert total(late, "bulkhead_volume_requests_total") - total(early, "bulkhead_volume_requests_total") > 10 * RESTARTS
    assert total(late, "bulkhead_volume_resets_total") - total(early, "bulkhead_volume_resets_total") >= RESTARTS - 10
    assert linux.run("disktest write /dev/vda 1 5; disktest verify /dev/vda 1 5 && echo whole").strip().endswith("whole")
