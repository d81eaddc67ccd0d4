# SPDX-License-Identifier: Apache-2.0
"""Load plans (load_plan.h): what of the bundle's images goes where in a domain's memory, and how it is entered."""

import os
import struct
from dataclasses import dataclass

from .acpi import slot_line
from .emit_bundle import image_path
from .guest_tree import guest_tree
from .handover import RESET_ENTRY, handover, reset_code
from .kernel_image import TREE, ImageError, Part, Program, check_overlap, kind_of, read_kernel

PAGE = 4096
HEADER, SEGMENT = "<IIQQQQII", "<IIQQQ"


@dataclass
class Placement:
    program: Program
    initrd: int  # offset into memory
    initrd_size: int


class InitrdError(ImageError):
    pass


class CommandLineError(ImageError):
    pass


def place(partition, kernel, kind, initrd_size, arch, limits):
    """Where kernel (its bytes) and initial RAM disk of a partition go. Raises ImageError."""
    top = partition.memory - limits.LOAD_DESCRIPTION_SIZE
    base = limits.GUEST_MEMORY_BASE if partition.index else None
    program = read_kernel(kernel, kind, arch, base, top)
    if arch == "x86" and partition.index:
        check_overlap(program.parts, Part(0, 0, RESET_ENTRY, 16), base, "the code that a PC's reset jumps to")
    line = len(partition.command_line.encode())
    if line > program.command_line_max:
        raise CommandLineError(f"has {line} bytes, but this kernel takes {program.command_line_max}; shorten it")
    if len(program.parts) > limits.LOAD_SEGMENTS_MAX - 3:  # the initrd, and two of handover.py
        raise ImageError(f"it has {len(program.parts)} parts; at most {limits.LOAD_SEGMENTS_MAX - 3} can be loaded")
    if initrd_size and not partition.index:
        raise InitrdError("the management domain takes none; leave it out")
    initrd = max(top - initrd_size, 0) & -PAGE if initrd_size else 0
    if initrd_size and (initrd < program.end or initrd + initrd_size > top):
        needed = (program.end + initrd_size + PAGE + limits.LOAD_DESCRIPTION_SIZE + (2 << 20) - 1) >> 21 << 1
        raise InitrdError(f"it has {initrd_size} bytes and does not fit beside the kernel, which needs {program.end}; "
                          f"give the partition MEMORY={needed} or more")
    return Placement(program, initrd, initrd_size)


def load_plan(partition, placement, numbers, slots, arch, limits):
    """The image of a plan. `numbers` are those of the partition's kernel, initrd and plan in the bundle."""
    program = placement.program
    segments = [(numbers[0], 0, part.start, part.size, part.to) for part in program.parts if part.size]
    if placement.initrd_size:
        segments.append((numbers[1], 0, 0, placement.initrd_size, placement.initrd))
    start = struct.calcsize(HEADER) + struct.calcsize(SEGMENT) * limits.LOAD_SEGMENTS_MAX
    blobs = b""
    tree = guest_tree(partition, placement, slots, arch, limits, slot_line) if program.protocol == TREE else b""
    assert len(tree) <= limits.LOAD_TREE_SIZE_MAX

    def put(data):
        nonlocal blobs
        blobs += data + bytes(-len(data) % 16)
        return start + len(blobs) - len(data) - -len(data) % 16

    def add(data, to):
        segments.append((numbers[2], 0, put(data), len(data), to))

    if arch == "x86" and partition.index:
        add(reset_code(limits), RESET_ENTRY)
    if program.protocol != TREE:
        add(handover(partition, placement, slots, limits), partition.memory - limits.LOAD_DESCRIPTION_SIZE + limits.GUEST_DESCRIPTION_BOOT)
    head = struct.pack(HEADER, limits.LOAD_PLAN_MAGIC, program.protocol, partition.memory, program.entry, put(tree), len(tree), len(segments), 0)
    return (head + b"".join(struct.pack(SEGMENT, *segment) for segment in segments)).ljust(start, b"\0") + blobs


def option_of(image):
    """How the configuration names an image."""
    what = "INITRD" if image.kind == "initrd" else "KERNEL"
    return (f"{what}_PATH", image.path) if image.source == "file" else (f"{what}_{image.source.partition('-')[0].upper()}", "y")


def blame(errors, partition, error):
    """Reports what place() raised."""
    if isinstance(error, CommandLineError):
        errors.add(partition.subject, "CMDLINE", partition.command_line[:20] + "...", str(error))
    else:
        errors.add(partition.subject, *option_of(partition.initrd if isinstance(error, InitrdError) else partition.kernel), str(error))


def load_plans(appliance, limits, root, output, errors):
    """(path, content) of every partition's plan, from images that have been built."""
    nodes = [image.node for image in appliance.images]
    arch = appliance.board.arch
    for partition in appliance.partitions:
        with open(image_path(partition.kernel, root, output), "rb") as handle:
            kernel = handle.read()
        initrd_size = os.path.getsize(image_path(partition.initrd, root, output)) if partition.initrd else 0
        try:
            placement = place(partition, kernel, kind_of(kernel, arch), initrd_size, arch, limits)
        except ImageError as error:
            blame(errors, partition, error)
            continue
        numbers = [nodes.index(image.node) if image else 0 for image in (partition.kernel, partition.initrd, partition.plan)]
        slots = [channel.slot for channel in appliance.channels if channel.partition is partition]
        yield image_path(partition.plan, root, output), load_plan(partition, placement, numbers, slots, arch, limits)
