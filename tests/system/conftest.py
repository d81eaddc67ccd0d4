# SPDX-License-Identifier: Apache-2.0
"""Fixtures: builds of configurations (made once, kept in the output directory) and appliances that run them."""

import fcntl
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


def options(out):
    """What a config.h says, as a set of lines."""
    return {line for line in (out / "generated/config.h").read_text().splitlines() if line.startswith("#define ")}


@functools.cache
def symbols_in(path):
    """The configuration's symbols that a source file mentions, mostly none."""
    return frozenset(re.findall(r"CONFIG_\w+", (TOP / path).read_text(errors="replace")))


@functools.cache
def symbols_in_sources():
    """Those that any of ours does."""
    return frozenset().union(*(symbols_in(path) for path in TOP.rglob("*.[chS]") if OUT not in path.parents))


def borrow_objects(out):
    """Gives an output directory that has none the objects of the one whose config.h is most like its own, but those whose sources mention
    what differs: most configurations differ in tables alone. make finds out, from times and from the texts of the flags, what else
    is to be built again."""
    def different(other):
        return {line.split()[1] for line in options(other) ^ options(out)} & symbols_in_sources()

    others = [other for other in sorted(out.parent.iterdir()) if (other / "bundle.itb").exists() and other != out]
    if not others:
        return
    other = min(others, key=lambda other: len(different(other)))
    changed = different(other)
    for part in OBJECTS:
        if (other / part).exists():
            subprocess.run(["cp", "-aT", str(other / part), str(out / part)], check=True)
    header = out / "generated/config.h"
    shutil.copystat(other / "generated/config.h", header)  # older than the objects
    for path in [*out.glob("flags/*"), *out.rglob("*.d")]:
        times, text = path.stat(), path.read_text()
        path.write_text(text.replace(f"{other}/", f"{out}/").replace(f"{other}=", f"{out}="))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        sources = re.findall(r"[^\s\\]+\.[chS](?!\S)", text) if path.suffix == ".d" else []
        if any(not (TOP / source).exists() or symbols_in(source) & changed for source in sources if not Path(source).is_relative_to(other)):
            path.with_suffix(".o").unlink(missing_ok=True)


def build(name, changes=(), configuration=None):
    """Builds a configuration (the architecture's default) with `changes` (lines of .config); returns the output directory."""
    out = OUT / "tests" / ("" if MACHINE.arch == "arm64" else MACHINE.arch) / name
    out.mkdir(parents=True, exist_ok=True)
    with open(out.parent / ".lock", "w", encoding="ascii") as lock:  # other sessions have something to borrow then, or the same build
        fcntl.flock(lock, fcntl.LOCK_EX)
        build_in(out, name, changes, configuration)
    return out


def build_in(out, name, changes, configuration):
    begun = out / ".begun"  # a loan that was interrupted begins again
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
        if not begun.exists():
            make("config")
            borrow_objects(out)
            begun.touch()
        make("-j2", "appliance")


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
