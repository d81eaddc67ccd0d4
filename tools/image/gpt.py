# SPDX-License-Identifier: Apache-2.0
"""Writes GUID partition tables (UEFI 2.10, section 5.3) for disks with blocks of 512 bytes."""

import struct
import uuid
import zlib
from dataclasses import dataclass

SECTOR = 512
ENTRIES = 128
ENTRY = struct.Struct("<16s16sQQQ72s")
HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
TABLE_SECTORS = ENTRIES * ENTRY.size // SECTOR
FIRST_USABLE = 2 + TABLE_SECTORS
BACKUP_SECTORS = 1 + TABLE_SECTORS  # at the end of the disk: entries, then the header
NAME_MAX = 36

ESP = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
LINUX_DATA = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
# Our own, so that no other system takes them for something it should mount or format.
BOOT_SLOT = uuid.UUID("6c0f6f1e-6a63-4d4b-9f5e-0b1c7a0ab001")
STATE = uuid.UUID("6c0f6f1e-6a63-4d4b-9f5e-0b1c7a0ab002")


@dataclass
class Entry:
    name: str
    kind: uuid.UUID
    guid: uuid.UUID
    first: int  # sectors
    sectors: int

    def pack(self):
        return ENTRY.pack(self.kind.bytes_le, self.guid.bytes_le, self.first, self.first + self.sectors - 1, 0, self.name.encode("utf-16-le"))


def protective_mbr(sectors):
    """One partition of type 0xEE over the whole disk, as far as 32 bits can say."""
    entry = struct.pack("<B3sB3sII", 0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, min(sectors - 1, 0xFFFFFFFF))
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def _header(disk_guid, sectors, table, lba, alternate, entries_at):
    def pack(crc):
        return HEADER.pack(b"EFI PART", 0x10000, HEADER.size, crc, 0, lba, alternate, FIRST_USABLE, sectors - BACKUP_SECTORS - 1,
                           disk_guid.bytes_le, entries_at, ENTRIES, ENTRY.size, zlib.crc32(table))
    return pack(zlib.crc32(pack(0))).ljust(SECTOR, b"\0")


def _table(entries):
    return b"".join(entry.pack() for entry in entries).ljust(ENTRIES * ENTRY.size, b"\0")


def tables(disk_guid, sectors, entries):
    """(bytes for the start of the disk, bytes for its end)."""
    table = _table(entries)
    start = protective_mbr(sectors) + _header(disk_guid, sectors, table, 1, sectors - 1, 2) + table
    return start, table + _header(disk_guid, sectors, table, sectors - 1, 1, sectors - BACKUP_SECTORS)


def resized(start, sectors):
    """The same for the same partitions on a disk of `sectors`, from the first bytes of the one that has them."""
    fields = HEADER.unpack_from(start, SECTOR)
    if fields[0] != b"EFI PART":
        raise ValueError("no GPT at its start")
    entries = []
    for index in range(ENTRIES):
        kind, guid, first, last, _, name = ENTRY.unpack_from(start, 2 * SECTOR + index * ENTRY.size)
        if any(kind):
            entries.append(Entry(name.decode("utf-16-le").rstrip("\0"), uuid.UUID(bytes_le=kind), uuid.UUID(bytes_le=guid), first, last - first + 1))
    return tables(uuid.UUID(bytes_le=fields[9]), sectors, entries)
