# SPDX-License-Identifier: Apache-2.0
"""Intel VMX, in Bochs: two CPUs, the management domain, a Debian guest and its network, bare-metal guests, restarts.

Bochs has no network that the management domain drives: there is no way in but the serial line.
"""

import re
import time

import pytest
from appliance import plain
from bochs import PATIENCE, Bochs
from guest import Guest
from test_guests import partition

pytestmark = pytest.mark.arch("x86")

# The guest has both ends of a network: two interfaces at one switch.
LINUX = ["CONFIG_P1_NIC1=y", 'CONFIG_P1_NIC1_SWITCH="backplane"']
# What VMX has a part in, and how many CPUs it takes.
HOSTILE = {"memory": 1, "registers": 1, "calls": 2, "apic": 2, "storm": 2}
# Without SHA instructions, checking a Debian guest's images takes three quarters of the time until its kernel starts.
FAST_SHA = "corei7_icelake_u"
QUICK = dict(model=FAST_SHA, ips=25_000_000, quantum=32)
PATIENCE = 6 * PATIENCE
EXITS_A_SECOND = 20


@pytest.fixture
def bochs_build(build_with):
    return lambda name, changes: build_with("bochs-" + name, changes, "bochs")


def wait_domain(machine, name, accept, limit=PATIENCE):
    end = time.monotonic() + limit
    while True:
        found = next(d for d in machine.shell.json("domain list", PATIENCE) if d["name"] == name)
        if accept(found):
            return found
        assert time.monotonic() < end, found
        time.sleep(1)


def test_debian_guest(bochs_build, tmp_path):
    """From power-on to a Linux guest's shell; its devices and its network."""
    with Bochs(bochs_build("linux", LINUX), **QUICK, folder=tmp_path) as machine:
        machine.serial.expect("VMX: interrupts are delivered by the CPU", PATIENCE)
        machine.serial.expect(r"2 CPUs, \d+ MiB of RAM")
        machine.shell.wait_prompt(PATIENCE)
        machine.serial.send_line("console linux1")
        guest = Guest(machine.serial, "linux1").wait_ready(PATIENCE)
        devices = guest.run("cat /proc/interrupts /proc/ioports; ls /sys/class/net /dev/hvc0 /dev/hwrng /dev/watchdog0 /dev/rtc0", PATIENCE)
        for wanted in ("IO-APIC", "serial", "eth0", "eth1", "/dev/hvc0", "/dev/hwrng", "/dev/watchdog0", "/dev/rtc0"):
            assert wanted in devices, f"{wanted} is missing:\n{devices}"
        said = guest.run("dmesg | grep -i 'hypervisor\\|TSC deadline'; grep -m1 flags /proc/cpuinfo", PATIENCE)
        assert "Hyper-V" in said and "TSC deadline timer available" in said and "hypervisor" in said, said

        guest.run("unshare -n sleep 9999 & sleep 0.2; ip link set eth1 netns $!; nsenter -n -t $! ip link set eth1 up; "
                  "nsenter -n -t $! ip address add 192.168.77.2/24 dev eth1", PATIENCE)
        assert re.search(r"[23] packets received", guest.run("ping -c 3 -W 2 192.168.77.2", PATIENCE))

        assert not machine.complaints(), machine.complaints()[-5:]


def exits(machine, guest):
    """All of a guest's so far, and when."""
    said = machine.shell.run("metrics", PATIENCE)
    counts = re.findall(rf'bulkhead_vcpu_exits_total{{domain="{guest}",[^}}]*}} (\d+)', said)
    return sum(map(int, counts)), int(re.search(r"bulkhead_uptime_milliseconds (\d+)", said)[1]) / 1000


def rest(machine, guest, seconds=5):
    """Exits a second of a guest that is left alone."""
    (before, since), (after, until) = exits(machine, guest), (0, 0)
    while until < since + seconds:
        time.sleep(5)
        after, until = exits(machine, guest)
    return (after - before) / (until - since)


@pytest.mark.slow
def test_an_idle_guest_hardly_exits(bochs_build, tmp_path):
    """Issue 3, point 7. A second of the guest's takes about 20 of the host's."""
    with Bochs(bochs_build("linux", LINUX), **QUICK, folder=tmp_path) as machine:
        machine.shell.wait_prompt(PATIENCE)
        machine.serial.send_line("console linux1")
        Guest(machine.serial, "linux1").wait_ready(PATIENCE)
        machine.serial.send("\x1d")
        machine.shell.wait_prompt(PATIENCE)
        rates = [rest(machine, "linux1")]
        while rates[-1] >= EXITS_A_SECOND:
            assert len(rates) < 6, f"exits a second of a guest that never came to rest: {rates}"
            rates.append(rest(machine, "linux1"))
        print(f"exits a second of an idle guest: {rates}")


@pytest.mark.parametrize("name", HOSTILE)
def test_bare_metal_guest(bochs_build, tmp_path, name):
    """The hostile guests of the other tests: what is forbidden stays forbidden where VMX has to see to it. Twice."""
    cpus, image = HOSTILE[name], "interrupt_storm" if name == "storm" else f"hostile_{name}"
    lines = partition(1, name, image, ",".join(str(cpu + 1) for cpu in range(cpus)), "POLICY_STOP=y")
    with Bochs(bochs_build(f"hostile-{name}", [f"CONFIG_BOARD_CPUS={cpus + 1}", *lines]), cpus=cpus + 1, folder=tmp_path) as machine:
        machine.shell.wait_prompt(PATIENCE)
        for starts in (1, 2):
            ended = wait_domain(machine, name, lambda d: d["state"] in ("stopped", "crashed") and d["starts"] == starts)
            text = plain(machine.shell.run(f"console {name} --dump", PATIENCE))
            assert text.count("DONE: ") == starts and "PASS" in text and "FAIL" not in text, (ended, text[-3000:])
            assert ended["cause"] == "power-off", ended
            if starts == 1:
                machine.shell.run(f"domain restart {name}", PATIENCE)
        assert wait_domain(machine, "mgmt", lambda d: True)["starts"] == 1
