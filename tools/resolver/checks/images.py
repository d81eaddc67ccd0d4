# SPDX-License-Identifier: Apache-2.0
"""Images: that the files are there and are what they are said to be."""

import os
import struct

from ..emit_bundle import image_path

NAMES = {"arm64": "arm64", "x86": "x86-64"}
MACHINES = {"arm64": b"\xb7\x00", "x86": b"\x3e\x00"}
MULTIBOOT_SEARCH = 8192
MULTIBOOT_MAGIC = 0x1BADB002


def kinds(arch):
    """What each kind is called."""
    image = "an arm64 Linux Image" if arch == "arm64" else "a bzImage"
    return {"image": image, "elf": f"an ELF file for {NAMES[arch]}", "multiboot": "a file with a Multiboot header", "raw": "a raw binary"}


def has_multiboot_header(head):
    words = (struct.unpack_from("<3I", head, at) for at in range(0, len(head) - 11, 4))
    return any(magic == MULTIBOOT_MAGIC and (magic + flags + checksum) % 2**32 == 0 for magic, flags, checksum in words)


def kind_of(path, arch):
    """What the first bytes say: image, elf, other-elf, multiboot or raw. In the kernel's order (arch_plan_image)."""
    with open(path, "rb") as handle:
        head = handle.read(MULTIBOOT_SEARCH)
    if head[:4] == b"\x7fELF" and head[4:6] == b"\x02\x01" and head[18:20] == MACHINES[arch]:
        return "elf"
    if arch == "x86" and head[0x202:0x206] == b"HdrS":
        return "image"
    if arch == "x86" and has_multiboot_header(head):
        return "multiboot"
    if head[:4] == b"\x7fELF":
        return "other-elf"
    return "image" if arch == "arm64" and head[56:60] == b"ARM\x64" else "raw"


def check(context):
    for partition in context.appliance.partitions:
        check_kernel(context, partition, partition.kernel)
        if partition.initrd and partition.initrd.source == "file":
            readable(context, partition, "INITRD_PATH", partition.initrd)


def readable(context, partition, option, image):
    """Path of a file image, or None after saying what is wrong with it."""
    if not image.path:
        context.errors.add(partition.subject, option, "(empty)", "name a file")
        return None
    path = image_path(image, context.root, "")
    if not os.path.isfile(path):
        context.errors.add(partition.subject, option, image.path, f"there is no such file ({os.path.abspath(path)}); name one that exists")
        return None
    if os.path.getsize(path) == 0:
        context.errors.add(partition.subject, option, image.path, "the file is empty; name one with an image")
        return None
    if os.path.getsize(path) > partition.memory:
        context.errors.add(partition.subject, option, image.path,
                           f"the file has {os.path.getsize(path)} bytes, more than the partition's memory ({partition.memory >> 20} MiB); give it more")
        return None
    return path


def check_kernel(context, partition, image):
    if image.source != "file":
        return
    if image.path.startswith("guest:"):
        name = image.path.removeprefix("guest:")
        folder = os.path.join(context.root, "tests/guests")
        if not any(os.path.isfile(os.path.join(folder, place, name + ".c")) for place in ("", context.appliance.board.arch)):
            context.errors.add(partition.subject, "KERNEL_PATH", image.path, f"there is no test guest tests/guests/{name}.c; name one that exists")
        return
    path = readable(context, partition, "KERNEL_PATH", image)
    if not path:
        return
    arch = context.appliance.board.arch
    found = kind_of(path, arch)
    known = kinds(arch)
    if found == "other-elf":
        context.errors.add(partition.subject, "KERNEL_PATH", image.path, f"it is an ELF file for another machine; name one for {NAMES[arch]}")
    elif image.kind == "auto":
        if found == "raw":
            context.errors.add(partition.subject, "KERNEL_PATH", image.path,
                               f"it is neither {known['image']} nor an ELF file; choose KERNEL_RAW if it is a raw binary")
    elif found != image.kind:
        context.errors.add(partition.subject, "KERNEL_PATH", image.path, f"it is not {known[image.kind]}: the kernel would take it for {known[found]}; choose KERNEL_{found.upper()}")
