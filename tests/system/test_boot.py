# SPDX-License-Identifier: Apache-2.0
"""Issue point 4, 5, 6: where the appliance boots, and what a stock Debian guest finds there."""

import re

import pytest
from appliance import Appliance
from guest import attach


def test_boots_on_every_cpu_model(default_build, tmp_path, model):
    with Appliance(default_build, cpu=model, folder=tmp_path) as appliance:
        appliance.shell.wait_prompt()
        guest = attach(appliance, "linux1").wait_ready()
        assert guest.run("nproc").strip() == "2"
        assert "management domain" in appliance.bhctl("version").stdout  # TLS takes the CPU's instructions, where it has them


@pytest.mark.arch("x86")
@pytest.mark.parametrize("cpu, why", [("EPYC", "no x2APIC"), ("max,-svm", "SVM"), ("max,-npt", "nested paging")], ids=["x2apic", "svm", "npt"])
def test_a_machine_that_lacks_something_is_refused(default_build, tmp_path, cpu, why):
    """With one clear line."""
    with Appliance(default_build, cpu=cpu, folder=tmp_path) as appliance:
        appliance.serial.expect(f"does not run on this machine: [^\r\n]*{why}")


@pytest.mark.parametrize("cpus", [1, 2, 8])
def test_boots_on_any_number_of_cpus(default_build, tmp_path, cpus):
    """A partition whose CPUs the machine lacks is absent, and the others run."""
    with Appliance(default_build, smp=cpus, folder=tmp_path) as appliance:
        appliance.shell.wait_prompt()
        states = {d["name"]: d["state"] for d in appliance.shell.json("domain list")}
        assert states["mgmt"] == "running"
        for name, last_cpu in (("linux1", 2), ("linux2", 3)):
            assert (states[name] == "absent") == (cpus <= last_cpu), states


@pytest.fixture(scope="module")
def pair(default_build, tmp_path_factory):
    with Appliance(default_build, folder=tmp_path_factory.mktemp("pair")) as appliance:
        appliance.shell.wait_prompt()
        yield appliance, attach(appliance, "linux1").wait_ready(), attach(appliance, "linux2").wait_ready()


def test_stock_drivers_bind(pair):
    """Unmodified Linux drivers for each emulated and paravirtual device."""
    appliance, guest, _ = pair
    machine = appliance.machine
    devices = guest.run("cat /proc/iomem /proc/ioports /proc/interrupts; ls /sys/class/net /sys/block /dev/hvc0 /dev/hwrng /dev/watchdog0 /dev/rtc0")
    for wanted in (machine.uart, "eth0", "eth1", "vda", "/dev/hvc0", "/dev/hwrng", "/dev/watchdog0", "/dev/rtc0", machine.interrupts, machine.timer):
        assert wanted in devices, f"{wanted} is missing:\n{devices}"
    assert re.search(machine.watchdog, guest.run("cat /sys/class/watchdog/watchdog0/identity"))
    assert guest.run("cat /sys/class/misc/hw_random/rng_current").startswith("virtio")
    assert guest.run("head -c 16 /dev/hwrng | wc -c").strip() == "16"


def test_guest_has_smp(pair):
    """Off and on through the guest's hotplug: PSCI, or INIT and SIPI."""
    _, guest, _ = pair
    guest.run("echo 0 > /sys/devices/system/cpu/cpu1/online")
    assert guest.run("nproc").strip() == "1"
    guest.run("echo 1 > /sys/devices/system/cpu/cpu1/online")
    assert guest.run("nproc").strip() == "2"
    guest.run("taskset 2 true")


def test_guest_clock_follows_the_board(pair):
    _, guest, other = pair
    times = [int(g.run("hwclock -u -r >/dev/null; date +%s")) for g in (guest, other)]
    assert abs(times[0] - times[1]) < 120 and times[0] > 1_700_000_000


def test_guests_get_seeds_of_their_own(pair, machine):
    """Random numbers from the start, and an address layout that is each guest's own."""
    guests = pair[1:]
    for guest in guests:
        log = guest.run("dmesg")
        assert machine.arch != "arm64" or "KASLR enabled" in log  # x86's says nothing
        assert re.search(r"\[ +0\.0+\] random: crng init done", log)
    # x86-64 has less than 500 virtual and 256 physical places for a kernel, chosen apart: one of them alone is the same now and then.
    places = {guest.run("grep ' _text$' /proc/kallsyms; grep 'Kernel code' /proc/iomem") for guest in guests}
    assert len(places) == 2, places


def test_register_reads_do_not_exit(pair):
    """A guest's exits for a virtio channel are writes: reading registers does not change the count."""
    appliance, guest, _ = pair

    def exits():
        return sum(sample["value"] for sample in appliance.bhctl_json("metrics")
                   if sample["name"] == "bulkhead_vcpu_exits_total" and sample["labels"]["domain"] == "linux1"
                   and sample["labels"]["kind"] == "channel")

    before = exits()
    # Linux reads the device's Status register for each of these; virtio1 has no other business meanwhile.
    guest.run("for i in $(seq 500); do read s </sys/bus/virtio/devices/virtio1/status; [ $s = 0x0000000f ] || exit 1; done", timeout=300)
    # The command itself comes over PL011, which is no channel; the network may send a few doorbells meanwhile.
    assert exits() - before < 50

