# SPDX-License-Identifier: Apache-2.0
"""Issue 5, points 2 and 3: UEFI Secure Boot (docs/secure-boot.md). Debian's OVMF and AAVMF, whose variables begin empty, are given the
keys by the loader; from then on they start nothing that is not signed, and the loader goes on to the other slot."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from appliance import PATIENCE, TOP, Appliance
from test_attest import Tpm, attest
from test_image import image, partitions  # noqa: F401 (a fixture)

sys.path.insert(0, str(TOP))
from tools.image import esp  # noqa: E402

FIRMWARE = {"x86": ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
            "smm": ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
            "arm64": ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd")}
# All CPUs wait for each other in SMM, by spinning: as threads of a busy machine they hardly get on.
SMM = ["-M", "smm=on", "-accel", "tcg,thread=single", "-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
LOADER = {"x86": "EFI/BOOT/BOOTX64.EFI", "arm64": "EFI/BOOT/BOOTAA64.EFI"}
CACHE = Path(os.environ.get("CACHE", Path.home() / ".cache/bulkhead"))
BLOCK = {"x86": "virtio-blk-pci", "arm64": "virtio-blk-device"}


def run(*words, check=True):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def sparse_copy(source, target):
    run("cp", "--sparse=always", source, target)
    return target


def make_key(folder, name, *more):
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-sha256", "-days", "36500", "-subj", f"/CN={name}",
        "-keyout", folder / f"{name}.pem", "-out", folder / f"{name}.crt", *more)
    return folder / f"{name}.pem", folder / f"{name}.crt"


def sign(key, certificate, path):
    run("sbsign", "--key", key, "--cert", certificate, "--output", path, path)


def flip(path, offset):
    with open(path, "r+b") as handle:
        handle.seek(offset)
        byte = handle.read(1)[0]
        handle.seek(offset)
        handle.write(bytes([byte ^ 1]))


def start(out, disk, firmware, variables, folder, extra=()):
    code = FIRMWARE[firmware][0]
    return Appliance(out, loader="none", disk=disk, folder=folder, extra=[
        "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}", "-drive", f"if=pflash,unit=1,format=raw,file={variables}",
        *(SMM if firmware == "smm" else []), *extra])


@contextlib.contextmanager
def enroll(image, firmware, folder, lists=()):  # noqa: F811
    """The first two boots of a machine in Setup Mode, from an image with the file that asks for keys. Its variables."""
    disk, variables = sparse_copy(image, folder / "enrolling"), sparse_copy(FIRMWARE[firmware][1], folder / "variables")
    volume = f"{disk}@@{partitions(image)[1]['esp']['start'] * 512}"
    (folder / "enroll").write_text("yes\n")
    for path in (folder / "enroll", *lists):
        run("mcopy", "-o", "-i", volume, path, f"::EFI/keys/{path.name}")
    with start(image.parent, disk, firmware, variables, folder) as appliance:
        appliance.serial.expect("DANGER: loader and kernel are signed with a DEVELOPMENT key", PATIENCE)
        appliance.serial.expect("the keys of EFI/keys are enrolled; resetting")
        appliance.serial.expect("DEVELOPMENT key", PATIENCE)
        appliance.serial.expect("Secure Boot is on")
        yield appliance


@pytest.fixture(scope="module")
def enrolled(image, machine, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("enrolled")
    with enroll(image, machine.arch, folder) as appliance:
        appliance.serial.expect("slot a: starting", PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
    return folder / "variables"


def forged(image, folder):  # noqa: F811
    """A slot of which every digest is right, with a kernel that somebody else has signed."""
    key, certificate = make_key(folder, "Bulkhead DEVELOPMENT (Secure Boot)", "-set_serial", "0x" + run(
        "openssl", "x509", "-inform", "DER", "-in", image.parent / "secure-boot/db.cer", "-noout", "-serial").stdout.strip().partition("=")[2])
    ours = (image.parent / "bulkhead.bin").read_bytes()
    theirs = folder / "bulkhead.bin"
    theirs.write_bytes(ours)
    run("sbattach", "--remove", theirs)
    sign(key, certificate, theirs)
    slot = (image.parent / "boot.itb").read_bytes()[:-32]
    new = theirs.read_bytes()
    assert len(new) == len(ours) and new != ours and slot.count(ours) == 1
    slot = slot.replace(ours, new).replace(hashlib.sha256(ours).digest(), hashlib.sha256(new).digest())
    return slot + hashlib.sha256(slot).digest()


def test_nothing_starts_that_is_not_signed(image, machine, enrolled, tmp_path):  # noqa: F811
    """Three disks come before the image's: with a loader that is not signed, one that somebody else signed, one with a flipped byte. The
    image's loader is good; slot A's kernel is not, so slot B boots."""
    folder, loader, name = tmp_path, image.parent / "boot.efi", LOADER[machine.arch]
    key, certificate = make_key(folder, "somebody")
    bad = {kind: folder / f"{kind}.efi" for kind in ("unsigned", "other", "flipped")}
    for path in bad.values():
        shutil.copy(loader, path)
    run(machine.tools + "objcopy", "-O", "binary", image.parent / "boot.efi.elf", bad["unsigned"])
    run("sbattach", "--remove", bad["other"])
    sign(key, certificate, bad["other"])
    flip(bad["flipped"], 0x1234)
    extra = ["-global", f"{BLOCK[machine.arch]}.bootindex=9"]
    for number, (kind, path) in enumerate(bad.items()):
        esp.make(folder / kind, 36 << 20, number, {name: path})
        extra += ["-drive", f"if=none,id={kind},format=raw,file={folder / kind}", "-device", f"nvme,serial={kind},drive={kind},bootindex={number}"]
    disk = sparse_copy(image, folder / "image")
    with open(disk, "r+b") as handle:
        handle.seek(partitions(image)[1]["boot-a"]["start"] * 512)
        handle.write(forged(image, folder))
    with Tpm(folder, machine.arch) as tpm, \
            start(image.parent, disk, machine.arch, sparse_copy(enrolled, folder / "variables"), folder, [*extra, *tpm.options]) as appliance:
        for _ in bad:
            appliance.serial.expect("BdsDxe: failed to load [^\r\n]*: Access Denied", PATIENCE)
        appliance.serial.expect("Secure Boot is on", PATIENCE)
        appliance.serial.expect("slot a: Secure Boot: the kernel is not signed with a key that the firmware has", PATIENCE)
        appliance.serial.expect("slot b: starting", PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()
        report, done = attest(appliance)
        assert done.returncode == 0 and report["attest"]["secure_boot"] == "on", done.stdout
        assert (7, "db: Bulkhead DEVELOPMENT (Secure Boot)") in \
            {(event["pcr"], event["stage"]) for event in report["events"]}, done.stdout
    log = (folder / "serial.log").read_text(errors="replace")
    assert log.count("DEVELOPMENT key (") == 0 and len(re.findall("loader and kernel are signed", log)) == 1  # the good one alone ran


def damaged(image, firmware, variables, folder, place, named):  # noqa: F811
    disk = sparse_copy(image, folder / "image")
    flip(disk, partitions(image)[1]["boot-a"]["start"] * 512 + place % (image.parent / "boot.itb").stat().st_size)
    with start(image.parent, disk, firmware, sparse_copy(variables, folder / "variables"), folder) as appliance:
        appliance.serial.expect("Secure Boot is on", PATIENCE)
        appliance.serial.expect(f"slot a: {named}", PATIENCE)
        appliance.serial.expect("slot b: starting", PATIENCE)
        appliance.serial.expect("images checked", PATIENCE)
        appliance.shell.wait_prompt()


@pytest.mark.arch("x86")
@pytest.mark.parametrize("place, named", [(5000, "the kernel is damaged"), (-5000, "the bundle is damaged"),
                                          pytest.param(0x5A, "is damaged: its header, names or digests", marks=pytest.mark.slow),
                                          pytest.param(-1, "is damaged: its header, names or digests, or the seal", marks=pytest.mark.slow)])
def test_a_flipped_byte_is_named(image, machine, enrolled, tmp_path, place, named):  # noqa: F811
    """(arm64: test_uefi.py; any byte: tests/unit for the bundle.)"""
    damaged(image, machine.arch, enrolled, tmp_path, place, named)


@pytest.mark.slow
@pytest.mark.arch("x86")
def test_the_same_with_variables_that_only_smm_writes(image, tmp_path):  # noqa: F811
    """OVMF as a locked machine has it: nothing but its own code in system management mode reaches the keys."""
    with enroll(image, "smm", tmp_path) as appliance:
        appliance.serial.expect("slot a: starting", PATIENCE)
        appliance.shell.wait_prompt()
    (tmp_path / "damaged").mkdir()
    damaged(image, "smm", tmp_path / "variables", tmp_path / "damaged", 5000, "the kernel is damaged")


@pytest.mark.slow
def test_a_revoked_kernel_does_not_start(image, machine, tmp_path):  # noqa: F811
    """It is signed; but dbx has its digest, which was made of another copy of it that has no signature."""
    key = CACHE / "secure-boot-key/development"
    plain = tmp_path / "plain.bin"
    shutil.copy(image.parent / "bulkhead.bin", plain)
    run("sbattach", "--remove", plain)
    run("hash-to-efi-sig-list", plain, tmp_path / "dbx.esl")
    run("sign-efi-sig-list", "-a", "-t", "2020-01-01 00:00:00", "-k", f"{key}.pem", "-c", f"{key}.crt", "dbx", tmp_path / "dbx.esl", tmp_path / "dbx.auth")
    with enroll(image, machine.arch, tmp_path, [tmp_path / "dbx.auth"]) as appliance:
        for slot in "ab":
            appliance.serial.expect(f"slot {slot}: Secure Boot: the kernel is not signed with a key that the firmware has, or it is revoked", PATIENCE)
        appliance.serial.expect("no slot boots")


def test_signatures_are_the_same_each_time(image, tmp_path):  # noqa: F811
    """(For `make image` to be reproducible; test_image.py has the rest.)"""
    out, made = image.parent, ["boot.efi", "bulkhead.bin", "secure-boot/db.auth", "secure-boot/PK.auth"]
    before = {name: (out / name).read_bytes() for name in made}
    environment = {name: value for name, value in os.environ.items() if name not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")} | {"TZ": "Asia/Tokyo"}
    for name in [*made, "secure-boot/.made"]:
        (out / name).rename(tmp_path / name.replace("/", "-"))
    subprocess.run(["make", "-C", TOP, f"O={out}", *(f"{out}/{name}" for name in made)], check=True, capture_output=True, env=environment)
    assert before == {name: (out / name).read_bytes() for name in made}
    run("openssl", "x509", "-inform", "DER", "-in", out / "secure-boot/db.cer", "-out", tmp_path / "db.pem")
    for name in made[:2]:
        assert "Signature verification OK" in run("sbverify", "--cert", tmp_path / "db.pem", out / name).stdout
