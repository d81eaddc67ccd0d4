# SPDX-License-Identifier: Apache-2.0
"""Kernel instructions an event: the bench guest under the counting plugin."""

import builds
import peers
from appliance import Appliance
from symbols import Symbols, made_of


SLOW_X86 = ("7", "8", "11")  # windows of 1,000 operations


def measure(machine, cpu=None, profile=False):
    """Returns ({window: instructions an operation}, boot (own CPU, all CPUs), {window: made of})."""
    library = builds.plugin()
    out = builds.events_configuration(machine)
    symbols = Symbols(out / "bulkhead.elf", machine.tools)
    folder = builds.OUT / f"bench/run-{machine.arch}"
    counts, parts = folder / "counts.txt", folder / "profile.txt"
    folder.mkdir(parents=True, exist_ok=True)
    counts.unlink(missing_ok=True)
    options = f"{library},base={symbols.base():#x},size=0x400000,out={counts}" + (f",profile={parts}" if profile else "")
    extra = ["-plugin", options]
    if machine.arch == "x86":
        # With the clock counted by instructions, QEMU 10.0 ends at an x2APIC timer's write in the middle of a block ("Bad
        # icount read"). Without it, a lock's waiting is counted by how long the host's scheduler lets the holder wait.
        extra += ["-accel", "tcg,one-insn-per-tb=on"]
    with Appliance(out, cpu=cpu, smp=3, folder=folder, icount=True, extra=extra) as appliance:
        # The supervisor tells every session when a domain ends.
        appliance.serial.expect("domain bench: ", 1200)
        appliance.shell.line.send_line("")
        appliance.shell.wait_prompt()
        said = appliance.shell.run("console bench --dump")
        if "BENCH done" not in said:
            raise SystemExit(f"bench: the bench guest did not come to its end:\n{said}")
        appliance.qmp("quit")
        appliance.qemu.wait(60)
    events, boot = windows(counts, ("11",) if machine.arch == "arm64" else SLOW_X86)
    return events, boot, made_of(parts, symbols) if profile else {}


def windows(counts, slow=("11",)):
    """({window: instructions an operation}, boot) from what the plugin wrote."""
    events, boot = {}, None
    for line in counts.read_text().splitlines():
        words = line.split()
        if words[0] == "boot":
            boot = int(words[1]), int(words[2])
        elif words[0].isdigit() and words[0] != "0":
            repeats = 1000 if words[0] in slow else 10000
            events[int(words[0])] = int(words[1]) / int(words[2]) / repeats
    return events, boot


def table(events):
    yield "| operation | Bulkhead | goal | Xen 4.20 | KVM VHE | KVM nVHE |"
    yield "|---|---|---|---|---|---|"
    for window, (name, goal, *figures) in peers.EVENTS.items():
        if window in events:
            cells = [f"{events[window]:,.0f}", goal] + figures
            yield f"| {name} | " + " | ".join("-" if c is None else f"{c:,}" if isinstance(c, int) else c for c in cells) + " |"


def table_x86(events, kvm):
    yield "| operation | Bulkhead | KVM |"
    yield "|---|---|---|"
    for window, name in peers.EVENTS_X86.items():
        if window in events:
            yield f"| {name} | {events[window]:,.0f} | " + (f"{kvm[window]:,.0f}" if window in kvm else "-") + " |"


def misses_x86(events, kvm):
    """Operations that cost more than KVM's."""
    return [window for window in peers.EVENTS_X86 if events.get(window, 0) > kvm.get(window, float("inf"))]


def misses(events):
    """Operations above their goal, and those above Xen's figure."""
    above_goal = [w for w, e in peers.EVENTS.items() if e[1] is not None and events.get(w, 0) > e[1] + 0.5]
    above_xen = [w for w, e in peers.EVENTS.items() if e[2] is not None and events.get(w, 0) > e[2]]
    return above_goal, above_xen
