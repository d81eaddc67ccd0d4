# SPDX-License-Identifier: Apache-2.0
"""Memory: sizes, fixed places, and that all of it fits into the board's RAM together with kernel, log and bundle."""

import os

from ..emit_bundle import image_path

BLOCK = 2 << 20  # the kernel maps and places in these
KERNEL = 8 << 20  # kernel, its pages, the device tree: generous
ESTIMATES = {"management": 4 << 20, "debian": 40 << 20, "busybox": 8 << 20, "busybox-pci": 16 << 20, "plan": 64 << 10}


def mib(size):
    return f"{size >> 20} MiB"


def check(context):
    board = context.appliance.board
    before = len(context.errors.lines)
    check_log(context)
    for partition in context.appliance.partitions:
        check_size(context, partition)
        if partition.memory_base:
            check_place(context, partition)
    check_overlaps(context)
    if len(context.errors.lines) == before:
        check_sum(context, board)


def check_log(context):
    board = context.appliance.board
    if board.log_base % 4096 or not board.ram_base <= board.log_base <= board.ram_base + board.ram_size - board.log_size:
        context.errors.add("board", "LOG_BASE", hex(board.log_base),
                           f"must be a multiple of 4 KiB within RAM ({board.ram_base:#x} to {board.ram_base + board.ram_size:#x})")
    needed = context.limits.LOG_RING_SIZE + 16384
    if board.log_size < needed:
        context.errors.add("board", "LOG_SIZE", hex(board.log_size), f"at least {needed:#x} is needed")


def check_size(context, partition):
    size = partition.memory
    if size <= 0 or size % BLOCK:
        context.errors.add(partition.subject, "MEMORY", size >> 20, "must be an even number of MiB, at least 2; "
                           f"try {max(2, ((size >> 20) + 1) // 2 * 2)}")
    elif size > context.appliance.board.ram_size:
        context.errors.add(partition.subject, "MEMORY", size >> 20,
                           f"board {context.appliance.board.name} has {mib(context.appliance.board.ram_size)}; give it less")
    elif size > getattr(context.limits, "GUEST_MEMORY_END", size):
        context.errors.add(partition.subject, "MEMORY", size >> 20,
                           f"a domain's memory ends below {context.limits.GUEST_MEMORY_END:#x} here; give it {context.limits.GUEST_MEMORY_END >> 20} or less")
    elif partition.kernel.source == "debian" and size < 128 << 20:
        context.errors.add(partition.subject, "MEMORY", size >> 20, "Debian's kernel does not start with that little; give it 128 or more")


def check_place(context, partition):
    board, base, size = context.appliance.board, partition.memory_base, partition.memory
    end = board.ram_base + board.ram_size
    if base % BLOCK:
        context.errors.add(partition.subject, "MEMORY_BASE", hex(base), f"must be a multiple of 2 MiB, such as {base // BLOCK * BLOCK:#x}")
    elif base < board.ram_base or base + size > end:
        context.errors.add(partition.subject, "MEMORY_BASE", hex(base),
                           f"{base:#x} to {base + size:#x} is not all RAM of board {board.name} ({board.ram_base:#x} to {end:#x})")
    elif base < board.log_base + board.log_size and board.log_base < base + size:
        context.errors.add(partition.subject, "MEMORY_BASE", hex(base),
                           f"overlaps the persistent log at {board.log_base:#x}; choose {up(board.log_base + board.log_size):#x} or higher")


def up(address):
    return (address + BLOCK - 1) // BLOCK * BLOCK


def check_overlaps(context):
    placed = sorted((partition for partition in context.appliance.partitions if partition.memory_base), key=lambda p: p.memory_base)
    for index, partition in enumerate(placed):
        for other in placed[:index]:
            if other.memory_base + other.memory > partition.memory_base:
                context.errors.add(partition.subject, "MEMORY_BASE", hex(partition.memory_base),
                                   f"overlaps the memory of {other.subject} ({other.memory_base:#x} to "
                                   f"{other.memory_base + other.memory:#x}); choose {other.memory_base + other.memory:#x} or higher")


def check_sum(context, board):
    kept = KERNEL + board.log_size + sum(image_size(context, image) for image in context.appliance.images)
    given = sum(partition.memory for partition in context.appliance.partitions)
    if given + kept > board.ram_size:
        biggest = max(context.appliance.partitions, key=lambda partition: partition.memory)
        context.errors.add(biggest.subject, "MEMORY", biggest.memory >> 20,
                           f"the partitions together want {mib(given)}, but board {board.name} has {mib(board.ram_size)}, of which kernel and "
                           f"bundle keep {mib(kept)}; take {mib(up(given + kept - board.ram_size))} away from the partitions")


def image_size(context, image):
    try:
        return os.path.getsize(image_path(image, context.root, "/nonexistent"))
    except OSError:
        return ESTIMATES.get(image.source, 1 << 20)
