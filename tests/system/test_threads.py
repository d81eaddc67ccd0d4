# SPDX-License-Identifier: Apache-2.0
"""Domains on threads of one core can time each other: the kernel says so at boot (issue 3, point 6)."""

import pytest
from appliance import PATIENCE, Appliance

pytestmark = pytest.mark.arch("x86")


def test_tells_which_domains_share_a_core(default_build, tmp_path):
    with Appliance(default_build, smp="4,threads=2", folder=tmp_path) as appliance:
        appliance.serial.expect("CPUs 0 and 1 are threads of one core, but belong to mgmt and linux1\r\n", PATIENCE)
        appliance.serial.expect("CPUs 2 and 3 are threads of one core, but belong to linux1 and linux2\r\n", PATIENCE)
