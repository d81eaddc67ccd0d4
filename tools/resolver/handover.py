# SPDX-License-Identifier: Apache-2.0
"""What a guest on x86-64 is handed by its boot protocol: Linux's boot_params (Documentation/arch/x86/boot.rst, zero-page.rst),
PVH's start information (Xen's include/public/arch-x86/hvm/start_info.h), Multiboot's (0.6.96, section 3.3); then its command line
and ACPI tables. It lies behind the kernel's own part of the description (guest_map.h)."""

import struct

from .acpi import MIB, acpi_tables
from .kernel_image import BOOT_HEADER, LINUX, MULTIBOOT

COMMAND_LINE = 0x1000  # behind GUEST_DESCRIPTION_BOOT
ACPI = 0x2000
LOW_MEMORY_END = 0xA0000
RAM, RESERVED, ACPI_MEMORY = 1, 2, 3  # ACPI 6.5, table 15-4
RESET_ENTRY = 0xFFFF0


def reset_code(limits):
    """Where a PC's CPU starts after a reset, F000:FFF0: Linux goes there when hardware-reduced ACPI has made it believe in a
    reset by EFI (arch/x86/kernel/reboot.c). It asks for that reset: mov dx, mov al, out, and hlt for ever."""
    return struct.pack("<BHBBB", 0xBA, limits.GUEST_PORT_RESET, 0xB0, limits.GUEST_RESET_VALUE, 0xEE) + b"\xf4\xeb\xfd"


def memory_map(base, end, limits):
    """(base, size, kind); the last, or Linux does not use the configuration space there"""
    return ((0, LOW_MEMORY_END, RAM), (MIB, base - MIB, RAM), (base, end - base, ACPI_MEMORY), (limits.GUEST_PCI_ECAM, MIB, RESERVED))


def boot_params(header, base, at, placement, ranges, limits):
    """The zero page: the setup header as in the file, and what a loader fills in."""
    page = bytearray(4096)
    struct.pack_into("<Q", page, 0x70, at + ACPI)
    page[0x1E8] = len(ranges)
    page[BOOT_HEADER:BOOT_HEADER + len(header)] = header
    struct.pack_into("<H", page, 0x1FA, 0xFFFF)  # vid_mode: normal
    page[0x210] = 0xFF  # type_of_loader: none that has a number
    struct.pack_into("<II", page, 0x218, placement.initrd, placement.initrd_size)
    struct.pack_into("<I", page, 0x228, at + COMMAND_LINE)
    struct.pack_into("<Q", page, 0x250, base + limits.GUEST_DESCRIPTION_SEED)
    for index, entry in enumerate(ranges):
        struct.pack_into("<QQI", page, 0x2D0 + index * 20, *entry)
    return bytes(page)


def pvh_start_info(at, placement, ranges):
    module, memory = at + 56, at + 88
    info = struct.pack("<IIIIQQQQII", 0x336EC578, 1, 0, 1 if placement.initrd_size else 0, module, at + COMMAND_LINE, at + ACPI, memory, len(ranges), 0)
    return info + struct.pack("<QQQQ", placement.initrd, placement.initrd_size, 0, 0) + b"".join(struct.pack("<QQII", *entry, 0) for entry in ranges)


def multiboot_information(at, base, placement, ranges):
    module, memory = at + 52, at + 68
    initrd = placement.initrd
    flags = 1 | 1 << 2 | 1 << 3 | 1 << 6  # memory, command line, modules, memory map
    info = struct.pack("<13I", flags, LOW_MEMORY_END // 1024, (base - MIB) // 1024, 0, at + COMMAND_LINE, 1 if placement.initrd_size else 0, module,
                       0, 0, 0, 0, 24 * len(ranges), memory)
    return info + struct.pack("<4I", initrd, initrd + placement.initrd_size, 0, 0) + b"".join(struct.pack("<IQQI", 20, *entry) for entry in ranges)


def handover(partition, placement, slots, limits):
    """From GUEST_DESCRIPTION_BOOT on."""
    base = partition.memory - limits.LOAD_DESCRIPTION_SIZE
    at = base + limits.GUEST_DESCRIPTION_BOOT
    ranges = memory_map(base, partition.memory, limits)
    program = placement.program
    if program.protocol == LINUX:
        start = boot_params(program.header, base, at, placement, ranges, limits)
    elif program.protocol == MULTIBOOT:
        start = multiboot_information(at, base, placement, ranges)
    else:
        start = pvh_start_info(at, placement, ranges)
    line = partition.command_line.encode() + b"\0"
    tables = acpi_tables(partition, slots, at + ACPI, limits)
    assert len(start) <= COMMAND_LINE and len(line) <= ACPI - COMMAND_LINE
    assert len(tables) <= limits.LOAD_DESCRIPTION_SIZE - limits.GUEST_DESCRIPTION_BOOT - ACPI
    return start.ljust(COMMAND_LINE, b"\0") + line.ljust(ACPI - COMMAND_LINE, b"\0") + tables
