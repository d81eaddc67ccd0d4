# SPDX-License-Identifier: Apache-2.0
"""The build as its users meet it (issue 2, points 1 to 3)."""

import os
import subprocess

import pexpect
import pytest

from appliance import PATIENCE, TOP, Appliance, free_port

PRODUCTS = ("bulkhead.bin", "bulkhead.elf", "bundle/mgmt.elf", "bundle.itb", "partitions.txt", "flow.svg", "bulkhead.img.bmap",
            "bulkhead.img")


def make(*words, directory=TOP, check=True):
    """make as a person calls it: without the variables of the make that started these tests."""
    environment = {name: value for name, value in os.environ.items() if name not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", *words], cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check:
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def copy_of_the_tree(target):
    """What git would give another machine, with changes that are not committed yet."""
    target.mkdir(parents=True)
    files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TOP, capture_output=True, check=True)
    names = b"\0".join(name for name in files.stdout.split(b"\0") if os.path.exists(TOP / name.decode()))
    subprocess.run(["tar", "--null", "-T", "-", "-cf", str(target / "tree.tar")], cwd=TOP, input=names, check=True)
    subprocess.run(["tar", "-xf", "tree.tar"], cwd=target, check=True)
    return target


def test_two_builds_give_the_same_bytes(tmp_path, machine):
    """At different places, in another order, with another output directory; up to the disk image and its block map."""
    one = copy_of_the_tree(tmp_path / "one")
    other = copy_of_the_tree(tmp_path / "somewhere/else")
    make(f"{machine.configuration}_defconfig", directory=one)
    make("-j2", "image", directory=one)
    make(f"O={tmp_path}/output", f"{machine.configuration}_defconfig", directory=other)
    make("-j4", f"O={tmp_path}/output", "image", directory=other)
    for name in PRODUCTS:
        same = subprocess.run(["cmp", one / "build" / name, tmp_path / "output" / name], capture_output=True, text=True, check=False)
        assert same.returncode == 0, same.stdout + same.stderr


@pytest.mark.once
def test_an_output_directory_leaves_the_tree_alone(tmp_path):
    def status():
        return subprocess.run(["git", "status", "--porcelain", "--ignored"], cwd=TOP, capture_output=True, text=True, check=True).stdout

    before = status()
    make(f"O={tmp_path}/out", "config", "kernel")
    assert status() == before


@pytest.mark.once
def test_configuration_targets(tmp_path):
    out = f"O={tmp_path}/out"
    make(out, "qemu_virt_defconfig")
    make(out, "savedefconfig")
    assert (tmp_path / "out/defconfig").read_text() == (TOP / "configs/qemu_virt_defconfig").read_text()
    config = tmp_path / "out/.config"
    config.write_text(config.read_text().replace("CONFIG_P1_MEMORY=512\n", ""))
    make(out, "olddefconfig")
    assert "CONFIG_P1_MEMORY=512\n" in config.read_text()


@pytest.mark.once
def test_mistyped_configuration_is_answered_with_the_names(tmp_path):
    done = make(f"O={tmp_path}/out", "qemu_wirt_defconfig", check=False)
    assert done.returncode != 0 and "qemu_virt_defconfig" in done.stdout


@pytest.mark.once
def test_menuconfig_shows_the_partitions(tmp_path):
    screen = pexpect.spawn("make", [f"O={tmp_path}/out", "menuconfig"], cwd=str(TOP), env=dict(os.environ, TERM="xterm"),
                           dimensions=(40, 120), timeout=PATIENCE)
    screen.expect("Appliance")
    screen.expect("Partitions")
    screen.send("q")
    screen.expect(pexpect.EOF)
    assert (tmp_path / "out/.config").exists()


@pytest.mark.once
def test_broken_configuration_is_refused_before_anything_is_built(tmp_path):
    make(f"O={tmp_path}/out", "qemu_virt_defconfig")
    with open(tmp_path / "out/.config", "a", encoding="utf-8") as handle:
        handle.write('CONFIG_P2_CPUS="1"\n')
    done = make(f"O={tmp_path}/out", "kernel", check=False)
    assert done.returncode != 0
    assert "partition 2 'linux2': CPUS=1: CPU 1 belongs to partition 1 'linux1'; choose from 3" in done.stderr
    assert not list((tmp_path / "out").glob("*.elf"))


@pytest.mark.once
def test_help_lists_the_targets():
    text = make("help").stdout
    for target in ("run", "test", "menuconfig", "NAME_defconfig", "savedefconfig", "olddefconfig", "bench"):
        assert f"\n  {target} " in text, f"{target} is missing:\n{text}"


def test_make_run_ends_at_the_management_shell(default_build):
    """And says before that how to reach the guests' consoles and the TLS console."""
    port = free_port()
    terminal = pexpect.spawn("make", [f"O={default_build}", "run", f"TLS_PORT={port}"], cwd=str(TOP), timeout=PATIENCE, dimensions=(50, 200))
    try:
        terminal.expect("Guests' consoles: +console linux1")
        terminal.expect(f"TLS console: .*localhost:{port}")
        terminal.expect("bulkhead> ")
        terminal.send("version\r")
        terminal.expect("development certificates: +yes")
        terminal.sendcontrol("a")
        terminal.send("x")
        terminal.expect(pexpect.EOF)
    finally:
        terminal.close(force=True)


def test_eight_partitions(build_with, tmp_path):
    """The template's eight partitions, all in one appliance: the management domain and seven guests."""
    lines = ["CONFIG_BOARD_CPUS=8"]
    for n in range(1, 8):
        lines += [f"CONFIG_P{n}=y", f'CONFIG_P{n}_NAME="guest{n}"', f'CONFIG_P{n}_CPUS="{n}"', f"CONFIG_P{n}_MEMORY=16",
                  f"CONFIG_P{n}_KERNEL_FILE=y", f'CONFIG_P{n}_KERNEL_PATH="guest:witness"', f"CONFIG_P{n}_INITRD_NONE=y",
                  f"CONFIG_P{n}_UART=y", f'CONFIG_P{n}_CMDLINE=""']
    lines += [f"CONFIG_P{n}_{device}=n" for n in (1, 2) for device in ("NIC0", "NIC1", "DISK0")]
    out = build_with("eight", lines)
    assert (out / "partitions.txt").read_text().count("witness") == 7
    with Appliance(out, smp=8, folder=tmp_path) as appliance:
        appliance.shell.wait_prompt()
        for n in range(1, 8):
            appliance.wait_state(f"guest{n}", "running")
