# SPDX-License-Identifier: Apache-2.0
"""A cpio archive (newc) with the same bytes for the same content: sorted, owned by root, no times."""

import stat


class Archive:
    def __init__(self):
        self.entries = {}  # path: (mode, data, device)

    def directory(self, path):
        """Adds a directory and those above it."""
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:depth]), (stat.S_IFDIR | 0o755, b"", (0, 0)))

    def file(self, path, data, mode=0o644):
        self._parent(path)
        self.entries[path.strip("/")] = (stat.S_IFREG | mode, data, (0, 0))

    def link(self, path, target):
        self._parent(path)
        self.entries[path.strip("/")] = (stat.S_IFLNK | 0o777, target.encode(), (0, 0))

    def device(self, path, major, minor, mode=0o600):
        self._parent(path)
        self.entries[path.strip("/")] = (stat.S_IFCHR | mode, b"", (major, minor))

    def _parent(self, path):
        parent = path.strip("/").rpartition("/")[0]
        if parent:
            self.directory(parent)

    def bytes(self):
        out = bytearray()
        entries = sorted(self.entries.items()) + [("TRAILER!!!", (0, b"", (0, 0)))]
        for number, (path, (mode, data, (major, minor))) in enumerate(entries, 1):
            name = path.encode() + b"\0"
            fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name), 0)
            out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
            out += bytes(-len(out) % 4)
            out += data
            out += bytes(-len(out) % 4)
        return bytes(out)
