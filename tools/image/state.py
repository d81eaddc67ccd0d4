# SPDX-License-Identifier: Apache-2.0
"""The partition "state" as a new appliance has it: the twin of storage/slots.c and storage/state_format.c.

python3 -m tools.image.state FILE [OFFSET]: shows what a state partition (or the one at byte OFFSET of a disk) holds."""

import re
import struct
import sys
import zlib
from dataclasses import dataclass

SLOTS_OFFSET, SLOTS_BACKUP_OFFSET = 0x800, 0x1800
FIRST_BANK, BANKS, BANK_BYTES, HEADER_BYTES = 0x10000, 3, 0x10000, 4096
VALUES_BYTES = BANK_BYTES - HEADER_BYTES
VALUE_MAX = 16384
KEPT = 1
# Versions of U-Boot write the backup of the slot record to a wrong place, which has to lie in the partition: sector 0x1000 + 4.
PARTITION_BYTES = 4 << 20

HEADER = struct.Struct("<8sQII")
RECORD = struct.Struct("<4sIBB2s8s8s")


@dataclass
class Slot:
    priority: int = 0
    tries: int = 0
    successful: bool = False
    corrupted: bool = False


def confirmed(priority):
    return Slot(priority, 7, True)


def slot_record(slots, last=""):
    info = b"".join(bytes([slot.priority | slot.tries << 4 | slot.successful << 7, int(slot.corrupted)]) for slot in slots)
    record = RECORD.pack(last.encode(), 0x42414342, 1, len(slots), b"", info, b"")
    return record + struct.pack("<I", zlib.crc32(record))


def read_slot_record(record):
    """The slots, or None where it is not whole."""
    last, magic, version, count, _, info, _ = RECORD.unpack_from(record)
    if struct.unpack_from("<I", record, RECORD.size)[0] != zlib.crc32(record[:RECORD.size]) or magic != 0x42414342 or version > 1 or count & 7 != 2:
        return None
    return [Slot(low & 15, low >> 4 & 7, bool(low & 128), bool(high & 1)) for low, high in (info[0:2], info[2:4])]


def pack_values(values):
    """`values`: name to bytes, or to (bytes, flags)."""
    packed = b""
    for name in sorted(values, key=str.encode):
        value, flags = values[name] if isinstance(values[name], tuple) else (values[name], 0)
        if not re.fullmatch(r"[a-z0-9.-]{1,31}", name):
            raise ValueError(f"'{name}' is no name of a value: a-z, 0-9, . and -, at most 31")
        if len(value) > VALUE_MAX:
            raise ValueError(f"'{name}' has {len(value)} bytes; at most {VALUE_MAX} are possible")
        packed += struct.pack("<BBH", len(name), flags, len(value)) + name.encode() + value
    if len(packed) > VALUES_BYTES:
        raise ValueError(f"the values have {len(packed)} bytes; there is room for {VALUES_BYTES}")
    return packed


def unpack_values(packed):
    values, at, before = {}, 0, ""
    while at < len(packed):
        length, flags, size = struct.unpack_from("<BBH", packed, at)
        name = packed[at + 4:at + 4 + length].decode()
        if not re.fullmatch(r"[a-z0-9.-]{1,31}", name) or name <= before or at + 4 + length + size > len(packed):
            raise ValueError("malformed values")
        values[name] = (packed[at + 4 + length:at + 4 + length + size], flags)
        at, before = at + 4 + length + size, name
    return values


def bank(values, sequence):
    packed = pack_values(values)
    header = HEADER.pack(b"BHSTATE1", sequence, len(packed), zlib.crc32(packed))
    return (header + struct.pack("<I", zlib.crc32(header))).ljust(HEADER_BYTES, b"\0") + packed.ljust(VALUES_BYTES, b"\0")


def read_bank(data):
    """(sequence, values), or None where it is not whole."""
    magic, sequence, length, crc = HEADER.unpack_from(data)
    if magic != b"BHSTATE1" or struct.unpack_from("<I", data, HEADER.size)[0] != zlib.crc32(data[:HEADER.size]) or length > VALUES_BYTES:
        return None
    packed = data[HEADER_BYTES:HEADER_BYTES + length]
    return (sequence, unpack_values(packed)) if zlib.crc32(packed) == crc else None


def partition(slots, values):
    """All bytes of a new one. Every bank holds the same, so that none of a disk's earlier life can be the newer one."""
    data = bytearray(PARTITION_BYTES)
    for offset in (SLOTS_OFFSET, SLOTS_BACKUP_OFFSET):
        data[offset:offset + 32] = slot_record(slots)
    for index in range(BANKS):
        at = FIRST_BANK + index * BANK_BYTES
        data[at:at + BANK_BYTES] = bank(values, 1)
    return bytes(data)


def main():
    with open(sys.argv[1], "rb") as handle:
        handle.seek(int(sys.argv[2], 0) if len(sys.argv) > 2 else 0)
        data = handle.read(FIRST_BANK + BANKS * BANK_BYTES)
    for name, offset in (("slots", SLOTS_OFFSET), ("slots, backup", SLOTS_BACKUP_OFFSET)):
        slots = read_slot_record(data[offset:offset + 32])
        print(f"{name}: " + ("damaged" if slots is None else "; ".join(f"{letter}: {slot}" for letter, slot in zip("AB", slots))))
    banks = [read_bank(data[FIRST_BANK + i * BANK_BYTES:][:BANK_BYTES]) for i in range(BANKS)]
    for index, found in enumerate(banks):
        print(f"bank {index}: " + (f"sequence {found[0]}, {len(found[1])} values" if found else "not whole"))
    for name, (value, flags) in sorted(max((b for b in banks if b), key=lambda b: b[0], default=(0, {}))[1].items()):
        print(f"  {name}{' (kept)' * (flags & KEPT)}: {value[:60]!r}")


if __name__ == "__main__":
    main()
