# SPDX-License-Identifier: Apache-2.0
"""Issue 5, point 7: a factory reset without a console: by a variable of the UEFI firmware, by what a boot loader leaves on the
disk, by a button that U-Boot looks at; and the password of the serial line, which it takes away."""

import subprocess
import threading
import time

import pytest
from appliance import PATIENCE, Appliance
from test_image import firmware, make_in, partitions, stored_state
from test_power import CONFIGURATION

from tools.image import state

KEPT = {"rollback": (b"1", state.KEPT), "net.lan": b"10.0.2.15/24 10.0.2.2", "note": b"mine"}
MESSAGE = b"boot-recovery".ljust(64, b"\0") + b"recovery\n--wipe_data\n"
GUID = "0a9f7c52-2f4e-5d0b-9a3c-5b1e7d3f6a10"
VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"


@pytest.fixture(scope="module")
def output(build_with):
    out = build_with("power", CONFIGURATION)
    make_in(out, "bulkhead.img")
    return out


def reset(output, machine, folder, flash, message=b"", said=None):
    """The disk has values; after a start the operators' are gone, and after another one those that were set since are there."""
    disk = folder / "disk.img"
    subprocess.run(["cp", "--sparse=always", output / "bulkhead.img", disk], check=True)
    place = partitions(disk)[1]["state"]["start"] * 512
    data = bytearray(state.partition([state.confirmed(15), state.confirmed(14)], KEPT))
    data[:len(message)] = message
    with open(disk, "r+b") as handle:
        handle.seek(place)
        handle.write(data)
    made = Appliance(output, loader="none", disk=disk, extra=flash, folder=folder / "run")
    # Firmware whose variables were used before may know of no such disk, and start its shell.
    made.arguments = [f"{option},bootindex=0" if option.startswith("virtio-blk-pci") else option for option in made.arguments]
    with made as appliance:
        if said:
            appliance.serial.expect(said, PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        assert [value["name"] for value in stored_state(appliance.shell)["values"]] == ["rollback"]
        assert "state: factory reset: the boot loader asks for it" in appliance.shell.run("log")
        appliance.shell.run("state set note again")
        stored_state(appliance.shell)
        appliance.shell.line.send_line("reboot")  # the wish is gone
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        assert "note" in [value["name"] for value in stored_state(appliance.shell)["values"]]
        with open(disk, "rb") as handle:
            handle.seek(place)
            assert not any(handle.read(832))


def test_by_a_message(output, machine, tmp_path):
    reset(output, machine, tmp_path, ["-bios", str(firmware(output / "bulkhead.img", machine))], MESSAGE)


@pytest.mark.arch("arm64")
def test_by_a_button(build_with, machine, tmp_path):
    """QEMU's power button is a line of its PL061, where there is no ACPI. It cannot be held: it is pressed until U-Boot says that it is."""
    out, disk = build_with("button", [*CONFIGURATION, "CONFIG_FACTORY_RESET_BUTTON=y"]), tmp_path / "disk.img"
    make_in(out, "bulkhead.img")
    subprocess.run(["cp", "--sparse=always", out / "bulkhead.img", disk], check=True)
    place = partitions(disk)[1]["state"]["start"] * 512
    with open(disk, "r+b") as handle:
        handle.seek(place)
        handle.write(state.partition([state.confirmed(15), state.confirmed(14)], KEPT))
    flash = ["-M", "acpi=off", "-bios", str(firmware(out / "bulkhead.img", machine))]
    with Appliance(out, loader="none", disk=disk, extra=flash, folder=tmp_path / "run") as appliance:
        pressing = True

        def press():
            while pressing:
                appliance.qmp("system_powerdown")
                time.sleep(0.02)

        thread = threading.Thread(target=press)
        thread.start()
        try:
            appliance.serial.expect("factory reset, since the button is held", PATIENCE)
        finally:
            pressing = False
            thread.join()
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        assert [value["name"] for value in stored_state(appliance.shell)["values"]] == ["rollback"]
        appliance.shell.run("state set note again")
        stored_state(appliance.shell)
        appliance.shell.line.send_line("reboot")
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        assert "note" in [value["name"] for value in stored_state(appliance.shell)["values"]]


def test_the_password_of_the_serial_line(output, machine, tmp_path):
    """Asked for after `exit`, after a reset, and not any more after a factory reset."""
    disk = tmp_path / "disk.img"
    subprocess.run(["cp", "--sparse=always", output / "bulkhead.img", disk], check=True)
    with Appliance(output, loader="none", disk=disk, extra=["-bios", str(firmware(output / "bulkhead.img", machine))], folder=tmp_path / "run") as appliance:
        line, shell = appliance.serial, appliance.shell

        def answer(question, text):
            line.expect(question, PATIENCE)
            line.send_line(text)

        shell.wait_prompt()
        stored_state(shell)
        appliance.bhctl("version")  # there is entropy
        line.send_line("passwd")
        answer("New password[^\r\n]*: ", "open sesame")
        answer("Once more: ", "open sesame")
        line.expect("changed; it is stored", PATIENCE)
        shell.wait_prompt()
        stored_state(shell)
        assert "pbkdf2" not in shell.run("state")
        line.send_line("exit")
        answer("Password: ", "open barley")
        line.expect("Wrong.", PATIENCE)
        answer("Password: ", "open sesame")
        shell.wait_prompt()
        assert "bulkhead_console_password_failures_total 1" in appliance.bhctl("metrics").stdout
        shell.line.send_line("reboot")
        answer("Password: ", "open sesame")
        shell.wait_prompt()
        shell.run("factory-reset --yes")
        stored_state(shell)
        line.send_line("exit")
        shell.wait_prompt()
        assert "sesame" not in (tmp_path / "run/serial.log").read_text(errors="replace")


@pytest.mark.arch("x86")
def test_by_a_variable(output, machine, tmp_path):
    """Set in the firmware's own shell, which starts where there is nothing else: no NIC to boot from, an empty disk."""
    subprocess.run(["cp", VARIABLES, tmp_path / "variables"], check=True)
    flash = ["-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
             "-drive", f"if=pflash,format=raw,file={tmp_path}/variables"]
    empty = tmp_path / "empty.img"
    with open(empty, "wb") as handle:
        handle.truncate(1 << 20)
    bare = Appliance(output, loader="none", disk=empty, extra=flash, folder=tmp_path / "shell")
    nic = bare.arguments.index("-netdev")
    del bare.arguments[nic:nic + 4]
    with bare as appliance:
        appliance.serial.expect("Shell>", PATIENCE)
        appliance.serial.send_line(f"setvar BulkheadFactoryReset -guid {GUID} -nv -bs =01")
        appliance.serial.expect("Shell>", PATIENCE)
    reset(output, machine, tmp_path, flash, said="factory reset, since a variable of the firmware asks for it")
