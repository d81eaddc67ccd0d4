# SPDX-License-Identifier: Apache-2.0
"""python3 -m tools.image --config .config --version V --slot FIT [--manifest FILE] [--esp PATH=FILE]... --output FILE.img: the
disk image, its block map (FILE.img.bmap) and a note of what lies where and how large it is (FILE.txt)."""

import argparse
import os
import sys
import tempfile

from tools.resolver.board import read_board
from tools.resolver.errors import Errors
from tools.resolver.kconfig import Config
from tools.resolver.model import Reader

from . import bmap, esp, manifest, state
from .layout import check_labels, lay_out, volumes

CLEARED = 1 << 20  # of what begins empty: nothing of the device's earlier life is taken for a file system or a container


def read(path):
    with open(path, "rb") as handle:
        return handle.read()


class Image:
    """The open file, and which of its bytes a device needs."""

    def __init__(self, path, size):
        self.handle = open(path, "w+b")
        self.handle.truncate(size)
        self.extents = []

    def put(self, offset, data):
        self.extents.append((offset, len(data)))
        self.handle.seek(offset)
        for start in range(0, len(data), bmap.BLOCK):  # zeros stay holes
            block = data[start:start + bmap.BLOCK]
            if block.count(0) == len(block):
                self.handle.seek(len(block), os.SEEK_CUR)
            else:
                self.handle.write(block)


def fill(image, layout, slot, note, files, one_slot):
    def put(partition, data, used=None):
        partition.used = len(data) if used is None else used
        image.put(partition.offset, data)

    start, end = layout.tables()
    image.put(0, start)
    image.put(layout.size - len(end), end)
    with tempfile.TemporaryDirectory() as folder:
        esp.make(f"{folder}/esp", layout["esp"].size, layout.guid("serial number").int & 0xFFFFFFFF, files)
        data = read(f"{folder}/esp")
    put(layout["esp"], data[:esp.used(data)])
    put(layout["boot-a"], slot)
    put(layout["boot-b"], *((bytes(CLEARED), 0) if one_slot else (slot,)))
    for name, data in (("boot-a", note), ("boot-b", b"" if one_slot else note)):
        image.put(layout[name].offset + layout[name].size - manifest.IN_SLOT, data.ljust(manifest.IN_SLOT, b"\0"))
    slots = [state.confirmed(15), state.Slot() if one_slot else state.confirmed(14)]
    put(layout["state"], state.partition(slots, {}))
    for partition in layout.partitions[4:]:
        put(partition, bytes(min(CLEARED, partition.size)), 0)


def note(layout, block_map, version):
    lines = [f"Bulkhead {version}", "", f"{'partition':<20} {'begins':>14} {'bytes':>14} {'used':>12}"]
    lines += [f"{p.name:<20} {p.offset:>14} {p.size:>14} {p.used:>12}" for p in layout.partitions]
    return "\n".join([*lines, "", f"image: {layout.size} bytes, of which {block_map.blocks * bmap.BLOCK} are written to a device", ""])


def stop(text):
    sys.exit(f"make image: {text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "version", "slot", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--manifest")
    parser.add_argument("--esp", action="append", default=[], metavar="PATH=FILE")
    arguments = parser.parse_args()
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))

    errors = Errors()
    config = Config(root, arguments.config, errors)
    found = volumes(config, errors)
    check_labels(Reader(config, errors).appliance(read_board(config, root)), [name for name, _ in found], errors)
    if errors:
        stop("\n".join(["nothing is made:", *errors.lines]))
    layout = lay_out(config, arguments.version, found)
    slot = read(arguments.slot)
    if len(slot) > layout["boot-a"].size - manifest.IN_SLOT:
        stop(f"kernel and bundle have {len(slot)} bytes and do not fit into a boot slot of {layout['boot-a'].size >> 20} MiB; "
             f"raise IMAGE_SLOT_MIB to {-(-(len(slot) + manifest.IN_SLOT) // (1 << 20))} or more")

    image = Image(arguments.output + ".new", layout.size)
    try:
        fill(image, layout, slot, read(arguments.manifest) if arguments.manifest else b"", dict(entry.split("=", 1) for entry in arguments.esp), config.on("IMAGE_ONE_SLOT"))
    except esp.Failed as error:
        stop(error)
    image.handle.flush()
    text = bmap.write(image.handle, layout.size, image.extents)
    image.handle.close()
    with open(arguments.output + ".bmap", "w", encoding="utf-8") as handle:
        handle.write(text)
    summary = note(layout, bmap.read(text), arguments.version)
    with open(os.path.splitext(arguments.output)[0] + ".txt", "w", encoding="utf-8") as handle:
        handle.write(summary)
    os.replace(arguments.output + ".new", arguments.output)
    print(summary, end="")


main()
