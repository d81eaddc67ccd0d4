#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the guests' initramfs: busybox, modules of Debian's kernel, and what tests/guests/linux has for inside a guest."""

import argparse
import os

from cpio import Archive
from modules import Modules

# Beside the lists in tests/guests/linux/modules*: a file system for the guests' disks, VLANs for trunk ports.
EXTRA = ("crc32c_generic", "ext4", "8021q")


def wanted_modules(paths):
    """The names in lists of module paths."""
    names = []
    for path in paths:
        with open(path, encoding="utf-8") as handle:
            names += [os.path.basename(line.strip()).removesuffix(".ko") for line in handle if line.strip()]
    return [name.replace("-", "_") for name in names] + list(EXTRA)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", required=True, help="unpacked kernel package")
    parser.add_argument("--busybox", required=True, help="unpacked busybox-static package")
    parser.add_argument("--content", required=True, help="folder with init and udhcpc.sh")
    parser.add_argument("--modules", action="append", required=True, help="a list of modules")
    parser.add_argument("--tool", action="append", default=[], help="a program for /bin")
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()

    archive = Archive()

    def add(path, source, mode):
        with open(source, "rb") as handle:
            archive.file(path, handle.read(), mode)

    for name in ("bin", "dev", "etc", "mnt", "modules", "proc", "run", "sys", "tmp"):
        archive.directory(name)
    archive.device("dev/console", 5, 1)
    archive.device("dev/null", 1, 3, 0o666)
    add("bin/busybox", os.path.join(arguments.busybox, "usr/bin/busybox"), 0o755)
    archive.link("bin/sh", "busybox")
    add("init", os.path.join(arguments.content, "init"), 0o755)
    add("etc/udhcpc.sh", os.path.join(arguments.content, "udhcpc.sh"), 0o755)
    for path in arguments.tool:
        add("bin/" + os.path.basename(path), path, 0o755)
    order = []
    for name, data in Modules(arguments.kernel).in_order(wanted_modules(arguments.modules)):
        archive.file(f"modules/{name}.ko", data)
        order.append(name)
    archive.file("modules/order", ("\n".join(order) + "\n").encode())
    with open(arguments.output + ".new", "wb") as handle:
        handle.write(archive.bytes())
    os.replace(arguments.output + ".new", arguments.output)


main()
