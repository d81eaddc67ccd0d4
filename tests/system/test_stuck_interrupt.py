# SPDX-License-Identifier: Apache-2.0
"""A device of the management domain whose interrupt line stays up, whatever its registers are told (design, section 5: what devices say is
not trusted). QEMU's test socket holds up an input of the interrupt controller that no device drives; the device tree that the machine is
started with says that it is the serial line's."""

import socket
import subprocess
import time

import pytest
from appliance import PATIENCE, Appliance
from guest import attach
from machines import machine_of

LINE = 100  # a shared interrupt that nothing is joined to on QEMU virt
UART = "/pl011@9000000"


def tree_with_stuck_line(out, folder):
    """The machine's own device tree, but for the serial line's interrupt: a level, on LINE."""
    machine, tree = machine_of(out), folder / "stuck.dtb"
    board = [*machine.machine[:-1], f"{machine.machine[-1]},dumpdtb={tree}"]
    subprocess.run([machine.emulator, *board, "-cpu", machine.cpu, "-smp", "4", "-m", "2G", "-display", "none", *machine.extra],
                   check=True, capture_output=True)
    subprocess.run(["fdtput", "-t", "u", str(tree), UART, "interrupts", "0", str(LINE), "4"], check=True)
    return tree


class QemuTest:
    """QEMU's qtest protocol: one line a command, "OK" for an answer."""

    def __init__(self, folder):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(str(folder / "qtest"))
        self.stream = self.connection.makefile("rw")

    def command(self, text):
        self.stream.write(text + "\n")
        self.stream.flush()
        answer = self.stream.readline()
        assert answer.startswith("OK"), f"{text}: {answer}"


@pytest.fixture
def held(default_build, tmp_path):
    """An appliance, and a function that holds LINE up or lets it go."""
    extra = ["-dtb", str(tree_with_stuck_line(default_build, tmp_path)),
             "-qtest", f"unix:{tmp_path}/qtest,server=on,wait=off", "-qtest-log", "none"]
    with Appliance(default_build, folder=tmp_path, extra=extra) as appliance:
        devices = appliance.qmp("qom-list", path="/machine/unattached")
        gic = next(d["name"] for d in devices if d["type"] == "child<arm-gicv3>")
        tester = QemuTest(tmp_path)
        yield appliance, lambda up: tester.command(f"set_irq_in /machine/unattached/{gic} unnamed-gpio-in {LINE} {int(up)}")


def wait_log(appliance, text):
    end = time.monotonic() + PATIENCE
    while text not in (log := appliance.bhctl("log").stdout):
        assert time.monotonic() < end, f"the log has no {text!r}:\n{log[-2000:]}"
        time.sleep(0.5)


@pytest.mark.arch("arm64")
def test_a_line_that_stays_up_starves_nobody(held):
    appliance, hold = held
    hold(True)  # from before the start on
    appliance.shell.wait_prompt()
    # The management domain answers, on the serial line too, which it looks at from time to time; guests run.
    wait_log(appliance, f"interrupt {32 + LINE} (serial line) does not end: it is held back")
    assert "management domain" in appliance.shell.run("version")
    attach(appliance, "linux1").wait_ready()
    counted = [int(line.split()[-1]) for line in appliance.bhctl("metrics").stdout.splitlines()
               if line.startswith(f'bulkhead_interrupts_held_back_total{{interrupt="{32 + LINE}",device="serial line"}}')]
    assert counted and counted[0] >= 2
    starts = appliance.bhctl_json("domain", "list")[0]["starts"]
    hold(False)
    wait_log(appliance, f"interrupt {32 + LINE} (serial line) ends again; it was held back")
    assert appliance.bhctl_json("domain", "list")[0]["starts"] == starts
