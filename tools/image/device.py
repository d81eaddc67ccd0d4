# SPDX-License-Identifier: Apache-2.0
"""What this machine (Linux) knows of a block device, and why it must not be overwritten."""

import os
import stat
from dataclasses import dataclass, field

HOST = ("/", "/boot", "/boot/efi", "/usr", "/var", "/home")


class Refused(Exception):
    """Text for people."""


@dataclass
class Facts:
    path: str
    name: str  # the kernel's: sdb, mmcblk0
    size: int = 0  # bytes
    model: str = ""
    removable: bool = False
    read_only: bool = False
    block: int = 512
    whole: str = ""  # the disk that it is a partition of
    partitions: list = field(default_factory=list)  # names
    users: list = field(default_factory=list)  # (name of disk or partition, what uses it)


class Machine:
    """Where the facts come from; tests give it folders of their own."""

    def __init__(self, sys="/sys", proc="/proc", number=None):
        self.sys, self.proc = sys, proc
        self.number = number or self._number

    @staticmethod
    def _number(path):
        """'8:16' of the device that `path` names."""
        try:
            status = os.stat(path)
        except OSError as error:
            raise Refused(f"{path}: {error.strerror}; `lsblk` lists the devices that are there") from None
        if not stat.S_ISBLK(status.st_mode):
            raise Refused(f"{path} is no block device; name a whole disk such as /dev/sdb or /dev/mmcblk0")
        return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"

    def _read(self, *parts, otherwise=""):
        try:
            with open(os.path.join(*parts), encoding="utf-8", errors="replace") as handle:
                return handle.read().strip()
        except OSError:
            return otherwise

    def _mounts(self):
        """[(device number, source, mount point)]"""
        found = []
        for line in self._read(self.proc, "self/mountinfo").splitlines():
            before, _, after = line.partition(" - ")
            found.append((before.split()[2], after.split()[1], before.split()[4].replace("\\040", " ")))
        return found

    def _users(self, folder, name):
        """What uses one disk or partition."""
        number = self._read(folder, "dev")
        for mounted, source, point in self._mounts():
            if number == mounted or source == f"/dev/{name}":
                yield f"is mounted at {point}"
        for line in self._read(self.proc, "swaps").splitlines()[1:]:
            if line.split()[0] == f"/dev/{name}":
                yield "is swap space in use"
        holders = os.path.join(folder, "holders")
        for holder in sorted(os.listdir(holders)) if os.path.isdir(holders) else []:
            mapped = self._read(holders, holder, "dm/name")
            what = f"LVM, encryption or device mapper ({mapped})" if mapped else f"RAID or another driver ({holder})"
            yield f"belongs to {what}{self._above(os.path.realpath(os.path.join(holders, holder)))}"

    def _above(self, folder):
        """What a holder is mounted at, itself or through further holders."""
        number = self._read(folder, "dev")
        for mounted, _, point in self._mounts():
            if number == mounted:
                return f", mounted at {point}"
        holders = os.path.join(folder, "holders")
        for holder in sorted(os.listdir(holders)) if os.path.isdir(holders) else []:
            text = self._above(os.path.realpath(os.path.join(holders, holder)))
            if text:
                return text
        return ""

    def inspect(self, path):
        folder = os.path.realpath(os.path.join(self.sys, "dev/block", self.number(path)))
        if not os.path.isdir(folder):
            raise Refused(f"{path}: this machine's kernel tells nothing about it")
        name = os.path.basename(folder)
        facts = Facts(path, name, int(self._read(folder, "size", otherwise="0")) * 512)
        if os.path.exists(os.path.join(folder, "partition")):
            facts.whole = os.path.basename(os.path.dirname(folder))
            return facts
        words = [self._read(folder, "device", word) for word in ("vendor", "model", "name")]
        facts.model = " ".join(word for word in words if word) or self._read(folder, "loop/backing_file") or "unknown model"
        facts.removable = self._read(folder, "removable") == "1"
        facts.read_only = self._read(folder, "ro") == "1"
        facts.block = int(self._read(folder, "queue/logical_block_size", otherwise="512"))
        facts.partitions = sorted(entry for entry in os.listdir(folder) if os.path.exists(os.path.join(folder, entry, "partition")))
        for part in [name, *facts.partitions]:
            inside = folder if part == name else os.path.join(folder, part)
            facts.users += [(part, use) for use in self._users(inside, part)]
        return facts


def runs_the_host(facts):
    return any(use.endswith(f" at {point}") for _, use in facts.users for point in HOST)


def check(facts, needed):
    """Raises Refused unless `facts` is of a whole, idle disk with room for `needed` bytes."""
    if facts.whole:
        raise Refused(f"{facts.path} is a partition of {facts.whole}; the image has partitions of its own: name the whole disk, /dev/{facts.whole}")
    uses = "".join(f"\n    {name} {use}" for name, use in facts.users)
    if runs_the_host(facts):
        raise Refused(f"{facts.path} is the disk that this machine runs from:{uses}")
    if facts.users:
        raise Refused(f"{facts.path} is in use:{uses}\n  Unmount it, or take it out of use, and try again.")
    if facts.read_only:
        raise Refused(f"{facts.path} is write-protected")
    if facts.block != 512:
        raise Refused(f"{facts.path} has blocks of {facts.block} bytes; the image is for disks with blocks of 512")
    if facts.size < needed:
        raise Refused(f"{facts.path} is too small: it has {facts.size} bytes, the image needs {needed}")
