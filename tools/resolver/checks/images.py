# SPDX-License-Identifier: Apache-2.0
"""Images: that the files are there and are what they are said to be."""

import os

from ..emit_bundle import image_path
from ..kernel_image import NAMES, ImageError, kind_of, kinds
from ..load_plan import blame, place


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
    with open(path, "rb") as handle:
        data = handle.read()
    arch = context.appliance.board.arch
    found = kind_of(data, arch)
    known = kinds(arch)
    if found == "other-elf":
        context.errors.add(partition.subject, "KERNEL_PATH", image.path, f"it is an ELF file for another machine; name one for {NAMES[arch]}")
    elif image.kind not in ("auto", found):
        context.errors.add(partition.subject, "KERNEL_PATH", image.path, f"it is not {known[image.kind]}, but {known[found]}; choose KERNEL_{found.upper()}")
    else:
        check_place(context, partition, data, found)


def check_place(context, partition, data, kind):
    """Images that the build makes are looked at again when they are there (load_plans())."""
    initrd = partition.initrd and image_path(partition.initrd, context.root, "")
    try:
        place(partition, data, kind, os.path.getsize(initrd) if initrd and os.path.isfile(initrd) else 0, context.appliance.board.arch, context.limits)
    except ImageError as error:
        blame(context.errors, partition, error)
    else:
        if kind == "raw" and partition.kernel.kind == "auto":
            context.errors.add(partition.subject, "KERNEL_PATH", partition.kernel.path,
                               f"it is neither {kinds(context.appliance.board.arch)['image']} nor an ELF file; choose KERNEL_RAW if it is a raw binary")
