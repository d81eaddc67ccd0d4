# SPDX-License-Identifier: Apache-2.0
"""stack_depth.py LIMIT EXTRA ROOT,... FILE.ci...: how deep the kernel's stack gets at the most.

The compiler's call graphs (-fcallgraph-info=su) say what each function needs and whom it calls. Where it calls by a pointer, the
source line says by which: a member of a structure, to which functions are assigned somewhere (`.member = function`), or a
parameter. A crash may come at the deepest place, and interrupts where the kernel lets them in: their own depth is added for
each function named in EXTRA ("function:bytes,..."; bytes are the frame's). Fails when LIMIT is passed, on a recursion, and on a
pointer of which nothing is known."""

import re
import sys
from collections import defaultdict
from pathlib import Path

# How deep at the most: passthrough.c's BUSES_MAX; pci_place.c's BUS_DEPTH_MAX, 8, and the root; paths begin with '/', so
# there is no alias.
RECURSIONS = {"add_bus": 2, "number_buses": 9, "place_bus": 9, "fdt_get_alias_namelen": 2, "fdt_path_offset_namelen": 2}
CRASHES = ("check_failed", "crash_fault")  # have depth of their own, once
NODE = re.compile(r'node: { title: "([^"]+)" label: "(?:[^"]*\\n(\d+) bytes \(([^)]*)\))?')
EDGE = re.compile(r'edge: { sourcename: "([^"]+)" targetname: "([^"]+)" label: "([^:]*):(\d+):(\d+)')


class Graph:
    def __init__(self, files):
        self.frame, self.calls, self.by_name, sources = {}, defaultdict(set), defaultdict(set), set()
        edges = []
        for file in files:
            text = Path(file).read_text()
            sources.update(re.findall(r'graph: { title: "([^"]+)"', text))
            for title, size, kind in NODE.findall(text):
                if size:
                    self.frame[title] = int(size)
                    self.by_name[title.split(":")[-1]].add(title)
                    if kind == "dynamic":
                        sys.exit(f"stack: {title} has a frame without a bound")
            edges += EDGE.findall(text)
        self.text = {source: Path(source).read_text() for source in sources if Path(source).exists()}
        self.all = {str(path): path.read_text() for folder in ("arch", "core", "devices", "lib") for path in Path(folder).glob("**/*.[ch]")}
        self.structures = [found for text in self.all.values() for found in re.findall(r"struct (\w+) {\n(.*?)\n}", text, re.DOTALL)]
        for source, target, file, line, column in edges:
            targets = self.pointed_to(source, file, int(line), int(column)) if target == "__indirect_call" else [target]
            self.calls[source].update(targets)

    def functions(self, name, source):
        """Statics of the same file first."""
        found = self.by_name.get(name, set())
        return {title for title in found if title == f"{source}:{name}"} or {title for title in found if ":" not in title} or found

    def pointed_to(self, caller, file, line, column):
        code = (self.text.get(file) or self.all[file]).splitlines()[line - 1]
        match = re.search(r"(\w+)\s*\($", code[: code.find("(", column - 1) + 1]) or re.search(r"(\w+)\(", code[column - 1:])
        name = match[1] if match else ""
        pointer = f"(*{name})("
        types = {kind for kind, body in self.structures if pointer in body}
        parameter = re.compile(rf"\b(\w+)\(([^;{{()]*,)?[^;{{(),]*\(\*{name}\)\(")
        takers = {caller.split(":")[-1]} | {taker for text in self.all.values() if pointer in text for taker, _ in parameter.findall(text)}
        # An assignment, an initializer by position, an argument; each with what a text has that has any.
        places = [(name, rf"(?:\.|->){name} = (\w+)")]
        places += [(f"struct {kind}", rf"struct {kind}\b(?:\)|[^;{{()]*=| {{\n.*?\n}}[^;{{()]*=)\s*{{(.*?)}}\)*;") for kind in types]
        places += [(f"{taker}(", rf"\b{taker}\(([^;{{]*)\);") for taker in takers]
        targets = {target for source, text in self.text.items() for part, place in places if part in text
                   for found in re.findall(place, text, re.DOTALL)
                   if not re.search(r"\.\w+ = ", found)  # members by name are the first place's
                   for function in re.findall(r"\w+", found) for target in self.functions(function, source)}
        if not targets and not any(re.search(place, text, re.DOTALL) for _, place in places for path, text in self.all.items()
                               if path not in self.text):
            sys.exit(f"stack: {file}:{line}: nothing is known of the pointer '{name}' that {caller} calls; see {__file__}")
        # What only files of another architecture assign to is NULL here.
        return targets - {caller}  # deadline.c's look() is a deadline's function and calls a timeout's

    def depth(self, function, known, way=()):
        """Of the stack, and through whom."""
        if function in way:
            circle = way[way.index(function):]
            for times in (RECURSIONS.get(title.split(":")[-1]) for title in circle):
                if times:
                    return (times - 1) * sum(self.frame.get(title, 0) for title in circle), ("...",)
            sys.exit("stack: a recursion: " + " -> ".join(circle + (function,)))
        if function not in known:
            below = (0, ())
            for callee in self.calls[function]:
                if callee not in CRASHES:
                    below = max(below, self.depth(callee, known, way + (function,)))
            known[function] = (self.frame.get(function, 0) + below[0], (function,) + below[1])
        return known[function]


def main():
    limit, extra, roots = int(sys.argv[1]), sys.argv[2].split(","), sys.argv[3].split(",")
    graph, known = Graph(sys.argv[4:]), {}
    sys.setrecursionlimit(10000)
    for name in roots + [entry.split(":")[0] for entry in extra]:
        if not graph.by_name[name]:
            sys.exit(f"stack: there is no function {name}")
    depth, way = max(graph.depth(title, known) for root in roots for title in graph.by_name[root])
    total = depth
    for entry in extra:
        name, frame = entry.split(":")
        total += int(frame) + max(graph.depth(title, known)[0] for title in graph.by_name[name])
    names = " -> ".join(f"{title.split(':')[-1]} {graph.frame.get(title, 0)}" for title in way)
    if total > limit:
        sys.exit(f"stack: {total} bytes of {limit}: {names}, and {sys.argv[2]}")
    print(f"{total} of {limit} bytes at the most, {depth} of it by {way[0]} -> ... -> {way[-2].split(':')[-1]}")


main()
