# SPDX-License-Identifier: Apache-2.0
"""Issue point 7: bare-metal guests that do what is forbidden, beside a witness that must not notice."""

import contextlib
import re
import subprocess
import time

import pytest
from appliance import PATIENCE, Appliance
from conftest import MACHINE

CONTROLLER = "gic" if MACHINE.arch == "arm64" else "apic"

# Guests that say what they found and end themselves, and those that are ended: their stop's cause.
HOSTILE = {
    "memory": ("hostile_memory", 1, "power-off"),
    "registers": ("hostile_registers", 1, "power-off"),
    "calls": ("hostile_calls", 2, "power-off"),
    CONTROLLER: (f"hostile_{CONTROLLER}", 2, "power-off"),
    "storm": ("interrupt_storm", 2, "power-off"),
    "virtqueue": ("hostile_virtqueue", 2, "power-off"),
    "watchdog": ("watchdog_expiry", 1, "watchdog"),
    "spin": ("spin_masked", 1, "no-progress"),
    "nowhere": ("branch_nowhere", 1, "no-progress" if MACHINE.arch == "arm64" else "guest-reset"),  # a triple fault
}
AGAIN = ("memory", CONTROLLER, "watchdog", "nowhere")
GROUPS = [["virtqueue", "storm", "memory", "registers"], ["calls", CONTROLLER, "watchdog", "spin"], ["nowhere"]]


def partition(number, name, image, cpus, *lines):
    """A bare-metal guest in partition `number`, with nothing of what the default configuration gives it."""
    prefix = f"CONFIG_P{number}_"
    off = [f"# {prefix}{option} is not set" for option in ("NIC0", "NIC1", "DISK0", "VIRTIO_CONSOLE", "RTC", "ENTROPY", "WATCHDOG")]
    return [f"CONFIG_P{number}=y", f'{prefix}NAME="{name}"', f'{prefix}CPUS="{cpus}"', f"{prefix}MEMORY=16", f"{prefix}KERNEL_FILE=y",
            f'{prefix}KERNEL_PATH="guest:{image}"', f'{prefix}CMDLINE=""', f"{prefix}UART=y", *off, *(prefix + line for line in lines)]


def region(offset):
    return ["DISK0=y", "DISK0_REGION=y", 'DISK0_LABEL="data"', f'DISK0_OFFSET="{offset}"', 'DISK0_SIZE="1M"']


def configuration(names):
    lines = ["CONFIG_BOARD_CPUS=8", *partition(1, "witness", "witness", "1", *region("0"))]
    cpu = 2
    for number, name in enumerate(names, 2):
        image, cpus, _ = HOSTILE[name]
        extra = ["POLICY_STOP=y"]
        if name == "virtqueue":
            extra += ["NIC0=y", "VIRTIO_CONSOLE=y", "ENTROPY=y", *region("4M")]
        if name == "watchdog":
            extra += ["WATCHDOG=y"]
        if name in ("spin", "nowhere"):
            extra += ["PROGRESS_MS=2000"]
        lines += partition(number, name, image, ",".join(str(cpu + i) for i in range(cpus)), *extra)
        lines += [f"# CONFIG_P{number}_AUTOSTART is not set"]
        cpu += cpus
    return lines


class Witness:
    """The guest that must not notice."""

    def __init__(self, appliance):
        self.appliance = appliance

    def count(self):
        text = self.appliance.bhctl("console", "witness", "--dump").stdout
        assert "FAIL" not in text, text[-2000:]
        counts = re.findall(r"witness (\d+)", text)
        return int(counts[-1]) if counts else 0

    def wait_beyond(self, count):
        """The witness goes on: it counts further than `count`."""
        end = time.monotonic() + PATIENCE
        while True:
            now = self.count()
            if now > count:
                return now
            assert time.monotonic() < end, f"the witness stands still at {now}"
            time.sleep(0.5)


def wait_end(appliance, name):
    end = time.monotonic() + 3 * PATIENCE
    while True:
        found = next(d for d in appliance.bhctl_json("domain", "list") if d["name"] == name)
        if found["state"] in ("stopped", "crashed"):
            return found
        if time.monotonic() > end:
            text = appliance.bhctl("console", name, "--dump").stdout
            raise AssertionError(f"{name} is still {found['state']}; it said:\n{text[-3000:]}")
        time.sleep(1)


def show(appliance, name):
    """What there is to know of a failure."""
    for command in (["domain", "list"], ["log", "events"], ["log"], ["console", name, "--dump"], ["console", "witness", "--dump"]):
        with contextlib.suppress(subprocess.TimeoutExpired):
            print(*command, appliance.bhctl(*command, check=False).stdout[-3000:], sep="\n")


@pytest.fixture(scope="module")
def running(build_with, tmp_path_factory):
    """running(name): the appliance that has the hostile guest, and its witness. One at a time: a group's tests stand together, and share
    an appliance as long as they pass."""
    current = {}

    def leave():
        appliance = current.pop("appliance", None)
        current.clear()
        if appliance:
            appliance.__exit__()

    @contextlib.contextmanager
    def enter(name):
        group = next(group for group in GROUPS if name in group)
        if current.get("group") is not group:
            leave()
            appliance = Appliance(build_with("hostile-" + group[0], configuration(group)), smp=8, folder=tmp_path_factory.mktemp(group[0]))
            appliance.__enter__()
            current.update(appliance=appliance, group=group)
            appliance.shell.wait_prompt()
            Witness(appliance).wait_beyond(0)
        try:
            yield current["appliance"], Witness(current["appliance"])
        except BaseException:
            show(current["appliance"], name)
            leave()  # what this one left behind fails no other
            raise

    yield enter
    leave()


@pytest.mark.parametrize("name", [name for group in GROUPS for name in group])
def test_hostile_guest(running, name):
    """The guest gets the architecture's answers or is stopped, with its cause on record; nobody else notices."""
    with running(name) as (appliance, witness):
        check_guest(appliance, witness, name)


def check_guest(appliance, witness, name):
    _, _, cause = HOSTILE[name]
    before = witness.count()
    appliance.bhctl("domain", "start", name)
    ended = wait_end(appliance, name)
    text = appliance.bhctl("console", name, "--dump").stdout
    assert "PASS" in text and "FAIL" not in text, text[-4000:]
    assert ended["cause"] == cause, (ended, text[-2000:])
    assert "by REP OUTSB" not in text, text[-2000:]
    if cause == "power-off":
        assert re.search(r"DONE: \d+ passed, 0 failed", text), text[-2000:]
    witness.wait_beyond(witness.wait_beyond(before))

    events = appliance.bhctl_json("log", "events")
    stops = [e for e in events if e["domain"] == name and e["kind"] in ("stop", "crash")]
    assert stops and stops[-1]["cause"] == cause, events
    assert sum(e["kind"] == "boot" for e in events) == 1, "the appliance was reset"
    others = [e for e in events if e["domain"] in ("mgmt", "witness") and e["kind"] != "start"]
    assert not others, others

    if name in AGAIN:  # whatever it did, a new start finds a partition as new
        appliance.bhctl("domain", "restart", name)
        assert wait_end(appliance, name)["starts"] == 2
        text = appliance.bhctl("console", name, "--dump").stdout
        assert "FAIL" not in text and text.count("PASS") >= 2, text[-4000:]
        witness.wait_beyond(witness.count())


def test_reset_loop_and_fresh_starts(build_with, tmp_path):
    """A guest that resets itself at once is held by its limit; each start finds zeroed memory and registers."""
    lines = partition(1, "witness", "witness", "1", *region("0"))
    limits = ["RESTART_LIMIT=3", "BACKOFF_MS=100", "BACKOFF_MAX_MS=200"]
    lines += partition(2, "looper", "reset_loop", "2", *limits) + partition(3, "fresh", "start_state", "3", *limits)
    with Appliance(build_with("hostile-resets", lines), folder=tmp_path) as appliance:
        appliance.shell.wait_prompt()
        witness = Witness(appliance)
        witness.wait_beyond(0)
        for name in ("looper", "fresh"):
            end = time.monotonic() + PATIENCE
            while not any(e["kind"] == "give-up" and e["domain"] == name for e in appliance.bhctl_json("log", "events")):
                assert time.monotonic() < end, f"the supervisor does not give {name} up"
                time.sleep(1)
            shown = next(d for d in appliance.bhctl_json("domain", "list") if d["name"] == name)
            assert shown["starts"] == 4 and shown["cause"] == "guest-reset", shown
        text = appliance.bhctl("console", "fresh", "--dump").stdout
        assert text.count("DONE: another start") == 4 and "FAIL" not in text, text[-3000:]
        witness.wait_beyond(witness.count())
