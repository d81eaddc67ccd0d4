# SPDX-License-Identifier: Apache-2.0
"""Where everything lies on the disk, from .config: ESP, boot slots A and B, state, volumes."""

import uuid
from dataclasses import dataclass, field

from tools.resolver import parse
from tools.resolver.errors import choices

from . import gpt, state

ALIGNMENT = 1 << 20
DISK_MAX = 16 << 40
OWN = ("esp", "boot-a", "boot-b", "state")
VOLUMES_MAX = 120
NAMESPACE = uuid.UUID("0a9f7c52-2f4e-5d0b-9a3c-5b1e7d3f6a10")


@dataclass
class Partition:
    name: str
    kind: uuid.UUID
    size: int  # bytes, like `offset`
    offset: int = 0
    used: int = 0  # of it, by what the image brings


@dataclass
class Layout:
    identity: str  # GUIDs derive from it
    partitions: list = field(default_factory=list)
    size: int = 0

    def __getitem__(self, name):
        return next(partition for partition in self.partitions if partition.name == name)

    def guid(self, name):
        return uuid.uuid5(NAMESPACE, f"{self.identity}\n{name}")

    def tables(self):
        entries = [gpt.Entry(p.name, p.kind, self.guid(f"partition {p.name}"), p.offset // gpt.SECTOR, p.size // gpt.SECTOR)
                   for p in self.partitions]
        return gpt.tables(self.guid("disk"), self.size // gpt.SECTOR, entries)


def volumes(config, errors):
    """[(name, bytes)] of IMAGE_VOLUMES."""
    text, found = config.text("IMAGE_VOLUMES"), []
    for word in text.split():
        name, equals, size = word.partition("=")
        try:
            size = parse.size(size) if equals else 0
        except ValueError as error:
            errors.add(f"volume '{name}'", "IMAGE_VOLUMES", text, f"'{size}' {error}")
            continue
        if not equals or not name or len(name) > gpt.NAME_MAX or not name.isascii() or not name.isprintable():
            errors.add("disk image", "IMAGE_VOLUMES", text, f"'{word}' is no volume; write NAME=SIZE, such as data=1G, a name of at most {gpt.NAME_MAX} characters")
        elif name in OWN or name in (other for other, _ in found):
            errors.add(f"volume '{name}'", "IMAGE_VOLUMES", text, "the name is taken; choose another")
        elif not size or size % ALIGNMENT:
            errors.add(f"volume '{name}'", "IMAGE_VOLUMES", text, f"{size} bytes are no multiple of 1M; choose {max(1, -(-size // ALIGNMENT))}M")
        else:
            found.append((name, size))
    if len(found) > VOLUMES_MAX:
        errors.add("disk image", "IMAGE_VOLUMES", text, f"there are {len(found)} volumes; at most {VOLUMES_MAX} are possible")
    return found


def check_labels(appliance, names, errors):
    """What partitions look for on the first disk has to be there, unless the image brings no volumes at all."""
    for partition in appliance.partitions:
        for disk in partition.disks:
            if disk.device or not names:
                continue
            if disk.source == "whole":
                errors.add(partition.subject, f"DISK{disk.index}", "the whole disk", "the kernel and the state lie on that disk too; choose a GPT partition of it")
            elif disk.label in OWN:
                errors.add(partition.subject, f"DISK{disk.index}_LABEL", disk.label, f"is the appliance's own; choose {choices(names)}")
            elif disk.label not in names:
                errors.add(partition.subject, f"DISK{disk.index}_LABEL", disk.label, f"the image has no such volume; choose {choices(names)}, or add it to IMAGE_VOLUMES")


def lay_out(config, version, found):
    with open(config.path, encoding="utf-8") as handle:
        layout = Layout(f"{version}\n{handle.read()}")
    slot = config.number("IMAGE_SLOT_MIB") << 20
    layout.partitions = [
        Partition("esp", gpt.ESP, config.number("IMAGE_ESP_MIB") << 20), Partition("boot-a", gpt.BOOT_SLOT, slot),
        Partition("boot-b", gpt.BOOT_SLOT, slot), Partition("state", gpt.STATE, state.PARTITION_BYTES),
        *(Partition(name, gpt.LINUX_DATA, size) for name, size in found)]
    at = ALIGNMENT
    for partition in layout.partitions:
        partition.offset = at
        at += partition.size
    layout.size = at + ALIGNMENT
    return layout
