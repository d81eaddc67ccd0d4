# SPDX-License-Identifier: Apache-2.0
"""All that was written to a disk, in its order, and what may be left of that when the power goes.

QEMU's driver blklogwrites keeps it in the format of Linux's dm-log-writes (include/linux/dm-log-writes, drivers/md/dm-log-writes.c):
a super block, then entries, each a header of one sector and its data."""

import random
import struct
from dataclasses import dataclass

SECTOR = 512
SUPER = struct.Struct("<QQQI")
MAGIC = 0x6A736677736872
ENTRY = struct.Struct("<QQQQ")
FLUSH, FUA, DISCARD = 1, 2, 4


@dataclass(frozen=True)
class Write:
    first: int  # sector
    data: bytes
    flush: bool  # what came before it is stable
    stable: bool  # and so is it
    end: int  # in the log


def read_log(path):
    log = path.read_bytes()
    magic, version, _, size = SUPER.unpack_from(log)
    assert magic == MAGIC and version == 1 and size == SECTOR
    at, found = SECTOR, []
    while at < len(log):
        first, sectors, flags, _ = ENTRY.unpack_from(log, at)
        at += SECTOR
        data = b"" if flags & DISCARD else log[at:at + sectors * SECTOR]
        assert len(data) == (0 if flags & DISCARD else sectors * SECTOR)
        at += len(data)
        found.append(Write(first, data, bool(flags & FLUSH), bool(flags & FUA), at))
    return found


def lost(writes, cut, kept, seed=0):
    """[(sector, data)] that a disk with a cache holds if the power goes after `cut` writes: what was flushed, and of the rest
    what `kept` says: "all", "none", or "some", which is any sectors of it."""
    flushed = max((n + 1 for n in range(cut) if writes[n].flush), default=0)
    chance = random.Random(seed)
    for number, write in enumerate(writes[:cut]):
        if number < flushed or write.stable or kept == "all":
            yield write.first, write.data
        elif kept == "some":
            for at in range(0, len(write.data), SECTOR):
                if chance.random() < 0.5:
                    yield write.first + at // SECTOR, write.data[at:at + SECTOR]


def cuts(writes, begin, is_bulk):
    """[(cut, kept)]: every different one from write `begin` on, in two lists: those whose last write is_bulk(), and all others."""
    bulk, others = [], []
    for cut in range(begin, len(writes) + 1):
        last = writes[cut - 1] if cut else None
        where = bulk if last and is_bulk(last) else others
        if last and not last.data:  # a flush alone: what was in the cache is stable now, as if all had been kept
            continue
        where.append((cut, "all"))
        if last and not last.stable:
            where.append((cut, "some"))
            if cut == len(writes) or writes[cut].flush:
                where.append((cut, "none"))
    return bulk, others
