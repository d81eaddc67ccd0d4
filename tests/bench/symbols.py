# SPDX-License-Identifier: Apache-2.0
"""The kernel's symbols, and what a profile of the plugin is made of."""

import bisect
import collections
import subprocess


class Symbols:
    def __init__(self, elf, tools="aarch64-linux-gnu-"):
        lines = subprocess.run([tools + "nm", "--defined-only", str(elf)], check=True, capture_output=True, text=True).stdout
        pairs = [(int(value, 16), name) for value, kind, name in (line.split() for line in lines.splitlines())
                 if kind in "tT" and not name.startswith("$")]
        # A local label within a function (a loop's head) does not begin another function.
        self.sorted = sorted(pair for pair in pairs if not pair[1].startswith(".L"))
        self.addresses = [address for address, _ in self.sorted]

    def base(self):
        """First address of the kernel's text, rounded down to 2 MiB."""
        return self.addresses[0] & ~0x1FFFFF

    def name(self, address):
        index = bisect.bisect_right(self.addresses, address) - 1
        return self.sorted[index][1] if index >= 0 else hex(address)


def layers_of(blocks, window, place):
    """{layer: instructions} and {(layer, function): instructions} of a window of the plugin's blocks file. `place` says
    where (CPU, whether a guest executes, address) is: (layer, function)."""
    layers, functions = collections.Counter(), collections.Counter()
    with open(blocks) as lines:
        for line in lines:
            of, cpu, guest, address, count = (int(word, 0) for word in line.split())
            if of == window:
                layer, name = place(cpu, guest, address)
                layers[layer] += count
                functions[layer, name] += count
    return layers, functions


def bulkhead_places(kernel, program, program_base, arch):
    """Guests' kernels run from the upper half of the addresses; the management domain has CPU 0 and lies at program_base."""
    def place(cpu, guest, address):
        if not guest if arch == "x86" else kernel.addresses[0] <= address < kernel.addresses[-1] + 4096:
            return "Bulkhead's kernel", kernel.name(address)
        if cpu == 0:
            return "management domain", program.name(address - program_base)
        return ("guests' kernels", "") if address >> 47 else ("guests' programs", "")

    return place


def made_of(profile, symbols):
    """{window: [(function, instructions), ...] most first} from the plugin's profile file."""
    windows = collections.defaultdict(collections.Counter)
    with open(profile) as lines:
        for line in lines:
            window, address, count = line.split()
            windows[int(window)][symbols.name(int(address, 16))] += int(count)
    return {window: counter.most_common() for window, counter in windows.items()}
