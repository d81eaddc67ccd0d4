# SPDX-License-Identifier: Apache-2.0
"""Issue 2, point 13: one shell on the serial line and on TLS; consoles that a late reader sees from the start of boot."""

import json
import re

import pexpect
import pytest
from appliance import PATIENCE, Appliance, Shell, plain
from guest import attach

DETACH = "\x1d"
LISTINGS = ["domain list", "domain show linux1", "console list", "net", "net ports", "net addresses", "disk", "log", "log events",
            "metrics", "session list", "version", "uptime", "help"]


@pytest.fixture(scope="module")
def appliance(default_build, tmp_path_factory):
    with Appliance(default_build, folder=tmp_path_factory.mktemp("console")) as running:
        running.shell.wait_prompt()
        attach(running, "linux1").wait_ready().line.process.close()
        yield running


def test_serial_and_tls_say_the_same(appliance):
    over_tls = appliance.openssl()
    shell = Shell(over_tls)
    shell.wait_prompt()
    for command in ("help", "help domain", "domain", "domian list", "domain show linx1", "console linux1:9", "version --jsn"):
        assert shell.run(command) == appliance.shell.run(command), command
    over_tls.process.close()


def test_banner(appliance):
    line = appliance.openssl()
    Shell(line).wait_prompt()
    assert "Bulkhead" in line.before and "'help'" in line.before
    assert "development certificates" in line.before
    line.process.close()


@pytest.mark.parametrize("command", LISTINGS)
def test_every_listing_for_people_and_as_json(appliance, command):
    assert appliance.bhctl(*command.split()).stdout.strip()
    json.loads(appliance.bhctl(*command.split(), "--json").stdout)


def test_json_on_the_serial_line(appliance):
    names = [d["name"] for d in appliance.shell.json("domain list")]
    assert names == ["mgmt", "linux1", "linux2"]


def test_exit_status_is_the_appliances(appliance):
    assert appliance.bhctl("version").returncode == 0
    done = appliance.bhctl("domain", "show", "linx1", check=False)
    assert done.returncode == 1 and "did you mean 'linux1'? domains: mgmt, linux1, linux2" in done.stderr and not done.stdout
    assert appliance.bhctl("domain", check=False).returncode == 2


def test_line_editing_history_and_completion(appliance):
    serial, shell = appliance.serial, appliance.shell
    serial.send("verzion")
    serial.send("\x1b[D\x1b[D\x1b[D\x1b[D\x1b[3~s")  # verzion -> version
    serial.send("\r")
    serial.expect("hypercall ABI:")
    shell.wait_prompt()
    serial.send("dom\tli\t\r")
    serial.expect("linux2")
    shell.wait_prompt()
    serial.send("\x1b[A\x1b[A\r")  # the line before the last one
    serial.expect("hypercall ABI:")
    shell.wait_prompt()
    serial.send("domain s\t")
    serial.expect("show +start +stop")
    serial.send("\x03")
    serial.expect(re.escape("^C"))
    shell.wait_prompt()


def test_a_late_reader_sees_the_boot_from_its_start(appliance):
    text = appliance.bhctl("console", "linux1", "--dump").stdout
    assert "] Linux version 6" in text and "READY linux1" in text
    assert appliance.bhctl("console", "linux1:1", "--dump").stdout.strip(), "hvc0 has a shell too"


def test_detaching_and_attaching_again(appliance):
    guest = attach(appliance, "linux1")
    guest.line.expect("READY linux1")
    guest.line.expect("linux1# ")
    assert guest.run("echo $((6 * 7))").strip() == "42"
    guest.line.send(DETACH)
    guest.line.expect(r"\[detached\]")
    shell = Shell(guest.line)
    shell.wait_prompt()
    assert "hypercall ABI" in shell.run("version")
    guest.line.process.close()


def test_any_number_reads_and_one_writes(appliance):
    first = attach(appliance, "linux1")
    first.line.expect("Ctrl-\\] detaches\\]")
    second = appliance.console("linux1")
    second.expect(r"read-only, session \d+ writes: 'console linux1 --take' takes over")
    mark = "seen-by-both"
    first.line.expect("READY linux1")
    first.line.send_line(f"echo {mark[:4]}'{mark[4:]}'")
    first.line.expect(mark)
    second.expect(mark)
    users = next(c for c in appliance.bhctl_json("console", "list") if c["name"] == "linux1:0")
    assert users["readers"] == 2
    second.send(DETACH)
    Shell(second).wait_prompt()
    second.send_line("console linux1 --take")
    first.line.expect("writes here now; you go on reading")
    second.expect("READY linux1")
    second.send_line("echo taken-'over'")
    first.line.expect("taken-over")
    for line in (first.line, second):
        line.process.close()


def test_the_virtio_console_works_too(appliance):
    line = appliance.openssl()
    Shell(line).wait_prompt()
    line.send_line("console linux1:1")
    line.expect("Ctrl-\\] detaches\\]")
    line.send_line("")
    line.expect("linux1# ")
    line.send_line("tty; echo hvc-'works'")
    line.expect("/dev/hvc0")
    line.expect("hvc-works")
    line.process.close()


def test_a_lot_of_output_arrives_whole(appliance):
    """Larger than every buffer on its way, and paced by the reader."""
    guest = attach(appliance, "linux1")
    guest.line.expect("READY linux1")
    guest.line.expect("linux1# ")
    output = guest.run("seq 1 5000", timeout=2 * PATIENCE)
    assert [int(word) for word in output.split()] == list(range(1, 5001))
    guest.line.process.close()


def test_several_sessions_at_once(appliance):
    lines = [appliance.openssl() for _ in range(4)]
    shells = [Shell(line) for line in lines]
    for shell in shells:
        shell.wait_prompt()
    sessions = appliance.shell.json("session list")
    assert sum(s["from"].startswith("tls ") for s in sessions) >= 4
    assert any(s["from"] == "serial" for s in sessions)
    for shell in shells:
        assert "linux1" in shell.run("domain list")
    for line in lines:
        line.send_line("exit")
        line.expect("Bye.")
        line.process.close()


def test_a_terminal_in_line_mode(appliance):
    """openssl s_client on an ordinary terminal: that echoes itself, and ends lines with LF."""
    command = ["s_client", "-quiet", "-connect", f"localhost:{appliance.tls_port}", "-CAfile", str(appliance.certificates / "ca.crt"),
               "-cert", str(appliance.certificates / "client.crt"), "-key", str(appliance.certificates / "client.key")]
    process = pexpect.spawn("openssl", command, timeout=PATIENCE, echo=True, maxread=65536)
    process.expect("> $")
    process.send("domain list\n")
    process.expect("linux2[^\r\n]*\r+\n")
    shown = plain((process.before + process.after).decode())
    assert shown.count("domain list") == 1, shown
    process.close()


def test_metrics_count(appliance):
    def exits():
        return {tuple(sorted(m["labels"].items())): m["value"] for m in appliance.bhctl_json("metrics")
                if m["name"] == "bulkhead_vcpu_exits_total"}

    before = exits()
    appliance.bhctl("version")
    after = exits()
    assert all(after[key] >= before[key] for key in before)
    assert sum(after.values()) > sum(before.values())
    text = appliance.bhctl("metrics").stdout
    assert all(re.fullmatch(r'# TYPE \w+ (counter|gauge)|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? \d+', line) for line in text.splitlines())


def test_following_the_log(appliance):
    """What comes is shown as it comes, until Ctrl-C."""
    line = appliance.openssl()
    shell = Shell(line)
    shell.wait_prompt()
    line.send_line("log --follow")
    line.expect("Bulkhead")
    appliance.bhctl("domain", "restart", "linux2")
    line.expect("linux2: stopped: request")
    line.send("\x03")
    shell.wait_prompt()
    line.process.close()
