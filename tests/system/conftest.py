# SPDX-License-Identifier: Apache-2.0
"""Fixtures: builds of configurations (made once, kept in the output directory) and appliances that run them."""

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from appliance import TOP, Appliance  # noqa: E402
from machines import BY_ARCH  # noqa: E402

OUT = Path(os.environ.get("O", TOP / "build")).resolve()
MACHINE = None  # set by --arch


def pytest_addoption(parser):
    parser.addoption("--arch", choices=sorted(BY_ARCH), default="arm64", help="whose default board is tested")
    parser.addoption("--slow", action="store_true", help="also the tests that take very long")


def pytest_configure(config):
    global MACHINE
    MACHINE = BY_ARCH[config.getoption("--arch")]
    config.addinivalue_line("markers", "arch(name): a test for one architecture only")
    config.addinivalue_line("markers", "slow: a test that takes very long, run by hand")
    config.addinivalue_line("markers", "once: a test that does not depend on the architecture")


def pytest_collection_modifyitems(config, items):
    """Leaves out what is of another architecture; what depends on none runs with arm64."""
    def wanted(item):
        only = [mark.args[0] for mark in item.iter_markers("arch")] + ["arm64"] * bool(item.get_closest_marker("once"))
        return all(name == MACHINE.arch for name in only) and (config.getoption("--slow") or not item.get_closest_marker("slow"))

    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = [item for item in items if wanted(item)]


def pytest_generate_tests(metafunc):
    if "model" in metafunc.fixturenames:
        metafunc.parametrize("model", MACHINE.models)
    if "hardware" in metafunc.fixturenames:
        others = [pytest.param(pair, id="-".join(pair), marks=pytest.mark.slow) for pair in MACHINE.hardware]
        metafunc.parametrize("hardware", [pytest.param(("virtio", "virtio"), id="virtio"), *others], scope="module")


@pytest.fixture(scope="session")
def machine():
    return MACHINE


# Of an output directory: objects, the flags that they were built with, and generated headers that each of them includes.
OBJECTS = ("kernel", "mgmt", "native", "guests", "guest-linux", "flags", "generated/version.h")


@functools.cache
def symbols_in_sources():
    """The configuration's symbols that any source file mentions: a small part of them."""
    sources = [path for path in TOP.rglob("*.[chS]") if OUT not in path.parents]
    return {name for path in sources for name in re.findall(r"CONFIG_\w+", path.read_text(errors="replace"))}


def as_compiled(header):
    """What a config.h is for the compiler."""
    return [line for line in header.read_text().splitlines() if line.startswith("#define ") and line.split()[1] in symbols_in_sources()]


def borrow_objects(out):
    """Gives an output directory that has none the objects of another one with the same config.h, as far as sources use it: most
    configurations differ in tables alone. make finds out, from times and from the texts of the flags, what is to be built again."""
    header = out / "generated/config.h"
    for other in sorted(out.parent.iterdir()):
        if (other / "bundle.itb").exists() and as_compiled(other / "generated/config.h") == as_compiled(header):
            break
    else:
        return
    for part in OBJECTS:
        if (other / part).exists():
            subprocess.run(["cp", "-aT", str(other / part), str(out / part)], check=True)
    shutil.copystat(other / "generated/config.h", header)  # older than the objects
    for path in [*out.glob("flags/*"), *out.rglob("*.d")]:
        times = path.stat()
        path.write_text(path.read_text().replace(f"{other}/", f"{out}/").replace(f"{other}=", f"{out}="))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def build(name, changes=(), configuration=None):
    """Builds a configuration (the architecture's default) with `changes` (lines of .config); returns the output directory."""
    out = OUT / "tests" / ("" if MACHINE.arch == "arm64" else MACHINE.arch) / name
    is_new = not (out / "kernel").exists()
    out.mkdir(parents=True, exist_ok=True)
    log = out / "build.log"
    base = (TOP / f"configs/{configuration or MACHINE.configuration}_defconfig").read_text()
    wanted = base + "CONFIG_P0_HEARTBEAT_MS=20000\n" + "".join(change + "\n" for change in changes)  # emulated, a slow one
    environment = {k: v for k, v in os.environ.items() if k not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    with open(log, "wb") as output:
        def make(*words):
            done = subprocess.run(["make", "-C", str(TOP), f"O={out}", *words], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                  env=environment)
            if done.returncode:
                pytest.fail(f"building {name}: make {' '.join(words)} failed:\n{log.read_text(errors='replace')[-4000:]}", pytrace=False)

        (out / "wanted.config").write_text(wanted)
        make(f"KCONFIG_SOURCE={out}/wanted.config", "config-from-file")
        if is_new:
            make("config")
            borrow_objects(out)
        make("-j2", "appliance")
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
