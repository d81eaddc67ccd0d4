# SPDX-License-Identifier: Apache-2.0
"""Issue point 5: what Linux asks of its interrupt controller, timers, CPUs, UART and clock beyond booting."""

import re
import time

import pytest
from appliance import Appliance
from guest import attach


@pytest.fixture(scope="module")
def guest(default_build, tmp_path_factory):
    with Appliance(default_build, folder=tmp_path_factory.mktemp("interrupts")) as appliance:
        appliance.shell.wait_prompt()
        yield attach(appliance, "linux1").wait_ready()


def number(guest, command):
    """The number that the command prints; the kernel's or the shell's messages may stand before it."""
    return int(guest.run(command).split()[-1])


def counts(guest, name):
    """How often each CPU took the interrupt whose line in /proc/interrupts has `name` (a regular expression)."""
    for line in guest.run("cat /proc/interrupts").splitlines():
        if re.search(name, line):
            return [int(word) for word in line.split(":")[1].split()[:2]]
    raise AssertionError(f"no interrupt {name}")


def test_both_cpus_take_timers_and_ipis(guest, machine):
    guest.run("for i in 1 2 3 4 5 6 7 8; do taskset 1 true; taskset 2 true; done; taskset 2 sleep 1")
    assert all(counts(guest, machine.timer))
    assert all(counts(guest, machine.ipi))


def test_a_cpu_goes_and_comes_back(guest, machine):
    """The CPU's interrupts are as new each time."""
    for _ in range(10):
        guest.run("echo 0 > /sys/devices/system/cpu/cpu1/online")
        assert number(guest, "nproc") == 1
        guest.run("echo 1 > /sys/devices/system/cpu/cpu1/online")
        assert number(guest, "nproc") == 2
    before = counts(guest, machine.timer)
    guest.run("taskset 2 sleep 1")
    assert counts(guest, machine.timer)[1] > before[1]


def test_interrupts_follow_their_affinity_under_load(guest):
    """The routing changes while the disk's interrupt comes: none is lost, so the reads end."""
    guest.run("for i in $(ls -d /proc/irq/[0-9]*); do ls $i | grep -q virtio && echo 1 > $i/smp_affinity; done; true")
    guest.run("(while :; do dd if=/dev/vda of=/dev/null bs=64k count=64 iflag=direct 2>/dev/null || break; done) & echo $! > /tmp/reader")
    guest.run("for n in 1 2 3 4 5 6 7 8 9 10; do for i in $(ls -d /proc/irq/[0-9]*); do "
              "ls $i | grep -q virtio && echo $((n % 2 + 1)) > $i/smp_affinity; done; sleep 0.2; done; true", timeout=120)
    guest.run("kill $(cat /tmp/reader); wait 2>/dev/null; dd if=/dev/vda of=/dev/null bs=64k count=16 iflag=direct", timeout=120)


def test_the_clock_is_set_and_its_alarm_rings(guest, machine):
    assert abs(number(guest, "cat /sys/class/rtc/rtc0/since_epoch") - time.time()) < 60
    if not machine.rtc:
        return  # a clock without an alarm
    before = sum(counts(guest, machine.rtc))
    guest.run("echo 0 > /sys/class/rtc/rtc0/wakealarm; echo +2 > /sys/class/rtc/rtc0/wakealarm")
    guest.wait_for(f"grep {machine.rtc} /proc/interrupts", rf":\s+(?!{before}\s+0\b)\d+\s+\d+")


def test_linux_has_nothing_to_complain_about(guest):
    log = guest.run("dmesg")
    for word in ("nobody cared", "spurious", "BUG:", "WARNING:", "Oops", "Unable to handle", "rcu_sched", "soft lockup", "failed with error"):
        assert word not in log, [line for line in log.splitlines() if word in line]
