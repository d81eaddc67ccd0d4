# SPDX-License-Identifier: Apache-2.0
"""Kernel images: what a file is, what of it goes where, and where it is entered. Every offset in a file is checked against it."""

import struct
from dataclasses import dataclass

TREE, LINUX, PVH, MULTIBOOT, FLAT = range(5)  # enum load_protocol of load_plan.h

NAMES = {"arm64": "arm64", "x86": "x86-64"}
MACHINES = {"arm64": 183, "x86": 62}
PACKED = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\x02\x21\x4c\x18": "lz4", b"\x04\x22\x4d\x18": "lz4",
          b"\x5d\0\0": "lzma", b"\x89LZO": "lzop"}
MIB = 1 << 20

# Linux's Documentation/arch/x86/boot.rst; where the header begins
BOOT_HEADER, BOOT_HEADER_END = 0x1F1, 0x290
XLF_KERNEL_64 = 1
# System V ABI, chapters 4 and 5
ELF64, ELF32, DYNAMIC, LOAD, INTERPRETER, NOTE = 2, 1, 3, 1, 3, 4
PVH_ENTRY = 18  # Xen's include/public/elfnote.h
# Multiboot 0.6.96, section 3.1
MULTIBOOT_SEARCH, MULTIBOOT_MAGIC, MULTIBOOT_ADDRESSES, MULTIBOOT_UNKNOWN = 8192, 0x1BADB002, 1 << 16, 0xFFF8
FLAT_BASE = {"arm64": 0, "x86": MIB}  # offset into memory


class ImageError(ValueError):
    """What is wrong with an image, for people."""


@dataclass
class Part:
    start: int  # in the file
    size: int
    to: int  # offset into the domain's memory
    memory_size: int


@dataclass
class Program:
    protocol: int
    entry: int  # offset into the domain's memory
    parts: list
    header: bytes = b""  # LINUX: the setup header, for boot_params
    command_line_max: int = 4095

    @property
    def end(self):
        return max((part.to + part.memory_size for part in self.parts), default=0)


def kinds(arch):
    """What each kind is called."""
    image = "an arm64 Linux Image" if arch == "arm64" else "a bzImage"
    return {"image": image, "elf": f"an ELF file for {NAMES[arch]}", "multiboot": "a file with a Multiboot header", "raw": "a raw binary"}


def kind_of(data, arch):
    """What the first bytes say: image, elf, other-elf, multiboot or raw."""
    if data[:4] == b"\x7fELF" and data[4:6] == b"\x02\x01" and data[18:20] == struct.pack("<H", MACHINES[arch]):
        return "elf"
    if arch == "x86" and data[0x202:0x206] == b"HdrS" and data[0x1FE:0x200] == b"\x55\xaa":
        return "image"
    if arch == "x86" and find_multiboot(data) is not None:
        return "multiboot"
    if data[:4] == b"\x7fELF":
        return "other-elf"
    return "image" if arch == "arm64" and data[56:60] == b"ARM\x64" else "raw"


def field(layout, data, at):
    if at + struct.calcsize(layout) > len(data):
        raise ImageError("it ends in the middle of its header; the file is damaged")
    return struct.unpack_from(layout, data, at)


def read_kernel(data, kind, arch, base, memory):
    """The program in `data`, which is of that kind, for memory at `base` (None: known when it is started) of which it may
    have `memory` bytes. Raises ImageError."""
    for magic, name in PACKED.items():
        if data.startswith(magic):
            raise ImageError(f"it is compressed ({name}); unpack it first")
    if data[4:8] == b"zimg":
        raise ImageError("it is a compressed EFI program; name the Image that is packed in it")
    if kind == "elf":
        program = read_elf(data, arch, base)
    elif kind == "multiboot":
        program = read_multiboot(data, base)
    elif kind == "raw":
        program = Program(FLAT if arch == "x86" else TREE, FLAT_BASE[arch], [Part(0, len(data), FLAT_BASE[arch], len(data))])
    elif arch == "x86":
        program = read_bzimage(data, memory)
    else:
        program = read_arm64_image(data)
    check_parts(program, data, base or 0, memory)
    return program


def check_parts(program, data, base, memory):
    if not program.parts:
        raise ImageError("nothing in it is to be loaded")
    parts = sorted(program.parts, key=lambda part: part.to)
    for part in parts:
        if part.start < 0 or part.size < 0 or part.start + part.size > len(data):
            raise ImageError("a part of it lies behind the end of the file; the file is damaged")
        if part.to < 0 or part.to + part.memory_size > memory:
            raise ImageError(f"it wants memory from {base + part.to:#x} to {base + part.to + part.memory_size:#x}, but has {base:#x} to {base + memory:#x}; "
                             "give the partition more memory, or link it for where that is")
    for one, other in zip(parts, parts[1:]):
        check_overlap([one], other, base, "another part of it")
    if not any(part.to <= program.entry < part.to + part.memory_size for part in parts):
        raise ImageError(f"its entry {base + program.entry:#x} lies in no part of it; the file is damaged")


def check_overlap(parts, other, base, what):
    for part in parts:
        if part.to < other.to + other.memory_size and other.to < part.to + part.memory_size:
            raise ImageError(f"what it wants at {base + part.to:#x} overlaps {what} at {base + other.to:#x}")


def read_bzimage(data, memory):
    """The 64-bit boot protocol: entered 0x200 bytes behind where it is loaded."""
    setup_sectors, = field("<B", data, BOOT_HEADER)
    header_length, = field("<B", data, 0x201)
    version, = field("<H", data, 0x206)
    relocatable, = field("<B", data, 0x234)
    flags, command_line_max = field("<HI", data, 0x236)
    preferred, wanted = field("<QI", data, 0x258)
    start = ((setup_sectors or 4) + 1) * 512
    if version < 0x20C:
        raise ImageError(f"its boot protocol is {version >> 8}.{version & 255}, without an entry in 64-bit mode; name a kernel of Linux 3.8 or later")
    if not flags & XLF_KERNEL_64:
        raise ImageError("it is a 32-bit kernel; name one for x86-64")
    size = len(data) - start
    if size <= 0:
        raise ImageError("it ends before its 64-bit part; the file is damaged")
    wanted = max(wanted, size)
    base = preferred if preferred + wanted <= memory else MIB
    if base != preferred and not relocatable:
        raise ImageError(f"it runs only at {preferred:#x}, where it needs {wanted:#x} bytes; give the partition more memory")
    header = data[BOOT_HEADER:min(0x202 + header_length, BOOT_HEADER_END)]
    return Program(LINUX, base + 0x200, [Part(start, size, base, wanted)], header, min(command_line_max, 4095))


def read_arm64_image(data):
    """Linux's Documentation/arch/arm64/booting.rst"""
    offset, size = field("<QQ", data, 8)
    return Program(TREE, offset, [Part(0, len(data), offset, max(size, len(data)))])


def elf_headers(data, wide):
    """Of the file: type, entry; of each program header: type, offset, physical address, size in the file, in memory."""
    kind, = field("<H", data, 16)
    if wide:
        entry, at = field("<QQ", data, 24)
        size, count = field("<HH", data, 54)
        layout, order = "<IIQQQQQ", (0, 2, 4, 5, 6)
    else:
        entry, at = field("<II", data, 24)
        size, count = field("<HH", data, 42)
        layout, order = "<IIIIII", (0, 1, 3, 4, 5)
    if size < struct.calcsize(layout) or at + size * count > len(data):
        raise ImageError("its program headers lie behind the end of the file; the file is damaged")
    headers = (struct.unpack_from(layout, data, at + size * index) for index in range(count))
    return kind, entry, [tuple(header[index] for index in order) for header in headers]


def elf_parts(headers, base):
    return [Part(offset, size, address - base, memory) for kind, offset, address, size, memory in headers if kind == LOAD and memory]


def read_elf(data, arch, base):
    """By PVH where it has that note; else a native domain, position-independent or linked for where it is loaded."""
    kind, entry, headers = elf_headers(data, True)
    if any(header[0] == INTERPRETER for header in headers):
        raise ImageError("it is a program for an operating system (it names an interpreter); name a kernel")
    if kind == DYNAMIC:
        base = 0
    elif base is None:
        raise ImageError("it is linked for one address, but where it will lie is known only when it is started; link it position-independent")
    if any(size > memory for header, _, _, size, memory in headers if header == LOAD):
        raise ImageError("a part of it is larger in the file than in memory; the file is damaged")
    pvh = find_pvh_entry(data, headers) if arch == "x86" else None
    return Program(TREE if pvh is None else PVH, (entry if pvh is None else pvh) - base, elf_parts(headers, base))


def find_pvh_entry(data, headers):
    for kind, at, _, size, _ in headers:
        end = at + size
        while kind == NOTE and at + 12 <= end <= len(data):
            name_size, value_size, number = struct.unpack_from("<III", data, at)
            value = at + 12 + (name_size + 3 & ~3)
            at = value + (value_size + 3 & ~3)
            if number == PVH_ENTRY and data[value - 4:value] == b"Xen\0" and value_size >= 4 and at <= end:
                return struct.unpack_from("<I", data, value)[0]
    return None


def find_multiboot(data):
    for at in range(0, min(len(data), MULTIBOOT_SEARCH) - 11, 4):
        magic, flags, checksum = struct.unpack_from("<3I", data, at)
        if magic == MULTIBOOT_MAGIC and (magic + flags + checksum) % 2**32 == 0:
            return at
    return None


def read_multiboot(data, base):
    at = find_multiboot(data)
    flags, = field("<I", data, at + 4)
    if flags & MULTIBOOT_UNKNOWN:
        raise ImageError(f"its Multiboot header requires what is not offered (flags {flags & MULTIBOOT_UNKNOWN:#x})")
    if not flags & MULTIBOOT_ADDRESSES:
        if data[:5] != b"\x7fELF\x01":
            raise ImageError("its Multiboot header gives no addresses, and it is no 32-bit ELF file that would")
        _, entry, headers = elf_headers(data, False)
        return Program(MULTIBOOT, entry - base, elf_parts(headers, base))
    header, load, load_end, bss_end, entry = field("<5I", data, at + 12)
    start = at - (header - load)
    if header < load or start < 0 or (load_end and load_end < load) or (bss_end and bss_end < load):
        raise ImageError("the addresses in its Multiboot header contradict each other")
    size = load_end - load if load_end else len(data) - start
    return Program(MULTIBOOT, entry - base, [Part(start, size, load - base, max(size, bss_end - load))])
