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
# What VMX has a part in, how many CPUs it takes, and whether interrupts are injected as on CPUs without APIC virtualization.
HOSTILE = {"memory": (1, True), "registers": (1, True), "calls": (2, True), "apic": (2, False), "storm": (2, False)}
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


def exits(machine, guest):
    """All of a guest's so far, and when."""
    said = machine.shell.run("metrics", PATIENCE)
    counts = re.findall(rf'bulkhead_vcpu_exits_total{{domain="{guest}",[^}}]*}} (\d+)', said)
    return sum(map(int, counts)), int(re.search(r"bulkhead_uptime_milliseconds (\d+)", said)[1]) / 1000


def rest(machine, guest, seconds=2):
    """Exits a second of a guest that is left alone."""
    (before, since), (after, until) = exits(machine, guest), (0, 0)
    while until < since + seconds:
        time.sleep(1)
        after, until = exits(machine, guest)
    return (after - before) / (until - since)


def test_debian_guest(bochs_build, tmp_path):
    """From power-on to a Linux guest's shell; its devices and its network; it sleeps by itself."""
    with Bochs(bochs_build("linux", LINUX), folder=tmp_path) as machine:
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

        machine.serial.send("\x1d")
        rates = [rest(machine, "linux1")]
        while rates[-1] >= EXITS_A_SECOND:
            assert len(rates) < 6, f"exits a second of a guest that never came to rest: {rates}"
            rates.append(rest(machine, "linux1"))
        print(f"exits a second of an idle guest: {rates}")
        assert not machine.complaints(), machine.complaints()[-5:]


@pytest.mark.parametrize("name", HOSTILE)
def test_bare_metal_guest(bochs_build, tmp_path, name):
    """The hostile guests of the other tests: what is forbidden stays forbidden where VMX has to see to it. Twice."""
    (cpus, injected), image = HOSTILE[name], "interrupt_storm" if name == "storm" else f"hostile_{name}"
    lines = partition(1, name, image, ",".join(str(cpu + 1) for cpu in range(cpus)), "POLICY_STOP=y")
    build = bochs_build(f"hostile-{name}", [f"CONFIG_BOARD_CPUS={cpus + 1}", f"CONFIG_VMX_INTERRUPTS={0 if injected else 2}", *lines])
    with Bochs(build, cpus=cpus + 1, folder=tmp_path) as machine:
        machine.serial.expect("VMX: interrupts are " + ("injected" if injected else "delivered by the CPU"), PATIENCE)
        machine.shell.wait_prompt(PATIENCE)
        for starts in (1, 2):
            ended = wait_domain(machine, name, lambda d: d["state"] in ("stopped", "crashed") and d["starts"] == starts)
            text = plain(machine.shell.run(f"console {name} --dump", PATIENCE))
            assert text.count("DONE: ") == starts and "PASS" in text and "FAIL" not in text, (ended, text[-3000:])
            assert ended["cause"] == "power-off", ended
            if starts == 1:
                machine.shell.run(f"domain restart {name}", PATIENCE)
        assert wait_domain(machine, "mgmt", lambda d: True)["starts"] == 1
