# SPDX-License-Identifier: Apache-2.0
"""Measured boot (issue 5, point 4): every stage is in a log that the management domain shows, and in a TPM 2.0 where there is one (swtpm).
docs/attestation.md."""

import hashlib
import importlib.machinery
import importlib.util
import json
import os
import struct
import subprocess
import time

import fault
import pytest
from appliance import PATIENCE, TOP, Appliance, have
from test_image import partitions
from test_locked_uboot import UBOOT
from test_uefi import FIRMWARE, make

DEVICE = {"x86": "tpm-tis", "arm64": "tpm-tis-device"}


class Tpm:
    """swtpm, new or as an earlier run left it."""

    def __init__(self, folder, arch):
        if not have("swtpm"):
            pytest.skip("swtpm is not installed")
        self.state, self.socket = folder / "tpm", folder / "tpm.socket"
        self.state.mkdir(exist_ok=True)
        self.options = ["-chardev", f"socket,id=tpm,path={self.socket}", "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", f"{DEVICE[arch]},tpmdev=tpm0"]

    def __enter__(self):
        self.process = subprocess.Popen(["swtpm", "socket", "--tpm2", "--terminate", "--tpmstate", f"dir={self.state}",
                                         "--ctrl", f"type=unixio,path={self.socket}"], stdin=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while not self.socket.exists():
            assert self.process.poll() is None and time.monotonic() < end, "swtpm does not start"
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.socket.unlink(missing_ok=True)


def copy(image, target):
    subprocess.run(["cp", "--sparse=always", image, target], check=True)
    return target


def by_uefi(machine, out, disk, folder, tpm):
    extra = ["-bios", FIRMWARE[machine.arch], *tpm.options, *fault.stub_arguments(folder)]
    return Appliance(out, loader="none", disk=disk, extra=extra, folder=folder)


def attest(appliance):
    """The report, once the TPM is read."""
    end = time.monotonic() + PATIENCE
    while True:
        done = appliance.bhctl("attest", "--json", check=False, wait=True)
        if "still being read" not in done.stderr:
            return json.loads(done.stdout), done
        assert time.monotonic() < end, done.stderr
        time.sleep(0.3)


def expect(appliance, path):
    return appliance.bhctl("attest", "--expect", str(path), check=False)


def vouched(appliance, expected, folder):
    """The TPM signs what was expected, with a key that was noted before."""
    key = folder / "tpm.pub"
    appliance.bhctl("attest", "--enrol", str(key))
    verdict = appliance.bhctl("attest", "--expect", str(expected), "--key", str(key), check=False)
    assert verdict.returncode == 0 and "these PCRs, just now, signed by the TPM" in verdict.stdout, verdict.stdout + verdict.stderr
    return key


def states(report):
    return {entry["pcr"]: entry["state"] for entry in report["pcrs"]}


@pytest.fixture(scope="module")
def image(default_build):
    """The default configuration, its disk image and what a boot of it measures."""
    return default_build, make(default_build, "bulkhead.img"), make(default_build, "boot.pcrs")


def test_the_log_without_a_tpm(default_build, appliance):
    """QEMU starts the kernel itself: what the kernel has checked is there, by name, and is what was built."""
    make(default_build, "boot.pcrs")
    appliance.shell.wait_prompt()
    report, done = attest(appliance)
    assert done.returncode == 0 and report["attest"]["tpm"] == "none"
    expected = [event for event in json.loads((default_build / "boot.pcrs").read_text())["events"] if event["pcr"] != 8]
    assert [{key: event[key] for key in ("pcr", "stage", "sha256")} for event in report["events"] if event["stage"] != "state"] == expected
    verdict = expect(appliance, default_build / "boot.pcrs")
    assert verdict.returncode == 1 and "PCR  8 (nothing was measured): DIFFERS: 'kernel' not measured" in verdict.stdout, verdict.stdout
    assert "PCR  9 (bundle): as expected (by the log alone: no TPM vouches for it)" in verdict.stdout, verdict.stdout


@pytest.mark.arch("x86")
def test_the_tpm_matches_the_log(image, machine, tmp_path):
    """Firmware, loader, kernel, bundle, images and state; also after the management domain's own restart."""
    out, disk, expected = image
    with Tpm(tmp_path, machine.arch) as tpm, by_uefi(machine, out, copy(disk, tmp_path / "disk"), tmp_path, tpm) as appliance:
        appliance.serial.expect("slot a: starting", PATIENCE)
        appliance.shell.wait_prompt()
        report, done = attest(appliance)
        assert done.returncode == 0 and report["attest"]["tpm"] == "read" and report["attest"]["log_whole"], done.stdout
        assert report["attest"]["secure_boot"] == "off", done.stdout
        measured = states(report)
        assert {0, 4, 5, 7, 8, 9, 11, 12} <= measured.keys() and set(measured.values()) == {"matches"}, measured
        stages = [(event["pcr"], event["stage"]) for event in report["events"]]
        assert {(8, "kernel"), (9, "bundle"), (11, "mgmt"), (11, "plan-mgmt"), (12, "state")} <= set(stages)
        assert (5, "Exit Boot Services Returned with Success") in stages  # the firmware's last event
        verdict = expect(appliance, expected)
        assert verdict.returncode == 0 and "the appliance runs what was expected" in verdict.stdout, verdict.stdout + verdict.stderr
        vouched(appliance, expected, tmp_path)
        other_key = tmp_path / "other.pub"
        subprocess.run(f"openssl ecparam -name prime256v1 -genkey -noout | openssl pkey -pubout -out {other_key}", shell=True, check=True)
        verdict = appliance.bhctl("attest", "--expect", str(expected), "--key", str(other_key), check=False)
        assert verdict.returncode == 1 and "NOT signed by" in verdict.stdout, verdict.stdout
        # What another build gives is named by PCR and stage.
        other = json.loads(expected.read_text())
        next(event for event in other["events"] if event["stage"] == "debian")["sha256"] = "00" * 32
        other["pcrs"]["11"] = "00" * 32
        (tmp_path / "other.pcrs").write_text(json.dumps(other))
        verdict = expect(appliance, tmp_path / "other.pcrs")
        assert verdict.returncode == 1 and "PCR 11 (the bundle's images): DIFFERS: 'debian' is not what was built" in verdict.stdout, verdict.stdout
        # A new life of the management domain extends nothing twice.
        fault.overwrite(appliance, fault.management_address(appliance, "loop_turn"), machine.undefined)
        appliance.serial.expect("domains on \\d+ CPUs", 2 * PATIENCE)
        appliance.shell.wait_prompt()
        again, done = attest(appliance)
        assert done.returncode == 0 and again == report, done.stdout + done.stderr


@pytest.mark.arch("x86")
def test_another_bundle_is_named(image, build_with, machine, tmp_path):
    """A slot that is signed and whole, and not what was expected: the PCRs match their log, and what differs is named."""
    _, _, expected = image
    other = build_with("attest-other", ["CONFIG_P1_AUTOSTART=n", "CONFIG_P2_AUTOSTART=n", 'CONFIG_P1_CMDLINE="another"'])
    with Tpm(tmp_path, machine.arch) as tpm, by_uefi(machine, other, copy(make(other, "bulkhead.img"), tmp_path / "disk"), tmp_path, tpm) as appliance:
        appliance.shell.wait_prompt()
        report, done = attest(appliance)
        assert done.returncode == 0 and set(states(report).values()) == {"matches"}
        verdict = expect(appliance, expected)
        assert verdict.returncode == 1, verdict.stdout
        lines = verdict.stdout.splitlines()
        assert "PCR  9 (bundle): DIFFERS: 'bundle' is not what was built" in lines, verdict.stdout
        assert any(line.startswith("PCR 11 (the bundle's images): DIFFERS: ") and "'plan-linux1'" in line and "'debian'" not in line for line in lines), verdict.stdout


@pytest.mark.arch("arm64")
@pytest.mark.slow
@pytest.mark.parametrize("firmware", ["acpi", "tree"])
def test_arm64_by_uefi(image, machine, tmp_path, firmware):
    """A TPM that ACPI tells of, or the device tree."""
    out, disk, expected = image
    with Tpm(tmp_path, machine.arch) as tpm:
        extra = ["-bios", FIRMWARE["arm64"], *tpm.options, *(["-M", "acpi=off"] if firmware == "tree" else [])]
        with Appliance(out, loader="none", disk=copy(disk, tmp_path / "disk"), extra=extra, folder=tmp_path) as appliance:
            appliance.shell.wait_prompt()
            report, done = attest(appliance)
            assert done.returncode == 0 and {8, 9, 11, 12} <= states(report).keys() and set(states(report).values()) == {"matches"}, done.stdout
            vouched(appliance, expected, tmp_path)


def test_our_uboot(image, machine, tmp_path):
    """Our U-Boot extends what the loader for UEFI does, of a slot that it has checked: slot A, whole by its sum but with another kernel than was
    signed, leaves nothing in the PCRs. A log that says something else is found out."""
    out, disk, expected = image
    uboot, disk = make(out, UBOOT[machine.arch]), copy(disk, tmp_path / "disk")
    slot, kernel = bytearray((out / "boot.itb").read_bytes()[:-32]), (out / "bulkhead.bin").read_bytes()
    slot[slot.index(kernel) + len(kernel) // 2] ^= 1
    with open(disk, "r+b") as handle:
        handle.seek(partitions(disk)[1]["boot-a"]["start"] * 512)
        handle.write(slot + hashlib.sha256(slot).digest())
    with Tpm(tmp_path, machine.arch) as tpm:
        extra = ["-bios", uboot, *tpm.options, *fault.stub_arguments(tmp_path)]
        with Appliance(out, loader="none", disk=disk, extra=extra, folder=tmp_path) as appliance:
            appliance.serial.expect("Bulkhead: slot a is damaged, or its signature", PATIENCE)
            appliance.serial.expect("Bulkhead: slot b", PATIENCE)
            appliance.serial.expect("Bulkhead: measured", PATIENCE)
            appliance.shell.wait_prompt()
            report, done = attest(appliance)
            starter = [4] if machine.arch == "x86" else []
            assert done.returncode == 0 and states(report) == {pcr: "matches" for pcr in (*starter, 8, 9, 11, 12)}, done.stdout
            stages = {(event["pcr"], event["stage"]): event for event in report["events"]}
            assert stages[8, "kernel"]["sha256"] == hashlib.sha256(kernel).hexdigest()
            vouched(appliance, expected, tmp_path)
            if not starter:
                return
            assert stages[4, "starter"]["sha256"] == hashlib.sha256((out / "starter.bin").read_bytes()).hexdigest()
            place = fault.management_address(appliance, "loader_log")
            with fault.Stub(tmp_path) as stub:
                log = int.from_bytes(stub.read(place, 8), "little")
                digest = log + stub.read(log, 512).index(hashlib.sha256(kernel).digest())
                stub.write(digest, b"\0")
            fault.overwrite(appliance, fault.management_address(appliance, "loop_turn"), machine.undefined)
            appliance.serial.expect(r"attest: PCR 8 \(kernel\) of the TPM is not what the log gives", 2 * PATIENCE)
            appliance.shell.wait_prompt()
            report, done = attest(appliance)
            assert done.returncode == 1 and "PCR 8 (kernel) is not what the log gives" in done.stderr, done.stderr
            assert states(report) == {4: "matches", 8: "DIFFERS", 9: "matches", 11: "matches", 12: "matches"}, done.stdout


@pytest.fixture
def bhctl():
    loader = importlib.machinery.SourceFileLoader("bhctl", str(TOP / "tools/bhctl"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bhctl", loader))
    loader.exec_module(module)
    return module


@pytest.mark.arch("arm64")
def test_whom_bhctl_believes(bhctl, tmp_path, monkeypatch):
    """Quotes as a TPM signs them, and appliances that lie about what is in it."""
    key, public = tmp_path / "key.pem", tmp_path / "key.pub"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    zero, kernel, bundle, state = "00" * 32, "88" * 32, "99" * 32, "cc" * 32
    expected = {8: kernel, 9: bundle}
    nonce = os.urandom(32)

    def signed(attest):
        der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=attest, capture_output=True, check=True).stdout
        r = der[4:4 + der[3]]
        s = der[6 + len(r):]
        return b"".join(int.from_bytes(number, "big").to_bytes(32, "big") for number in (r, s))

    def attest(pcrs, over=nonce, selection=struct.pack(">IHB", 1, 11, 3) + b"\xff\x1b\0"):
        digest = hashlib.sha256(bytes.fromhex("".join(pcrs.get(pcr, zero) for pcr in (*range(10), 11, 12)))).digest()
        return bytes.fromhex("ff5443478018") + b"\0\x22" + bytes(34) + struct.pack(">H", len(over)) + over + bytes(25) + selection + b"\0\x20" + digest

    def verdict(quote, told, signature=None):
        monkeypatch.setattr(bhctl, "take_quote", lambda options: (quote, signature or signed(quote), bytes(64), nonce))
        entries = [{"pcr": pcr, "meaning": "of", "state": "matches", "log": log, "tpm": tpm} for pcr, (log, tpm) in told.items()]
        report = bhctl.read_report(json.dumps({"pcrs": entries, "events": []}))
        return bhctl.vouch(None, str(public), report, expected)

    right = {8: (kernel, kernel), 9: (bundle, bundle), 12: (state, state)}
    good = attest({8: kernel, 9: bundle, 12: state})
    assert verdict(good, right)[1]
    assert "NOT signed by" in verdict(good, right, signed(b"another"))[0]
    for other in (attest({8: kernel, 9: bundle, 12: state}, os.urandom(32)), attest({8: kernel, 9: bundle, 12: state}, nonce[:31]),
                  attest({8: kernel, 9: bundle, 12: state}, selection=struct.pack(">IHB", 1, 11, 3) + b"\xff\x13\0"), good + b"\0", good[:40]):
        assert "NOT over these PCRs" in verdict(other, right)[0]
    assert "NOT those that the appliance tells" in verdict(attest({8: bundle, 9: bundle, 12: state}), right)[0]
    # Nothing measured the kernel: the log alone says what would be right.
    line, vouched = verdict(attest({9: bundle, 12: state}), {**right, 8: (kernel, None)})
    assert not vouched and "PCR 8 is NOT among" in line
    for wrong in (kernel + bundle, "", " ", kernel.upper()[:-1], 8):
        with pytest.raises(ValueError):
            verdict(good, {**right, 8: (kernel, wrong)})
