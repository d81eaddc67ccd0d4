# SPDX-License-Identifier: Apache-2.0
"""python3 -m tools.image.flash --image FILE.img DEVICE: writes a disk image (with its FILE.img.bmap) to a device, after saying
what the device is and asking, and reads it back. `make flash DEV=/dev/...` calls this."""

import argparse
import errno
import fcntl
import hashlib
import json
import os
import subprocess
import sys

from . import bmap, gpt
from .device import Machine, Refused, check

CHUNK = 4 << 20
BLKRRPART, BLKFLSBUF = 0x125F, 0x1261


def human(size):
    for unit, power in (("TB", 12), ("GB", 9), ("MB", 6)):
        if size >= 10 ** power:
            return f"{size / 10 ** power:.1f} {unit}"
    return f"{size} bytes"


def describe(facts, contents):
    lines = [f"  {facts.path}: {facts.model}, {human(facts.size)}{', removable' if facts.removable else ''}"]
    if contents:
        lines += ["  On it now, and lost afterwards:", *(f"    {line}" for line in contents)]
    elif facts.partitions:
        lines.append(f"  On it now, and lost afterwards: the partitions {', '.join(facts.partitions)}")
    else:
        lines.append("  It has no partitions that this machine knows of.")
    return "\n".join(lines)


def contents_of(path):
    """What lsblk says of it and its partitions, for people."""
    try:
        done = subprocess.run(["lsblk", "--json", "--output", "NAME,SIZE,FSTYPE,PARTLABEL,LABEL", path], capture_output=True, text=True, timeout=20)
        disks = json.loads(done.stdout)["blockdevices"]
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return []
    found = [entry for disk in disks for entry in [disk] * bool(disk.get("fstype")) + disk.get("children", [])]
    return [" ".join(entry[key] for key in ("name", "size", "fstype", "partlabel", "label") if entry.get(key)) for entry in found]


class Bar:
    """A line on a terminal that fills; elsewhere a line for each quarter."""

    def __init__(self, what, total, out):
        self.what, self.total, self.out, self.done, self.shown = what, total, out, 0, None

    def add(self, count):
        self.done += count
        percent = self.done * 100 // max(self.total, 1)
        if self.out.isatty():
            text = f"\r  {self.what} [{'#' * (percent // 4):<25}] {percent:3}%  {human(self.done)} of {human(self.total)} "
        else:
            text = f"  {self.what} {percent // 25 * 25:3}%\n"
        if text != self.shown:
            self.out.write(text)
            self.out.flush()
            self.shown = text
        if self.done >= self.total and self.out.isatty():
            self.out.write("\n")


def pieces(entry, size):
    """(offset, length) of a range of blocks, in pieces."""
    at, end = entry.first * bmap.BLOCK, min((entry.last + 1) * bmap.BLOCK, size)
    while at < end:
        yield at, min(CHUNK, end - at)
        at += CHUNK


def copy(image, device, block_map, bar):
    for entry in block_map.ranges:
        digest = hashlib.sha256()
        for at, length in pieces(entry, block_map.image_size):
            data = os.pread(image, length, at)
            digest.update(data)
            written = 0
            while written < len(data):
                written += os.pwrite(device, data[written:], at + written)
            bar.add(len(data))
        if digest.hexdigest() != entry.checksum:
            raise bmap.Damaged(f"the image is damaged in its blocks {entry.first} to {entry.last}: the device now holds a part of it and will not boot; "
                               "make the image again and flash again")
    os.fsync(device)


def verify(device, block_map, bar):
    for entry in block_map.ranges:
        digest = hashlib.sha256()
        for at, length in pieces(entry, block_map.image_size):
            digest.update(os.pread(device, length, at))
            bar.add(length)
        if digest.hexdigest() != entry.checksum:
            raise bmap.Damaged(f"what was read back of the blocks {entry.first} to {entry.last} is not what was written: the device is broken or not as "
                               "large as it says; use another one")


def fit_to_device(device, image_size, size):
    """The backup partition table goes to the end of a larger device, where it is looked for."""
    size -= size % gpt.SECTOR
    if size == image_size:
        return
    start, end = gpt.resized(os.pread(device, 2 * gpt.SECTOR + gpt.TABLE_SECTORS * gpt.SECTOR, 0), size // gpt.SECTOR)
    os.pwrite(device, end, size - len(end))
    os.fsync(device)  # a whole table is there at any time
    os.pwrite(device, start, 0)
    old = image_size - gpt.BACKUP_SECTORS * gpt.SECTOR
    os.pwrite(device, bytes(min(image_size, size - len(end)) - old), old)
    os.fsync(device)


def forget_cache(device):
    """So that what is verified is read from the device."""
    os.posix_fadvise(device, 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        fcntl.ioctl(device, BLKFLSBUF)
    except OSError:
        pass  # no block device, or not root: the advice has to do


def reread_partitions(device):
    try:
        fcntl.ioctl(device, BLKRRPART)
    except OSError:
        pass  # this machine sees them when the device is plugged in again


def flash(image_path, path, machine, answer, out, contents=contents_of):
    """`answer(question)`: what the operator says. Raises Refused or Damaged."""
    try:
        image = os.open(image_path, os.O_RDONLY)
        with open(image_path + ".bmap", encoding="utf-8") as handle:
            block_map = bmap.read(handle.read())
    except FileNotFoundError as error:
        raise Refused(f"{error.filename} is not there; `make image` makes it") from None
    if os.fstat(image).st_size != block_map.image_size:
        raise bmap.Damaged(f"{image_path} has {os.fstat(image).st_size} bytes, its block map says {block_map.image_size}; `make image` makes both")
    facts = machine.inspect(path)
    check(facts, block_map.image_size)
    out.write(f"{describe(facts, contents(path))}\n")
    if answer(f"  To overwrite all of it, type its name ({facts.name}): ").strip() != facts.name:
        raise Refused("not confirmed; nothing was written")
    try:
        device = os.open(path, os.O_RDWR | os.O_EXCL)
    except OSError as error:
        why = "another program has it open" if error.errno == errno.EBUSY else error.strerror
        raise Refused(f"{path} cannot be written: {why}{'; run this as root' if error.errno == errno.EACCES else ''}") from None
    again = machine.inspect(path)  # it may have been mounted while the question stood there
    check(again, block_map.image_size)
    if (again.name, again.size, again.model) != (facts.name, facts.size, facts.model):
        raise Refused(f"{path} is another device now; nothing was written")
    total = block_map.blocks * bmap.BLOCK
    try:
        copy(image, device, block_map, Bar("writing  ", total, out))
        forget_cache(device)
        verify(device, block_map, Bar("verifying", total, out))
        fit_to_device(device, block_map.image_size, facts.size)
        reread_partitions(device)
    except OSError as error:
        raise bmap.Damaged(f"{path}: {error.strerror} after a part of it was written; it will not boot") from None
    finally:
        os.close(device)
    out.write(f"  Done: {human(total)} written and verified. {path} can be taken out.\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("device", metavar="DEVICE")
    parser.add_argument("--image", required=True, metavar="FILE")
    parser.add_argument("--confirm", metavar="NAME", help="the answer, for scripts: the device's name without /dev/")
    arguments = parser.parse_args()

    def answer(question):
        if arguments.confirm is not None:
            return arguments.confirm
        if not sys.stdin.isatty():
            raise Refused("there is no terminal to ask on; CONFIRM=NAME answers with the device's name")
        return input(question)

    try:
        flash(arguments.image, arguments.device, Machine(), answer, sys.stdout)
    except (Refused, bmap.Damaged) as error:
        sys.exit(f"make flash: {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit("\nmake flash: interrupted; if writing had begun, the device will not boot")


if __name__ == "__main__":
    main()
