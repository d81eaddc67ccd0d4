# SPDX-License-Identifier: Apache-2.0
"""Images: that the files are there and are what they are said to be."""

import os

from ..emit_bundle import image_path

KINDS = {"image": "an arm64 Linux Image", "elf": "an ELF file for arm64", "raw": "a raw binary"}


def kind_of(path):
    """What the first bytes say: image, elf, other-elf or raw."""
    with open(path, "rb") as handle:
        head = handle.read(64)
    if head[:4] == b"\x7fELF":
        return "elf" if head[4:6] == b"\x02\x01" and head[18:20] == b"\xb7\x00" else "other-elf"
    return "image" if head[56:60] == b"ARM\x64" else "raw"


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
        if not os.path.isfile(os.path.join(context.root, "tests/guests", name + ".c")):
            context.errors.add(partition.subject, "KERNEL_PATH", image.path, f"there is no test guest tests/guests/{name}.c; name one that exists")
        return
    path = readable(context, partition, "KERNEL_PATH", image)
    if not path:
        return
    found = kind_of(path)
    if found == "other-elf":
        context.errors.add(partition.subject, "KERNEL_PATH", image.path, "it is an ELF file for another machine; name one for arm64")
    elif image.kind == "auto":
        if found == "raw":
            context.errors.add(partition.subject, "KERNEL_PATH", image.path,
                               "it is neither an arm64 Linux Image nor an ELF file; choose KERNEL_RAW if it is a raw binary")
    elif found != image.kind:
        context.errors.add(partition.subject, "KERNEL_PATH", image.path, f"it is not {KINDS[image.kind]}: the kernel would take it for {KINDS[found]}; choose KERNEL_{found.upper()}")
