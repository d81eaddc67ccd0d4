# SPDX-License-Identifier: Apache-2.0
"""Block maps in bmap-tools' format 2.0: which blocks of an image a device needs, with a checksum for each range of them."""

import hashlib
import re
import xml.etree.ElementTree as xml
from dataclasses import dataclass

BLOCK = 4096
CHECKSUM_PLACE = "0" * 64  # what the file's own checksum is taken with


class Damaged(Exception):
    """Text for people."""


@dataclass
class Range:
    first: int  # blocks, both inclusive
    last: int
    checksum: str = ""


@dataclass
class Map:
    image_size: int
    ranges: list

    @property
    def blocks(self):
        return sum(entry.last - entry.first + 1 for entry in self.ranges)


def merge(extents):
    """Ranges of blocks that cover `extents` (byte offset, length), in order and without overlap."""
    ranges = []
    for offset, length in sorted(extent for extent in extents if extent[1]):
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        if ranges and first <= ranges[-1].last + 1:
            ranges[-1].last = max(ranges[-1].last, last)
        else:
            ranges.append(Range(first, last))
    return ranges


def hash_range(handle, entry, size):
    digest, left = hashlib.sha256(), min((entry.last + 1) * BLOCK, size) - entry.first * BLOCK
    handle.seek(entry.first * BLOCK)
    while left:
        data = handle.read(min(left, 1 << 20))
        if not data:
            raise Damaged("the image is shorter than its block map says")
        digest.update(data)
        left -= len(data)
    return digest.hexdigest()


def write(image, size, extents):
    """The text of the block map for the open file `image`."""
    ranges = merge(extents)
    for entry in ranges:
        entry.checksum = hash_range(image, entry, size)
    mapped = sum(entry.last - entry.first + 1 for entry in ranges)
    lines = [f'        <Range chksum="{e.checksum}"> {e.first if e.first == e.last else f"{e.first}-{e.last}"} </Range>' for e in ranges]
    text = f"""<?xml version="1.0" ?>
<!-- Which blocks of the image a device needs; for `make flash` and bmaptool. -->
<bmap version="2.0">
    <ImageSize> {size} </ImageSize>
    <BlockSize> {BLOCK} </BlockSize>
    <BlocksCount> {-(-size // BLOCK)} </BlocksCount>
    <MappedBlocksCount> {mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> {CHECKSUM_PLACE} </BmapFileChecksum>
    <BlockMap>
{chr(10).join(lines)}
    </BlockMap>
</bmap>
"""
    return text.replace(CHECKSUM_PLACE, hashlib.sha256(text.encode()).hexdigest())


def read(text):
    """The Map, after its own checksum was checked."""
    found = re.search(r"<BmapFileChecksum> *([0-9a-f]{64}) *</", text)
    if not found or hashlib.sha256(text.replace(found[1], CHECKSUM_PLACE).encode()).hexdigest() != found[1]:
        raise Damaged("the block map is damaged: its checksum does not match")
    root = xml.fromstring(text)
    if root.get("version") != "2.0" or int(root.findtext("BlockSize")) != BLOCK or root.findtext("ChecksumType").strip() != "sha256":
        raise Damaged("this block map is not of the kind that `make image` writes")
    ranges = []
    for element in root.find("BlockMap"):
        first, _, last = element.text.strip().partition("-")
        ranges.append(Range(int(first), int(last or first), element.get("chksum")))
    return Map(int(root.findtext("ImageSize")), ranges)
