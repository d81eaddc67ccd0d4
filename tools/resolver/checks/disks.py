# SPDX-License-Identifier: Apache-2.0
"""Virtual disks: what they lie on, and that nobody writes where somebody else reads or writes."""

BLOCK = 4096


def check(context):
    placed = []
    for partition in context.appliance.partitions:
        for disk in partition.disks:
            if check_form(context, partition, disk):
                check_sharing(context, placed, partition, disk)
                placed.append((partition, disk))


def check_form(context, partition, disk):
    before = len(context.errors.lines)
    option = f"DISK{disk.index}"
    if not 0 <= disk.device <= 15:
        context.errors.add(partition.subject, f"{option}_DEVICE", disk.device, "is no physical disk; give its number, 0 to 15")
    if disk.source != "whole" and not disk.label:
        context.errors.add(partition.subject, f"{option}_LABEL", "(empty)",
                           "the disk would have nothing behind it; name the GPT partition, or choose the whole disk")
    if len(disk.label) > 36 or not disk.label.isprintable():
        context.errors.add(partition.subject, f"{option}_LABEL", disk.label, "a GPT partition's name has at most 36 printable characters")
    if not 1 <= len(disk.serial.encode()) <= 19 or not disk.serial.isascii() or not disk.serial.isprintable():
        context.errors.add(partition.subject, f"{option}_SERIAL", disk.serial, "use at most 19 printable ASCII characters")
    for name, value in (("OFFSET", disk.offset), ("SIZE", disk.size)):
        if value % BLOCK:
            context.errors.add(partition.subject, f"{option}_{name}", context.config.text(f"P{partition.index}_{option}_{name}"),
                               f"must be a multiple of 4 KiB, such as {value // BLOCK * BLOCK}")
    return len(context.errors.lines) == before


def extent(disk):
    """First byte and the one after the last; None: up to the end."""
    if disk.source == "region":
        return disk.offset, disk.offset + disk.size if disk.size else None
    return 0, None


def overlap(one, other):
    if one.device != other.device:
        return False
    if "whole" not in (one.source, other.source) and one.label != other.label:
        return False
    if "whole" in (one.source, other.source):
        return True
    (start, end), (other_start, other_end) = extent(one), extent(other)
    return (end is None or other_start < end) and (other_end is None or start < other_end)


def describe(disk):
    if disk.source == "whole":
        return f"physical disk {disk.device}"
    if disk.source == "gpt":
        return f"GPT partition '{disk.label}' of physical disk {disk.device}"
    start, end = extent(disk)
    return f"bytes {start:#x} to {f'{end:#x}' if end else 'the end'} of GPT partition '{disk.label}' of physical disk {disk.device}"


def check_sharing(context, placed, partition, disk):
    for other_partition, other in placed:
        if overlap(disk, other) and not (disk.read_only and other.read_only):
            option, value = {"whole": ("DEVICE", disk.device), "gpt": ("LABEL", disk.label), "region": ("OFFSET", hex(disk.offset))}[disk.source]
            writer = "writes" if not other.read_only else "reads"
            context.errors.add(partition.subject, f"DISK{disk.index}_{option}", value,
                               f"{other_partition.subject} {writer} {describe(other)}, which overlaps it; choose another place, or make both read-only")
            return
