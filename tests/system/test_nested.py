# SPDX-License-Identifier: Apache-2.0
"""Issue 3, point 5: where the machine lends its virtualization to guests, `make run` uses it. Such a machine is emulated here, so
its KVM is the second hypervisor, Bulkhead the third level and its guests the fourth: slow, and run by hand (--slow)."""

import os
import time

import pytest
from appliance import TOP, Shell
from nested import Host
from test_guests import partition

pytestmark = [pytest.mark.arch("x86"), pytest.mark.slow]

PATIENCE = int(os.environ.get("BULKHEAD_PATIENCE", "1200"))


def machine(linux, out, folder, **options):
    """With the kernel of build `linux`, tools/run.sh and build `out` as /build in it, whose disk is the machine's."""
    files = {f"build/{name}": out / name for name in ("bulkhead.bin", "bundle.itb")} | {"tools/run.sh": TOP / "tools/run.sh"}
    files |= {f"build/certificates/{file.name}": file for file in (out / "certificates").iterdir() if file.is_file()}
    disk = ["-drive", f"if=none,id=d0,file={out}/disk.img,format=raw,snapshot=on", "-device", "virtio-blk-pci,drive=d0"]
    return Host(linux, folder, files, programs=("bash", "realpath"), links={"build/disk.img": "/dev/vda"}, memory="5G", extra=disk, **options)


def run(host, environment="", memory="2G"):
    host.line.send_line(f"cd /; {environment} tools/run.sh build q35 max 4 {memory} 2992")


def test_make_run_starts_under_kvm(default_build, tmp_path):
    """The management shell answers, and a Debian guest reaches its own. Not linux1: where its second CPU lays pages over its memory,
    KVM forgets what it knew of the memory around, and QEMU 10.0 reports an interrupt that then meets a page unknown as an exception of
    that vector (handle_even_inj). KVM injects what was reported, and VMRUN refuses it (exit ffffffff); Bulkhead has no part in that."""
    with machine(default_build, default_build, tmp_path) as host:
        run(host)
        host.line.expect("Runs on this machine's own virtualization", PATIENCE)
        shell = Shell(host.line)
        shell.wait_prompt(PATIENCE)
        assert "management domain" in shell.run("version", PATIENCE)
        host.line.send_line("console linux2")
        host.line.expect("READY linux2:", PATIENCE)
        host.line.send_line("")
        host.line.expect("linux2# ", PATIENCE)


def test_bare_metal_guests_pass_under_kvm(default_build, build_with, tmp_path):
    names = ("hostile_calls", "hostile_memory", "hostile_registers")
    lines = [line for number, name in enumerate(names, 1) for line in partition(number, name[8:], name, number, "POLICY_STOP=y")]
    with machine(default_build, build_with("nested", lines), tmp_path) as host:
        run(host, memory="1G")
        shell = Shell(host.line)
        shell.wait_prompt(PATIENCE)
        end = time.monotonic() + PATIENCE
        while not all(domain["state"] == "stopped" for domain in shell.json("domain list", PATIENCE)[1:]):
            assert time.monotonic() < end, shell.run("domain list", PATIENCE)
            time.sleep(2)
        for name in names:
            said = shell.run(f"console {name[8:]} --dump", PATIENCE)
            assert "FAIL" not in said and "DONE: " in said and ", 0 failed" in said, said


@pytest.mark.parametrize("why, prepare, options", [
    ("parameter nested", "rmmod kvm_amd; insmod /modules/kvm_amd.ko nested=0", {}),
    ("/dev/kvm cannot be opened", "rmmod kvm_amd", {}),
    ("shows no hardware virtualization", "true", {"cpu": "max,-svm"}),
    ("ACCEL=tcg", "export ACCEL=tcg", {}),
])
def test_make_run_emulates_where_kvm_cannot(default_build, tmp_path, why, prepare, options):
    with machine(default_build, default_build, tmp_path, **options) as host:
        host.run(prepare)
        run(host)
        host.line.expect(rf"Runs emulated \(TCG, CPU max\): [^\n]*{why}", PATIENCE)
