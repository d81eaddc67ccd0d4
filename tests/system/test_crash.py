# SPDX-License-Identifier: Apache-2.0
"""A mistake of the kernel itself ends in a record, a reset, and the record in the log of the next boot (issue 2, point 14)."""

import fault
import pytest
from appliance import PATIENCE, Appliance


def kernel_address(appliance, name):
    """Where a function of the kernel lies in the machine's memory."""
    program = appliance.out / "bulkhead.elf"
    return appliance.machine.kernel + fault.symbol(appliance.machine, program, name) - fault.symbol(appliance.machine, program, "image_head")


def test_a_fault_of_the_kernel_is_recorded_over_the_reset_that_follows(default_build, tmp_path):
    with Appliance(default_build, folder=tmp_path, extra=fault.stub_arguments(tmp_path)) as appliance:
        appliance.shell.wait_prompt()
        fault.overwrite(appliance, kernel_address(appliance, "domain_halt"), appliance.machine.undefined)
        appliance.serial.send_line("domain stop linux2")
        appliance.serial.expect("KERNEL FAULT: [^\r\n]+", PATIENCE)
        appliance.serial.expect("boot 1, \\d+ ms, cpu 0, partition 0", PATIENCE)
        appliance.serial.expect("boot 2", PATIENCE)
        appliance.serial.expect("The kernel stopped before this boot", PATIENCE)
        appliance.shell.wait_prompt()
        assert "KERNEL FAULT" in appliance.shell.run("log")
        events = appliance.shell.json("log events")
        resets = [event for event in events if event["kind"] == "reset"]
        assert [event["cause"] for event in resets] == ["kernel-fault"] and resets[0]["boot"] == 1, events


@pytest.mark.arch("x86")
def test_a_stack_that_runs_over_hurts_nobody_else(default_build, tmp_path):
    """Below each stack lies a page that is not mapped. On SVM no exception has another stack: the machine is reset, and the log survives."""
    with Appliance(default_build, folder=tmp_path, extra=fault.stub_arguments(tmp_path)) as appliance:
        appliance.shell.wait_prompt()
        fault.overwrite(appliance, kernel_address(appliance, "domain_halt"), b"\x50\xeb\xfd")  # push %rax, for ever
        appliance.serial.send_line("domain stop linux2")
        appliance.serial.expect("boot 2", PATIENCE)
        appliance.shell.wait_prompt()
        log = appliance.shell.run("log")
        assert ", boot 1" in log and "KERNEL" not in log, log
