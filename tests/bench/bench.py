#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make bench: measures and prints the tables of docs/performance.md.

usage: bench.py [--arch arm64|x86] [events] [messages] [boot] [traffic] [hardware] [passthrough] [stages] [update] [sizes] [--cpu MODEL] [--profile] [--way NAME]...

Without a word: all but hardware, passthrough and update (x86: KVM beside it, nested). --way: of the stages, these ways from reset to the shell only. --profile prints what each event's and the network's figures are
made of.
"""

import argparse
import sys

import boot
import builds
import counted
import events
import hardware
import kvm
import message
import passthrough
import peers
import stages
import traffic
import update
from machines import BY_ARCH, MACHINES


def report_events(machine, cpu, profile):
    figures, boot, parts = events.measure(machine, cpu, profile)
    other = kvm.measure() if machine.arch == "x86" else None
    print(f"\nKernel instructions an event (cpu {cpu or machine.cpu}):\n")
    print("\n".join(events.table(figures) if other is None else events.table_x86(figures, other)))
    print(f"\nReset to the guest's first instruction: {boot[0]:,} kernel instructions on its CPU, {boot[1]:,} on all CPUs"
          f" (Xen 4.20 on arm64: {peers.BOOT_INSTRUCTIONS_XEN:,.0f})")
    for window, functions in sorted(parts.items()):
        name = "boot" if window == 0 else peers.EVENTS_X86[window] if other is not None else peers.EVENTS[window][0]
        slow = ("11",) if other is None else events.SLOW_X86
        operations = 1 if window == 0 else 1000 if str(window) in slow else 10000
        print(f"\n{name} is made of:")
        for function, count in functions[:14]:
            if count / operations >= 0.5:
                print(f"  {count / operations:12,.1f}  {function}")
    if other is not None:
        behind = events.misses_x86(figures, other)
        for window in behind:
            print(f"ABOVE KVM: {peers.EVENTS_X86[window]}")
        return not behind
    above_goal, above_xen = events.misses(figures)
    for window in above_goal:
        print(f"above its goal: {peers.EVENTS[window][0]}")
    for window in above_xen:
        print(f"ABOVE XEN: {peers.EVENTS[window][0]}")
    return not above_xen


def report_messages(machine, profile):
    figure, functions = message.measure(machine, profile)
    print(f"\nA message of a passed-through device, taken and ended by its guest: {figure:,.0f} kernel instructions")
    for function, count in functions[:14]:
        print(f"  {count / message.MESSAGES:12,.1f}  {function}")
    return True


def report_boot(machine):
    inside, kernel, plain = boot.measure(machine.arch)
    print(f"\nA Debian guest's boot to power-off, instructions on its CPU: {inside:,} on Bulkhead, {kernel:,} of them the kernel's (loading"
          f" included); {plain:,} on plain QEMU; ratio {inside / plain:.3f}, without the kernel's {(inside - kernel) / plain:.3f}")
    return True


def report_traffic():
    figures = traffic.measure()
    rows = (("TCP stream, guest to guest", "stream", peers.STREAM, "instructions a byte"),
            ("TCP request/response", "request", peers.REQUEST, "instructions"),
            ("virtio-blk 4 KiB read", "block", peers.BLOCK_READ, "instructions"))
    print("\nThe whole machine, guests included:\n\n| | Bulkhead | goal | KVM (VHE, vhost-net) | |\n|---|---|---|---|---|")
    ok = True
    for name, key, (peer, goal), unit in rows:
        print(f"| {name} | {figures[key]:,.2f} | {goal:,} | {peer:,} | {unit} |")
        ok &= figures[key] < peer
    return ok


def report_counted(profile):
    figures = counted.measure()
    rows = (("TCP stream, guest to guest", "stream"), ("TCP request/response", "request"), ("virtio-blk 4 KiB read", "block"))
    print("\nAll that any CPU executes, guests included:\n\n| | Bulkhead | KVM, vhost-net | |\n|---|---|---|---|")
    total = {who: {name: sum(layers.values()) for name, (layers, *_) in answer.items()} for who, answer in figures.items()}
    for title, name in rows:
        unit = counted.WORK[name][2]
        peer = f"{total['KVM'][name]:,.2f}" if "KVM" in total else "not measured: its guests did not come to their end"
        print(f"| {title} | {total['Bulkhead'][name]:,.2f} | {peer} | instructions a{'n' if unit[0] in 'aeiou' else ''} {unit} |")
    for title, name in rows if profile else ():
        for who, answer in figures.items():
            layers, functions, entries = answer[name]
            print(f"\n{title}, {who}: {entries:,.4f} exits, and")
            for layer, count in sorted(layers.items(), key=lambda item: -item[1]):
                print(f"  {count:12,.3f}  {layer}")
            ours = [item for item in functions.items() if item[0][1]]
            for (layer, function), count in sorted(ours, key=lambda item: -item[1])[:16]:
                print(f"    {count:12,.3f}  {layer}: {function}")
    return all(total["Bulkhead"][name] < total.get("KVM", {}).get(name, float("inf")) for name in counted.WORK)


def report_hardware():
    print("\nInstructions of the management domain:\n\n| NIC, disk | a 4 KiB read | an exchange | a byte sent | a packet |\n|---|---|---|---|---|")
    for (nic, disk), found in hardware.measure():
        print(f"| {nic}, {disk} | {found['read']:,.0f} | {found['exchange']:,.0f} | {found['byte']:.3f} | {found['packet']:,.0f} |", flush=True)
    return True


def report_passthrough(machine, profile):
    """False: a guest executes 2 % more than without Bulkhead, or accesses of its own exit. (The kernel counts exits also before and after
    the marks: those for registers are the console's.)"""
    ours, found, trapped = ("Bulkhead's kernel", "management domain"), {}, {}
    for who, results, exits, times, packets, interrupts, tick in passthrough.measure(machine):
        found[who] = {name: sum(value for layer, value in layers.items() if layer not in ours) - interrupts[name]["ticks"] * tick / counted.WORK[name][1]
                      for name, (layers, _, _) in results.items()}
        trapped[who] = {name: [function for _, function in functions if function in passthrough.TRAPPED] for name, (_, functions, _) in results.items()}
        print(f"\n{passthrough.WHO[who]} ({packets} packets of the stream, as the guest counts them; a tick: {tick:,.0f} of its kernel's instructions):", flush=True)
        for name, (layers, functions, _) in results.items():
            count, unit = counted.WORK[name][1:]
            guest = sum(value for layer, value in layers.items() if layer not in ours)
            print(f"  a{'n' if unit[0] in 'aeiou' else ''} {unit}: guest {guest:,.3f} ({found[who][name]:,.3f} without ticks), " + ", ".join(f"{layer} {layers.get(layer, 0):,.3f}" for layer in ours)
                  + f"; {times[name]:,.2f} ns by its clock" + "".join(f"; {kind} exits {number / count:,.5f}" for kind, number in sorted(exits[name].items()) if abs(number) > 4), flush=True)
            print("    interrupts: " + ", ".join(f"{what} {number:,}" for what, number in interrupts[name].most_common() if number > 4), flush=True)
            for (layer, function), value in sorted(functions.items(), key=lambda item: -item[1])[:12] if profile else ():
                print(f"    {value:12,.3f}  {layer}: {function}")
    ok = True
    for ours_name, plain_name in passthrough.PAIRS:
        for name in counted.WORK:
            passed, plain = found[ours_name][name], found[plain_name][name]
            print(f"{name}: a guest's instructions without ticks, {passthrough.WHO[ours_name]} against {passthrough.WHO[plain_name]}: {passed / plain:.4f}")
            if trapped[ours_name][name]:
                print(f"{name}: the guest's accesses exit: {', '.join(trapped[ours_name][name])}")
            ok &= passed <= 1.02 * plain and not trapped[ours_name][name]
    return ok


def report_stages(machine, ways):
    chosen = ways or [name for name, way in stages.WAYS.items() if MACHINES[way.board].arch == machine.arch and name != "sbsa-ref"]
    for name in chosen:
        print("\n" + "\n".join(stages.table(name, stages.measure(name))), flush=True)
    return True


def report_update(machine, profile):
    found = update.measure(machine)
    written, writes, flushes = found["disk"]
    print(f"\nAn update of {found['size']:,} bytes: {found['wire']:,} bytes in {found['frames']:,} frames on the network, {written:,} bytes in {writes:,} writes"
          f" and {flushes} flushes on the disk; {found['seconds']:.1f} s here, {found['sender']:.1f} s of CPU of the sender")
    ours = ("management domain", "Bulkhead's kernel")
    for layer in ours:
        print(f"  {layer}: {found['layers'][layer]:,} instructions, {found['layers'][layer] / found['size']:.2f} a byte")
    for (layer, function), count in sorted(found["functions"].items(), key=lambda item: -item[1])[:24] if profile else ():
        if layer in ours:
            print(f"    {count:15,}  {layer}: {function}")
    return True


def report_layers():
    for name, (unit, layers, functions) in traffic.profile().items():
        print(f"\n{name} is made of, instructions a{'n' if unit[0] in 'aeiou' else ''} {unit}:")
        for layer, count in sorted(layers.items(), key=lambda item: -item[1]):
            print(f"  {count:12,.3f}  {layer}")
        ours = [item for item in functions.items() if item[0][1]]
        for (layer, function), count in sorted(ours, key=lambda item: -item[1])[:16]:
            print(f"    {count:12,.3f}  {layer}: {function}")


def report_sizes(machine):
    out = builds.default_configuration(machine)
    size = (out / "bulkhead.bin").stat().st_size
    goal = f"goal {peers.IMAGE_GOAL:,}; " if machine.arch == "arm64" else ""
    print(f"\nKernel image: {size:,} bytes ({goal}Xen 4.20: {peers.IMAGE_XEN:,})")
    return size < peers.IMAGE_XEN


def main():
    parser = argparse.ArgumentParser(description="measures Bulkhead on the emulator")
    parser.add_argument("what", nargs="*", choices=["events", "messages", "boot", "traffic", "hardware", "passthrough", "stages", "update", "sizes", []], default=[])
    parser.add_argument("--arch", choices=sorted(BY_ARCH), default="arm64")
    parser.add_argument("--cpu")
    parser.add_argument("--way", action="append", choices=list(stages.WAYS))
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    machine = BY_ARCH[options.arch]
    what = options.what or ["events", "messages", "boot", "traffic", "stages", "sizes"]
    ok = True
    if "events" in what:
        ok &= report_events(machine, options.cpu, options.profile)
    if "messages" in what:
        ok &= report_messages(machine, options.profile)
    if "boot" in what:
        ok &= report_boot(machine)
    if "traffic" in what and options.arch == "x86":
        ok &= report_counted(options.profile)
    elif "traffic" in what:
        ok &= report_traffic()
        if options.profile:
            report_layers()
    if "hardware" in what and options.arch == "x86":
        ok &= report_hardware()
    if "passthrough" in what:
        ok &= report_passthrough(machine, options.profile)
    if "stages" in what:
        ok &= report_stages(machine, options.way)
    if "update" in what:
        ok &= report_update(machine, options.profile)
    if "sizes" in what:
        ok &= report_sizes(machine)
    sys.exit(0 if ok else "bench: a figure is worse than the peer's")


if __name__ == "__main__":
    main()
