# SPDX-License-Identifier: Apache-2.0
"""The EFI system partition: FAT32 by mkfs.fat and mtools, which take every time from SOURCE_DATE_EPOCH."""

import os
import struct
import subprocess


class Failed(Exception):
    """Text for people."""


def _run(*command):
    environment = dict(os.environ, MTOOLSRC="/dev/null", MTOOLS_SKIP_CHECK="1", PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
    environment.setdefault("SOURCE_DATE_EPOCH", "1")
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")


def make(path, size, serial, files):
    """A file system of `size` bytes in the new file `path`. `files`: path in it to a file of this machine."""
    needed = sum(-(-os.path.getsize(source) // 4096) * 4096 for source in files.values())
    if needed > size - (2 << 20):
        raise Failed(f"the EFI system partition of {size >> 20} MiB has no room for {needed} bytes of files; raise IMAGE_ESP_MIB")
    with open(path, "wb") as handle:
        handle.truncate(size)
    _run("mkfs.fat", "--invariant", "-F", "32", "-S", "512", "-s", "1", "-i", f"{serial:08x}", "-n", "BULKHEAD", path)
    folders = {"/".join(name.split("/")[:depth]) for name in files for depth in range(1, name.count("/") + 1)}
    if folders:
        _run("mmd", "-i", path, *(f"::{folder}" for folder in sorted(folders)))
    for name in sorted(files):
        _run("mcopy", "-i", path, files[name], f"::{name}")


def used(data):
    """How many bytes from its start on a FAT32 file system needs: up to the last cluster that belongs to a file."""
    sector, cluster_sectors, reserved, fats = struct.unpack_from("<HBHB", data, 11)
    fat_sectors, = struct.unpack_from("<I", data, 36)
    table = memoryview(data)[reserved * sector:][:fat_sectors * sector].cast("I")
    last = max(index for index, entry in enumerate(table) if entry)
    return (reserved + fats * fat_sectors + (last - 1) * cluster_sectors) * sector
