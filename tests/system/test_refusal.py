# SPDX-License-Identifier: Apache-2.0
"""A CPU without what the kernel needs is refused with one clear line (issue 3, point 1)."""

import pytest
from appliance import PATIENCE, Appliance

pytestmark = pytest.mark.arch("x86")


@pytest.mark.parametrize("cpu, why", [
    ("qemu32", "the CPU has no 64-bit mode with execute-disable"),
    ("max,-x2apic", "the CPU has no x2APIC"),
    ("max,-svm", "the CPU has no VMX and SVM"),
    ("max,-npt", "the CPU has no SVM with nested paging, and pages of 1 GiB"),
])
def test_refuses_a_cpu_without_what_it_needs(default_build, tmp_path, cpu, why):
    with Appliance(default_build, cpu=cpu, folder=tmp_path) as appliance:
        appliance.serial.expect(f"Bulkhead does not run on this machine: {why}\r\n", PATIENCE)
