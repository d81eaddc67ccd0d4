# SPDX-License-Identifier: Apache-2.0
"""Issue 5, point 3: the kernel uses nothing of a bundle that is not as its key signed it, and says what is wrong. Every byte of
small bundles is tried in tests/unit/test_bundle.c; here the appliance's own one meets a kernel, once a region."""

import hashlib
import shutil
import subprocess
import sys

import pytest
from appliance import PATIENCE, TOP, Appliance

sys.path.insert(0, str(TOP / "tools"))
import sign_bundle  # noqa: E402


def sign(*words):
    subprocess.run([str(TOP / "tools/sign_bundle.py"), *map(str, words)], check=True)


@pytest.fixture(scope="module")
def regions(default_build):
    """{what is flipped: (offset in the file, what the log says of it)}"""
    bundle = sign_bundle.Bundle(str(default_build / "bundle.itb"))
    tree, start = len(bundle.tree), len(bundle.tree) + len(bundle.block)
    found = {
        "header": (1, "its header is damaged"), "size": (7, "its header is damaged"), "structure": (bundle.fields[2] + 40, "its tree is damaged"),
        "strings": (bundle.fields[3] + 3, "its tree is damaged"), "filling": (tree - 1, "its tree is damaged"), "mark": (tree, "its signature is damaged"),
        "signature": (start - 1, "its signature is damaged")}
    for name, (first, end) in bundle.places().items():
        found[name] = start + (first + end) // 2, f"image '{name}' is damaged"
    return found


@pytest.mark.once
def test_signatures_are_those_of_the_standard():
    """RFC 6979, A.2.5, with SHA-256."""
    key = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    for message, r in ((b"sample", "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"),
                       (b"test", "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367")):
        assert sign_bundle.signature(key, hashlib.sha256(message).digest())[:32].hex() == r


def start(out, bundle, folder):
    return Appliance(out, folder=folder, loader="bundle", extra=["-kernel", str(out / "bulkhead.bin"), "-initrd", str(bundle)])


def refused(out, bundle, folder, why, reset=False):
    """It waits for its reset, without a domain."""
    with start(out, bundle, folder) as appliance:
        appliance.serial.expect(f"Bundle: [^\r\n]*{why}", PATIENCE)
        appliance.serial.expect("BAD SLOT: nothing of the bundle is used", PATIENCE)
        appliance.serial.expect("A reset follows in 30 s", PATIENCE)
        assert "running" in str(appliance.qmp("query-status"))
        if reset:
            appliance.serial.expect("boot 2", PATIENCE)
    log = (folder / "serial.log").read_text(errors="replace")
    assert "bulkhead>" not in log and "images checked" not in log and "is not in the bundle" not in log


def test_one_flipped_byte_is_named(default_build, regions, tmp_path):
    bundle = tmp_path / "bundle.itb"
    for number, (name, (offset, why)) in enumerate(regions.items()):
        shutil.copy(default_build / "bundle.itb", bundle)
        with open(bundle, "r+b") as handle:
            handle.seek(offset)
            byte = handle.read(1)[0]
            handle.seek(offset)
            handle.write(bytes([byte ^ (1 << number % 8)]))
        refused(default_build, bundle, tmp_path / name, why)


@pytest.mark.slow
def test_the_reset_that_follows(default_build, tmp_path):
    bundle = tmp_path / "bundle.itb"
    bundle.write_bytes((default_build / "bundle.itb").read_bytes()[:5000])
    refused(default_build, bundle, tmp_path, "cut off", reset=True)


def test_keys(default_build, tmp_path):
    """Not signed; another key's; cut off; none at all."""
    original = sign_bundle.Bundle(str(default_build / "bundle.itb"))
    plain = tmp_path / "plain.itb"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", tmp_path / "other.pem"], check=True)
    plain.write_bytes(original.tree + bytes(len(original.block)) + original.images)
    refused(default_build, plain, tmp_path / "unsigned", "it is not signed")
    other = tmp_path / "other.itb"
    shutil.copy(default_build / "bundle.itb", other)
    sign("sign", tmp_path / "other.pem", other)
    refused(default_build, other, tmp_path / "other", "it is signed with another key")
    with open(other, "r+b") as handle:
        handle.write((default_build / "bundle.itb").read_bytes())
        handle.truncate(len(original.tree) + len(original.block) + len(original.images) - 1)
    refused(default_build, other, tmp_path / "short", "is cut off")


def test_a_development_key_is_said_at_each_boot(default_build, tmp_path):
    with start(default_build, default_build / "bundle.itb", tmp_path) as appliance:
        appliance.serial.expect("DANGER: [^\r\n]*DEVELOPMENT key", PATIENCE)
        appliance.serial.expect("Bundle: version 1, signed with key [0-9a-f]{16}", PATIENCE)
        appliance.shell.wait_prompt()


def test_a_key_of_ones_own_and_versions(default_build, build_with, tmp_path_factory, tmp_path):
    """No word of development keys; and what was signed before the oldest version is refused."""
    key = tmp_path_factory.getbasetemp() / "own.pem"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
    out = build_with("own-key", [f'CONFIG_BUNDLE_SIGNING_KEY="{key}"', "CONFIG_BUNDLE_VERSION=2", "CONFIG_BUNDLE_VERSION_MINIMUM=2"])
    old = tmp_path / "old.itb"
    shutil.copy(default_build / "bundle.itb", old)
    refused(out, old, tmp_path / "other", "it is signed with another key")
    sign("sign", key, old)
    refused(out, old, tmp_path / "old", "version 1 is too old: this machine takes version 2 or later")
    with start(out, out / "bundle.itb", tmp_path) as appliance:
        appliance.serial.expect("Bundle: version 2, signed with key", PATIENCE)
        appliance.shell.wait_prompt()
    assert "DEVELOPMENT key" not in (tmp_path / "serial.log").read_text(errors="replace")
