# SPDX-License-Identifier: Apache-2.0
"""Fixtures: builds of configurations (made once, kept in the output directory) and appliances that run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from appliance import TOP, Appliance  # noqa: E402

OUT = Path(os.environ.get("O", TOP / "build")).resolve()


def build(name, changes=()):
    """Builds configs/qemu_virt_defconfig with `changes` (lines of .config) in OUT/tests/NAME; returns that directory."""
    out = OUT / "tests" / name
    out.mkdir(parents=True, exist_ok=True)
    log = out / "build.log"
    base = (TOP / "configs/qemu_virt_defconfig").read_text()
    wanted = base + "".join(change + "\n" for change in changes)
    with open(log, "wb") as output:
        (out / "wanted.config").write_text(wanted)
        steps = [["make", "-C", str(TOP), f"O={out}", f"KCONFIG_SOURCE={out}/wanted.config", "config-from-file"],
                 ["make", "-C", str(TOP), f"O={out}", "-j2", "appliance"]]
        environment = {k: v for k, v in os.environ.items() if k not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        for step in steps:
            done = subprocess.run(step, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment)
            if done.returncode:
                pytest.fail(f"building {name}: {' '.join(step)} failed:\n{log.read_text(errors='replace')[-4000:]}", pytrace=False)
    return out


@pytest.fixture(scope="session")
def default_build():
    """The default configuration, as `make` builds it."""
    return build("default")


@pytest.fixture(scope="session")
def build_with():
    return build


@pytest.fixture
def appliance(default_build, tmp_path):
    """A freshly started appliance with the default partitions."""
    with Appliance(default_build, folder=tmp_path) as running:
        yield running
