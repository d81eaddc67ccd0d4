# SPDX-License-Identifier: Apache-2.0
"""Issue 2, point 14: what follows when a guest hangs, panics, resets itself or powers off, and when the management domain does."""

import json
import re

import fault
import pytest
from appliance import PATIENCE, Appliance
from guest import attach
from test_guests import partition


@pytest.fixture(scope="module")
def pair(default_build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("supervision")
    with Appliance(default_build, folder=folder, extra=fault.stub_arguments(folder)) as appliance:
        appliance.shell.wait_prompt()
        yield appliance, attach(appliance, "linux1").wait_ready(), attach(appliance, "linux2").wait_ready()


def domain(appliance, name):
    return next(d for d in appliance.bhctl_json("domain", "list") if d["name"] == name)


def events_since(appliance, start, name):
    return [e for e in appliance.bhctl_json("log", "events") if e["sequence"] > start and e["domain"] == name]


def last_event(appliance):
    return appliance.bhctl_json("log", "events")[-1]["sequence"]


def fails_and_comes_back(pair, provoke, cause, notice):
    """linux1 does something; it is restarted, that is recorded and said, and linux2 did not notice."""
    appliance, one, two = pair
    before, others, start = domain(appliance, "linux1"), domain(appliance, "linux2"), last_event(appliance)
    one.line.send_line(provoke)
    appliance.serial.expect(f"domain linux1: {notice}[^\r\n]*; restarting in [^\r\n]* \\(\\d+ of \\d+\\)", 2 * PATIENCE)
    one.wait_ready()  # attached all the time: the next READY is the next life's
    one.run("true")
    after = domain(appliance, "linux1")
    assert (after["state"], after["cause"]) == ("running", cause)
    assert (after["starts"], after["crashes"]) == (before["starts"] + 1, before["crashes"] + 1)
    events = events_since(appliance, start, "linux1")
    assert [e["kind"] for e in events][-2:] == ["restart", "start"], events
    assert events[0]["cause"] == cause and events[0]["kind"] in ("crash", "stop"), events
    assert [e["milliseconds"] for e in events] == sorted(e["milliseconds"] for e in events)
    assert domain(appliance, "linux2")["starts"] == others["starts"] and not events_since(appliance, start, "linux2")
    two.run("true")


def test_a_watchdog_that_nobody_keeps_alive(pair):
    """Debian's driver is bound (sbsa_gwdt, wdat_wdt); its keep-alive is what counts: the daemon is frozen, not the guest."""
    assert re.search(pair[0].machine.watchdog, pair[1].run("cat /sys/class/watchdog/watchdog0/identity"))
    fails_and_comes_back(pair, "kill -STOP $(pidof watchdog)", "watchdog", "watchdog expired")


def test_a_panic_ends_in_a_reset(pair):
    """panic=5 on the command line: the guest resets itself."""
    fails_and_comes_back(pair, "echo 1 > /proc/sys/kernel/panic; echo c > /proc/sysrq-trigger", "guest-reset", "reset itself")


def test_a_guest_may_reboot(pair):
    fails_and_comes_back(pair, "reboot -f", "guest-reset", "reset itself")


def test_power_off_stays_off(pair):
    appliance, one, _ = pair
    start = last_event(appliance)
    one.line.send_line("poweroff -f")
    appliance.serial.expect("domain linux1: powered itself off; it stays stopped", PATIENCE)
    found = appliance.wait_state("linux1", "stopped")
    assert found["cause"] == "power-off"
    events = events_since(appliance, start, "linux1")
    assert [e["kind"] for e in events] == ["stop"], events
    crashes = found["crashes"]
    assert "starting" in appliance.bhctl("domain", "start", "linux1").stdout
    one.wait_ready()
    assert domain(appliance, "linux1")["crashes"] == crashes


def test_stop_and_start_by_command(pair):
    appliance, one, _ = pair
    appliance.bhctl("domain", "stop", "linux1")
    found = appliance.wait_state("linux1", "stopped")
    assert found["cause"] == "request"
    done = appliance.bhctl("domain", "stop", "linux1", check=False)
    assert done.returncode == 1 and "linux1 is stopped already" in done.stderr
    appliance.bhctl("domain", "start", "linux1")
    one.wait_ready()


@pytest.mark.parametrize("instruction, cause", [("undefined", "panic"), ("itself", "heartbeat")], ids=["crash", "hang"])
def test_the_management_domain_is_restarted_alone(pair, instruction, cause):
    """Its event loop is overwritten: the kernel restarts it from the bundle, and the guests' network and disk work on."""
    appliance, one, two = pair
    before = {d["name"]: d for d in appliance.bhctl_json("domain", "list")}
    address = fault.management_address(appliance, "loop_turn")
    two.run("ping -c 2 -W 10 192.168.77.1")
    one.run("dd if=/dev/urandom of=/dev/vda bs=1M count=4 conv=fsync 2>/dev/null && dd if=/dev/vda bs=1M count=4 2>/dev/null | md5sum > /tmp/sum")
    for guest in (one, two):
        guest.line.process.close()
    fault.overwrite(appliance, address, getattr(appliance.machine, instruction))
    appliance.serial.expect("domains on \\d+ CPUs", 2 * PATIENCE)  # a new banner on the serial line
    appliance.shell.wait_prompt()

    after = {d["name"]: d for d in fault.wait(lambda: listing(appliance), "the TLS console", PATIENCE)}
    assert after["mgmt"]["starts"] == before["mgmt"]["starts"] + 1 and after["mgmt"]["cause"] == cause, after["mgmt"]
    for name in ("linux1", "linux2"):
        assert after[name]["state"] == "running" and after[name]["starts"] == before[name]["starts"]
        assert after[name]["uptime_s"] > before[name]["uptime_s"]
    assert re.search(f"the management domain was restarted: .* \\(start {after['mgmt']['starts']}\\)", appliance.bhctl("log").stdout)

    one, two = attach(appliance, "linux1"), attach(appliance, "linux2")
    for guest in (one, two):
        guest.line.expect(f"{guest.name}# ")
        guest.line.send_line("")
        guest.run("true")
    two.run("ping -c 3 -W 20 192.168.77.1")
    one.run("ping -c 3 -W 20 10.0.2.2")
    one.run("echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda bs=1M count=4 2>/dev/null | md5sum | cmp - /tmp/sum")
    one.run("dd if=/dev/zero of=/dev/vda bs=1M count=1 conv=fsync 2>/dev/null")
    assert "linux1" in one.run("hostname")
    pair[1].line, pair[2].line = one.line, two.line


def listing(appliance):
    done = appliance.bhctl("domain", "list", "--json", check=False)
    return None if done.returncode else json.loads(done.stdout)


# Policies, on guests that reset themselves as fast as they can.

@pytest.fixture(scope="module")
def policies(build_with, tmp_path_factory):
    out = build_with("policies", [
        *partition(1, "again", "reset_loop", "1", "RESTART_LIMIT=4", "RESTART_WINDOW=600", "BACKOFF_MS=200", "BACKOFF_MAX_MS=800"),
        *partition(2, "once", "reset_loop", "2", "POLICY_STOP=y", "AUTOSTART=n", "CRITICAL=y"),
        *partition(3, "fatal", "reset_loop", "3", "POLICY_RESET=y", "AUTOSTART=n"),
    ])
    with Appliance(out, folder=tmp_path_factory.mktemp("policies")) as appliance:
        appliance.shell.wait_prompt()
        fault.wait(lambda: online(appliance), "the TLS console", PATIENCE)
        yield appliance


def online(appliance):
    net = appliance.shell.json("net")
    return net["tls"]["on"] and net["interfaces"][0]["address"]


def test_back_off_doubles_and_the_limit_holds(policies):
    given_up = fault.wait(lambda: [e for e in policies.bhctl_json("log", "events") if e["kind"] == "give-up"], "giving up", PATIENCE)
    assert given_up[0]["domain"] == "again" and given_up[0]["detail"] == 4
    events = events_since(policies, 0, "again")
    restarts = [e for e in events if e["kind"] == "restart"]
    assert [e["detail"] for e in restarts] == [200, 400, 800, 800]
    for restart in restarts:
        started = next(e for e in events if e["sequence"] > restart["sequence"] and e["kind"] == "start")
        assert started["milliseconds"] - restart["milliseconds"] >= restart["detail"]
    found = policies.wait_state("again", "stopped") if domain(policies, "again")["state"] == "stopped" else domain(policies, "again")
    assert found["starts"] == 5 and found["supervision"] == "given up"
    # An operator's start begins a new count.
    policies.bhctl("domain", "start", "again")
    fault.wait(lambda: domain(policies, "again")["starts"] == 10, "four more restarts", PATIENCE)


def test_policy_stop(policies):
    policies.bhctl("domain", "start", "once")
    policies.serial.expect("CRITICAL: domain once: reset itself[^\r\n]*; its policy is to stop", PATIENCE)
    assert domain(policies, "once")["starts"] == 1


def test_policy_reset_of_the_appliance_and_its_record(policies):
    """The last of this group: everything is reset, and the log of before is still there."""
    boot = policies.bhctl_json("version")["boot"]
    policies.bhctl("domain", "start", "fatal")
    policies.serial.expect("CRITICAL: domain fatal: reset itself[^\r\n]*; its policy resets the appliance", PATIENCE)
    policies.serial.expect("domains on \\d+ CPUs", PATIENCE)
    policies.shell.wait_prompt()
    events = policies.shell.json("log events")
    resets = [e for e in events if e["kind"] == "reset"]
    assert resets and resets[-1]["cause"] == "policy" and resets[-1]["boot"] == boot, events
    boots = [e for e in events if e["kind"] == "boot"]
    assert boots[-1]["boot"] == boot + 1 and boots[-1]["detail"] != 0
