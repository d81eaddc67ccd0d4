# SPDX-License-Identifier: Apache-2.0
"""Issue 3, point 3: a guest's kernel by every boot protocol of x86-64 (bzImage is what all other tests boot)."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from appliance import Appliance
from conftest import MACHINE
from guest import attach
from test_guests import partition

pytestmark = pytest.mark.arch("x86")

SOURCE = Path(__file__).with_name("boot_protocols.S")
PROGRAMS = {  # what defines the variant, address, and whether the file is ELF
    "multiboot-elf": (["-DMULTIBOOT"], 0x200000, True),
    "multiboot-flat": (["-DMULTIBOOT", "-DADDRESSES"], 0x300000, False),
    "flat": ([], 0x100000, False),
}


def make_program(folder, name):
    defines, address, elf = PROGRAMS[name]
    program, linked = folder / name, folder / f"{name}.elf"
    subprocess.run([f"{MACHINE.tools}gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-n", "-Wl,--no-warn-rwx-segments", f"-Wl,-Ttext={address:#x}",
                    "-Wl,-e,start", *defines, "-o", linked, SOURCE], check=True)
    if elf:
        linked.rename(program)
    else:
        subprocess.run([f"{MACHINE.tools}objcopy", "-O", "binary", "-j", ".text", linked, program], check=True)
    return program


def extract_vmlinux(image, vmlinux):
    """The ELF file within a bzImage (Documentation/arch/x86/boot.rst: payload_offset, payload_length)."""
    data = image.read_bytes()
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (data[0x1f1] + 1) * 512 + offset
    packed = data[start:start + length - 4]  # behind it stands its unpacked size
    tool = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zX": "xz"}[packed[:4]]
    vmlinux.write_bytes(subprocess.run([tool, "-dc"], input=packed, stdout=subprocess.PIPE, check=True).stdout)


@pytest.fixture(scope="module")
def images(default_build, build_with, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    vmlinux = folder / "vmlinux"
    extract_vmlinux(default_build / "guest-linux/Image", vmlinux)
    lines = ["CONFIG_BOARD_CPUS=8", "# CONFIG_P2 is not set", 'CONFIG_P1_CPUS="1,2"', "CONFIG_P1_KERNEL_FILE=y",
             f'CONFIG_P1_KERNEL_PATH="{vmlinux}"', "CONFIG_P1_INITRD_BUSYBOX=y", "CONFIG_P1_WATCHDOG=y"]
    for number, name in enumerate(PROGRAMS, 2):
        lines += [line for line in partition(number, name, name, str(number + 1), "POLICY_STOP=y") if "_PATH" not in line and "_CMDLINE" not in line]
        lines += [f'CONFIG_P{number}_KERNEL_PATH="{make_program(folder, name)}"', f'CONFIG_P{number}_CMDLINE="{name} says hello"']
    lines += [f"CONFIG_P{number}_KERNEL_RAW=y"]  # the last one, flat, says nothing about itself
    out = build_with("images", lines)
    with Appliance(out, folder=folder, smp=8) as appliance:
        appliance.shell.wait_prompt()
        yield appliance
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", PROGRAMS)
def test_small_programs_are_handed_their_command_line(images, name):
    stopped = images.wait_state(name, "stopped")
    assert stopped["cause"] == "power-off"
    assert images.bhctl("console", name, "--dump").stdout.strip().endswith(f"{name} says hello")


def test_linux_by_pvh(images):
    linux = attach(images, "linux1").wait_ready()
    assert linux.run("cat /proc/sys/kernel/bootloader_type").strip() == "176"  # what Linux says of PVH
    assert linux.run("nproc").strip() == "2"
    assert "wdat" in linux.run("cat /sys/class/watchdog/watchdog0/identity")
