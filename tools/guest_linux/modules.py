# SPDX-License-Identifier: Apache-2.0
"""Kernel modules of an unpacked Debian package: finds them by name, with what they depend on, in insmod order."""

import lzma
import os
import re


class Modules:
    def __init__(self, package):
        self.paths = {}
        for folder, _, files in os.walk(os.path.join(package, "usr/lib/modules")):
            for file in files:
                match = re.fullmatch(r"(.+)\.ko(?:\.xz)?", file)
                if match:
                    self.paths[match[1].replace("-", "_")] = os.path.join(folder, file)

    def read(self, name):
        with open(self.paths[name], "rb") as handle:
            data = handle.read()
        return lzma.decompress(data) if self.paths[name].endswith(".xz") else data

    def in_order(self, wanted):
        """(name, bytes) of each wanted module that the package has as a module, after those it depends on."""
        done = {}

        def add(name):
            if name in done or name not in self.paths:
                return  # built into the kernel, or not there at all
            data = self.read(name)
            match = re.search(rb"\0depends=([^\0]*)\0", data)
            for needed in match[1].decode().split(",") if match else []:
                if needed:
                    add(needed.replace("-", "_"))
            done[name] = data

        for name in wanted:
            add(name)
        return list(done.items())
